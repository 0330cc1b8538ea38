"""Deeds on loans. Each locks the loan, checks, records a transaction, replays, and posts the difference to the books."""

from apps.loans.selectors import LoanNotRunning, LoanUnknown, payoff_quote
from apps.loans.services.errors import (
    AmountRefused,
    ReferenceReused,
    TermsRefused,
    TransactionUnknown,
    ValueDateRefused,
)
from apps.loans.services.opening import open_loan
from apps.loans.services.payments import TransactionBrief, check_prepayment, prepay, record_repayment, settle_early
from apps.loans.services.reversal import reverse_transaction
from apps.loans.services.servicing import hold_loan

__all__ = [
    "AmountRefused",
    "LoanNotRunning",
    "LoanUnknown",
    "ReferenceReused",
    "TermsRefused",
    "TransactionBrief",
    "TransactionUnknown",
    "ValueDateRefused",
    "check_prepayment",
    "hold_loan",
    "open_loan",
    "payoff_quote",
    "prepay",
    "record_repayment",
    "reverse_transaction",
    "settle_early",
]
