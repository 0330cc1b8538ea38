"""How interest runs on a loan by itself from a day on, as few numbers: what the sums of the end of day add up in SQL.

A loan is plain when those numbers tell its interest on every later day until its running period ends, and those of the
next instalments tell the rest. Rules: docs/rules/business-day.md.
"""

from dataclasses import dataclass, fields
from datetime import date, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Final

from apps.common.money import ZERO, round_money
from apps.loans.domain.daycount import BASIS, year_units
from apps.loans.domain.state import LoanState
from apps.loans.domain.terms import LoanTerms
from apps.loans.domain.transactions import Kind

NEVER: Final = date.max
_EXACT: Final = Decimal("1E-18")
# Terms that the numbers of a run carry, or that play no part between two events.
_PLAIN_TERMS: Final = frozenset(
    [
        *("principal", "annual_rate", "floating", "installments", "method", "day_count", "start", "first_due", "due_day", "frequency"),
        *("every", "fee_upfront", "balloon", "shares", "multiple", "rounding", "even_out", "move_to_working_day", "month_end"),
        *("principal_grace", "penalty_uplift", "rate_cap", "grace_days", "compound", "prepay_fee_rate", "prepay_fee_floor"),
        *("prepay_fee_free_after", "waterfall", "allocation", "allocation_rules", "class_bounds", "funders"),
        *("borrower_ref", "party_ref", "collateral_ref", "branch_ref"),
    ]
)
# Changes that go on deciding what runs after their day.
_LASTING: Final = frozenset({Kind.INTEREST_PAUSE, Kind.RE_AGE, Kind.ADJUSTMENT, Kind.CHARGEBACK, Kind.CAPITALISED_INCOME, Kind.BUY_DOWN})


@dataclass(frozen=True, slots=True, kw_only=True)
class InterestRun:
    """The running period of a loan: interest to a day = `before` + what ran of the period by then, in yuan.

    `row_no` is the instalment whose period runs (once all are over one more than there are, with an `end` of `NEVER`).
    """

    as_of: date
    row_no: int
    anchor: int | None
    start: date
    end: date
    units: int
    units_done: int
    bears: Decimal
    carried: Decimal
    interest: Decimal
    before: Decimal

    def interest_to(self, day: date, terms: LoanTerms) -> Decimal:
        """All interest of the loan from its first day to `day`, which lies between `as_of` and the end of the period."""
        if day >= self.end:
            return self.before + self.interest
        if day <= self.start and not self.carried:
            return self.before
        units = year_units(terms.day_count, self.start, day, self.anchor) if day > self.start else 0
        numerator = self.carried + self.bears * (units - self.units_done)
        return self.before + round_money(numerator / BASIS[terms.day_count], terms.rounding.value)


def interest_run(state: LoanState) -> tuple[InterestRun, bool]:
    """The run of a loan on `state.as_of`, and whether it is plain."""
    before = state.interest_charged
    for index, row in enumerate(state.rows):
        installment = row.installment
        if installment.end > state.as_of:
            run = InterestRun(
                as_of=state.as_of,
                row_no=installment.no,
                anchor=installment.anchor,
                start=installment.start,
                end=installment.end,
                units=installment.units,
                units_done=installment.units_done,
                bears=installment.bears,
                carried=installment.carried,
                interest=installment.interest,
                before=before,
            )
            return run, _is_plain(state, run, index)
        before += installment.interest
    nothing = Decimal(0)
    over = InterestRun(
        as_of=state.as_of,
        row_no=len(state.rows) + 1,
        anchor=state.rows[-1].installment.anchor if state.rows else None,
        start=state.rows[-1].installment.end if state.rows else state.as_of,
        end=NEVER,
        units=0,
        units_done=0,
        bears=nothing,
        carried=nothing,
        interest=ZERO,
        before=before,
    )
    return over, _is_plain(state, over, len(state.rows))


def _is_plain(state: LoanState, run: InterestRun, index: int) -> bool:
    """Whether nothing but the numbers of the run and of later rows decides what accrues; looked at, not assumed."""
    terms = state.terms
    if any(getattr(terms, item.name) != item.default for item in fields(terms) if item.name not in _PLAIN_TERMS):
        return False
    if any(told.transaction.kind in _LASTING and told.reversed_by is None for told in state.transactions):
        return False
    rows = [row.installment for row in state.rows[index:]]
    if run.carried % _EXACT or any(row.bears % _EXACT for row in rows):
        return False
    basis, rounding = BASIS[terms.day_count], terms.rounding.value
    if any(row.carried or row.units_done or row.interest != round_money(row.bears * row.units / basis, rounding) for row in rows[1:]):
        return False
    # A row that asks for nothing is paid when it falls due, and one that falls due in a later period is not the running one.
    if any(row.anchor != run.anchor for row in rows):
        return False
    if any(not row.principal and not row.interest for row in rows) or any(row.due_date >= after.end for row, after in pairwise(rows)):
        return False
    last = run.end if rows else state.as_of + timedelta(days=2)
    tries = {state.as_of, state.as_of + (last - state.as_of) // 2, last}
    return all(run.interest_to(day, terms) == state.interest_accrued_to(day) for day in tries)
