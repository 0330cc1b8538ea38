"""Short ways to write loans and transactions in the tests of the core."""

from datetime import date
from decimal import Decimal
from typing import Any

from apps.loans.domain import LoanState, LoanTerms, Transaction, build_schedule, parse_terms, parse_transaction, replay

CAR_LOAN = {
    "principal": "120000",
    "annual_rate": "10.8",
    "installments": 24,
    "method": "equal_installment",
    "day_count": "act/365",
    "start": "2025-01-10",
    "first_due": "2025-02-20",
}


def day(text: str) -> date:
    return date.fromisoformat(text)


def yuan(text: str) -> Decimal:
    return Decimal(text)


def car_loan(**changes: Any) -> LoanTerms:
    """120,000.00 at 10.8 % in 24 equal instalments from 2025-01-10, first due 2025-02-20."""
    return parse_terms(CAR_LOAN | changes)


def tx(identity: str, kind: str, value_date: str, amount: str | None = None, **more: Any) -> Transaction:
    return parse_transaction({"id": identity, "kind": kind, "value_date": value_date, "amount": amount} | more)


def paid_on_time(terms: LoanTerms, count: int, *, skip: tuple[int, ...] = ()) -> list[Transaction]:
    """The first `count` instalments of the plan, each repaid on its due date, but for those in `skip`."""
    rows = build_schedule(terms).rows[:count]
    return [tx(f"r{row.no}", "repayment", row.due_date.isoformat(), str(row.total)) for row in rows if row.no not in skip]


def on(terms: LoanTerms, transactions: list[Transaction], as_of: str) -> LoanState:
    return replay(terms, transactions, day(as_of))


def shown(amounts: Any) -> dict[str, str]:
    """Only the amounts that are not zero, as text."""
    return {component.value: str(amount) for component, amount in amounts.items() if amount}
