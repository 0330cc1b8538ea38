"""To which branch a loan belonged, and when. Rules: docs/rules/branches.md."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from apps.loans.models import BranchStay, Loan


@dataclass(frozen=True, slots=True)
class Stay:
    """From `since` on the loan belongs to a branch; `booked_on` is the business date on which that was entered."""

    code: str
    name: str
    since: dt.date
    booked_on: dt.date
    reason: str
    actor: str


def branches_of(loan: Loan) -> tuple[Stay, ...]:
    """The branches of a loan, the present one last."""
    rows = BranchStay.objects.filter(loan=loan).select_related("branch")
    return tuple(Stay(row.branch.code, row.branch.name, row.since, row.business_date, row.reason, row.actor) for row in rows)


def branch_on(loan: Loan, day: dt.date) -> Stay | None:
    """The branch that a loan belonged to at the end of a day; None when it belonged to none."""
    return next((stay for stay in reversed(branches_of(loan)) if stay.since <= day), None)
