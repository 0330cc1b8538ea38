"""Between rows and the pure core: terms and transactions as the database keeps them, and as `loans.domain` takes them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal
from typing import Any, Final

from apps.common.calendar import is_working_day
from apps.loans.domain.errors import BadTerms
from apps.loans.domain.parsing import parse_terms, parse_transaction
from apps.loans.domain.replay import check_entry, replay
from apps.loans.domain.state import LoanState
from apps.loans.domain.terms import LoanTerms
from apps.loans.domain.transactions import Kind, Transaction
from apps.loans.models import Loan, LoanTransaction

ABOUT: Final = "about"
_MOVES: Final = "move_to_working_day"


def terms_to_json(terms: LoanTerms) -> dict[str, Any]:
    """Terms in the public shape of `manage.py replay` (rates in percent), so that a loan can be taken out and replayed elsewhere."""
    answer: dict[str, Any] = {
        "principal": f"{terms.principal:.2f}",
        "annual_rate": _percent(terms.annual_rate),
        "installments": terms.installments,
        "method": terms.method.value,
        "day_count": terms.day_count.value,
        "start": terms.start.isoformat(),
        "first_due": terms.first_due.isoformat(),
        "due_day": terms.due_day,
        "frequency": terms.frequency.value,
        "every": terms.every,
        "fee_upfront": f"{terms.fee_upfront:.2f}",
        "balloon": f"{terms.balloon:.2f}",
        "shares": [_plain(share) for share in terms.shares],
        "multiple": _plain(terms.multiple),
        "rounding": terms.rounding.name.lower(),
        "even_out": terms.even_out,
        "penalty_uplift": _plain(terms.penalty_uplift),
        "rate_cap": _percent(terms.rate_cap),
        "grace_days": terms.grace_days,
        "compound": terms.compound,
        "prepay_fee_rate": _plain(terms.prepay_fee_rate),
        "prepay_fee_floor": f"{terms.prepay_fee_floor:.2f}",
        "prepay_fee_free_after": terms.prepay_fee_free_after,
        "waterfall": [component.value for component in terms.waterfall],
        "allocation": terms.allocation.value,
        "funders": [{"party_ref": funder.party_ref, "parts": funder.parts} for funder in terms.funders],
        "borrower_ref": terms.borrower_ref,
        "party_ref": terms.party_ref,
        "collateral_ref": terms.collateral_ref,
        "branch_ref": terms.branch_ref,
    }
    if terms.move_to_working_day:
        answer[_MOVES] = True
    return answer


def terms_of(loan: Loan) -> LoanTerms:
    """The loan's terms."""
    source = dict(loan.terms)
    moves = source.pop(_MOVES, False)
    terms = parse_terms(source)
    return replace(terms, move_to_working_day=True) if moves else terms


def _percent(rate: Decimal) -> str:
    return _plain(rate * 100)


def _plain(number: Decimal) -> str:
    return format(number.normalize(), "f")


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


def entry_of(loan: Loan, rows: Iterable[LoanTransaction], new: LoanTransaction) -> LoanState:
    """The loan on the value date of `new` with it. Raises `BadTerms` when it cannot be entered as asked."""
    terms = terms_of(loan)
    calendar = is_working_day if terms.move_to_working_day else None
    return check_entry(terms, [as_core(row) for row in rows], as_core(new), is_working_day=calendar)


__all__ = ["BadTerms", "as_core", "entry_of", "replay_of", "terms_of", "terms_to_json"]
