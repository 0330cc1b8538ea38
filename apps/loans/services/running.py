"""How a loan goes on by itself after a replay: its `LoanRun`, and the next day on which something happens to it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from apps.common.money import ZERO
from apps.loans.domain.daycount import BASIS, PENALTY_BASIS, DayCount
from apps.loans.domain.running import interest_run
from apps.loans.domain.state import LoanState, RowStatus, is_unpaid
from apps.loans.domain.terms import Rounding
from apps.loans.models import LIVE, Loan, LoanRun

_ONE_DAY: Final = dt.timedelta(days=1)
_EXACT: Final = Decimal("1E-18")
_DAY_COUNTS: Final = {DayCount.ACT_ACT: LoanRun.DayCount.ACT_ACT, DayCount.THIRTY_360: LoanRun.DayCount.THIRTY_360}


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Days past due above which the books treat a loan otherwise: its class, or non-accrual."""

    above: tuple[int, ...]

    def next_after(self, oldest_unpaid: dt.date, as_of: dt.date) -> dt.date | None:
        """The first day after `as_of` on which one more of them is passed."""
        days = (oldest_unpaid + dt.timedelta(days=above + 1) for above in self.above)
        return min((day for day in days if day > as_of), default=None)

    @property
    def first(self) -> int:
        """The least of them."""
        return min(self.above)


def run_of(
    loan: Loan,
    state: LoanState,
    thresholds: Thresholds,
    own_refs: frozenset[str],
    *,
    is_suspended: bool,
    improves_on: dt.date | None = None,
) -> LoanRun | None:
    """The run of a running loan by this state; None when it does not run any more. A watch over it ends on `improves_on`."""
    if state.status.value not in LIVE:
        return None
    run, is_plain = interest_run(state)
    terms = state.terms
    parties = [(state.owner_ref if funder.party_ref in own_refs else funder.party_ref) for funder in terms.funders]
    parts = [funder.parts for funder in terms.funders]
    if state.owner_ref and not parties:
        parties, parts = [state.owner_ref], [10_000]
    late = [row.installment for row in state.rows if row.status in (RowStatus.DUE, RowStatus.OVERDUE)]
    is_plain = (
        is_plain
        and state.status.value != "terminated"
        and len(set(parties)) == len(parties)
        and not any(row.penalty_run % _EXACT or row.compound_run % _EXACT for row in late)
    )
    return LoanRun(
        loan=loan,
        legal_entity_id=loan.legal_entity_id,
        as_of=state.as_of,
        is_plain=is_plain,
        next_event_on=min(_events(state, thresholds, improves_on), default=None) if is_plain else state.as_of + _ONE_DAY,
        next_due_on=_next_due(state),
        row_no=run.row_no,
        starts_on=run.start,
        ends_on=run.end,
        units=run.units,
        units_done=run.units_done,
        bears=run.bears,
        carried=run.carried,
        interest=run.interest,
        before=run.before,
        accrued=state.interest_accrued_to(state.as_of),
        day_count=_DAY_COUNTS.get(terms.day_count, LoanRun.DayCount.DAYS),
        basis=int(BASIS[terms.day_count]),
        anchor=run.anchor or 0,
        half_even=terms.rounding is Rounding.HALF_EVEN,
        vat_rate=loan.interest_vat_rate,
        penalty_rate=state.penalty_rate,
        penalty_basis=int(PENALTY_BASIS[terms.day_count]),
        grace_days=terms.grace_days,
        compound=terms.compound,
        is_suspended=is_suspended,
        is_lease=loan.is_lease,
        parties=parties or None,
        parts=parts or None,
    )


def _next_due(state: LoanState) -> dt.date | None:
    return next((row.installment.due_date for row in state.rows if row.installment.due_date > state.as_of), None)


def _events(state: LoanState, thresholds: Thresholds, improves_on: dt.date | None) -> Iterator[dt.date]:
    """Days after `state.as_of` on which more happens than that interest and penalty run and an instalment falls due."""
    if improves_on is not None:
        yield improves_on
    grace = dt.timedelta(days=state.terms.grace_days + 1)
    unpaid = [row for row in state.rows if row.installment.due_date <= state.as_of and is_unpaid(row.owed)]
    for row in unpaid:
        if row.installment.due_date + grace > state.as_of:
            yield row.installment.due_date + grace
    if unpaid and (passed := thresholds.next_after(unpaid[0].installment.due_date, state.as_of)):
        yield passed
    if state.credit > ZERO and (due := _next_due(state)):
        yield due
