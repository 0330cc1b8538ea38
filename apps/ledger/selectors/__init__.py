"""Questions to the books: balances, statements of account, entries, rules."""

from apps.ledger.selectors.balances import (
    TrialRow,
    balance,
    balances,
    closed_through,
    digest,
    entries_of,
    entries_on,
    entry_count,
    moved_by,
    references_of,
    trial_balance,
)
from apps.ledger.selectors.statements import (
    AccountPage,
    BalanceSheet,
    IncomeStatement,
    StatementLine,
    Turnover,
    account_page,
    balance_sheet,
    income_statement,
    turnovers,
)

__all__ = [
    "AccountPage",
    "BalanceSheet",
    "IncomeStatement",
    "StatementLine",
    "TrialRow",
    "Turnover",
    "account_page",
    "balance",
    "balance_sheet",
    "balances",
    "closed_through",
    "digest",
    "entries_of",
    "entries_on",
    "entry_count",
    "income_statement",
    "moved_by",
    "references_of",
    "trial_balance",
    "turnovers",
]
