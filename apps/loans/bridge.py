"""Between rows and the pure core: terms and transactions as the database keeps them, and as `loans.domain` takes them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from decimal import Decimal
from typing import Final

from apps.common.calendar import is_working_day
from apps.loans.domain.earnings import interest_refund
from apps.loans.domain.errors import BadTerms
from apps.loans.domain.parsing import parse_terms, parse_transaction
from apps.loans.domain.public import terms_to_json
from apps.loans.domain.replay import check_entry, replay
from apps.loans.domain.state import LoanState
from apps.loans.domain.terms import LoanTerms
from apps.loans.domain.transactions import Kind, Transaction
from apps.loans.models import Loan, LoanTransaction

ABOUT: Final = "about"


def terms_of(loan: Loan) -> LoanTerms:
    """The loan's terms."""
    return parse_terms(loan.terms)


def as_core(row: LoanTransaction) -> Transaction:
    """A recorded transaction as the core takes it; its particulars are kept in the public shape of `manage.py replay`.

    What people note beside (`about`: who paid, why, a fraud mark) is none of the core's business.
    """
    particulars = {name: value for name, value in row.params.items() if name != ABOUT}
    if not particulars:
        return Transaction(
            id=str(row.id),
            kind=Kind(row.kind),
            value_date=row.value_date,
            amount=row.amount,
            reverses=str(row.reverses_id) if row.reverses_id else None,
            source=row.source,
        )
    facts = {"id": str(row.id), "kind": str(row.kind), "value_date": row.value_date.isoformat(), "source": str(row.source)}
    if row.amount is not None:
        facts["amount"] = f"{row.amount:.2f}"
    return parse_transaction({name: value for name, value in facts.items() if value} | particulars)


def replay_of(loan: Loan, rows: Iterable[LoanTransaction], as_of: dt.date) -> LoanState:
    """The loan as it stands on `as_of` by these of its transactions. Raises `BadTerms`."""
    terms = terms_of(loan)
    calendar = is_working_day if terms.move_to_working_day else None
    return replay(terms, [as_core(row) for row in rows], as_of, is_working_day=calendar)


def replay_standing(loan: Loan, state: LoanState, as_of: dt.date) -> LoanState:
    """The loan as it stood on an earlier day by the transactions that count in `state`: what was reversed since is left out."""
    terms = terms_of(loan)
    calendar = is_working_day if terms.move_to_working_day else None
    standing = [told.transaction for told in state.transactions if told.reversed_by is None and told.transaction.kind is not Kind.REVERSAL]
    return replay(terms, standing, as_of, is_working_day=calendar)


def refund_of(loan: Loan, rows: Iterable[LoanTransaction], amount: Decimal, day: dt.date) -> Decimal:
    """Interest that `amount` of the principal has cost by `day`: what a merchant's refund gives back. Raises `BadTerms`."""
    terms = terms_of(loan)
    calendar = is_working_day if terms.move_to_working_day else None
    return interest_refund(terms, [as_core(row) for row in rows], amount, day, is_working_day=calendar)


def entry_of(loan: Loan, rows: Iterable[LoanTransaction], new: LoanTransaction) -> LoanState:
    """The loan on the value date of `new` with it. Raises `BadTerms` when it cannot be entered as asked."""
    terms = terms_of(loan)
    calendar = is_working_day if terms.move_to_working_day else None
    return check_entry(terms, [as_core(row) for row in rows], as_core(new), is_working_day=calendar)


__all__ = ["BadTerms", "as_core", "entry_of", "refund_of", "replay_of", "replay_standing", "terms_of", "terms_to_json"]
