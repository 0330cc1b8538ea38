"""One instalment of a running loan: what it asks, what was paid of it, and how interest and penalty run in it.

All values are immutable; every change makes a new instalment. Interest and penalty are kept as exact numerators
(yuan x rate x units or days) and divided by their basis and rounded only when asked for.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import date
from decimal import Decimal
from typing import Any

from apps.common.money import ZERO, round_money
from apps.loans.domain.daycount import BASIS, PENALTY_BASIS
from apps.loans.domain.duedates import Span, running_units
from apps.loans.domain.terms import COMPONENTS, Component, LoanTerms

Amounts = Mapping[Component, Decimal]

NO_AMOUNTS: Amounts = dict.fromkeys(COMPONENTS, ZERO)

_NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Installment:
    """Principal and interest planned for one period, plus fees charged in it; `capitalised` of the interest becomes principal.

    `bears` is balance x rate in the period: interest runs at `bears / basis` per unit of the day count. Of the
    period's `units`, the first `units_done` were charged at a prepayment or lie in `carried` (interest at an earlier
    rate or balance, still to be paid with this row). What was paid and is owed again (a chargeback, a re-aged rest)
    counts as past due from `owed_again_since`, not from the due date.
    """

    no: int
    start: date
    end: date
    due_date: date
    units: int
    principal: Decimal = ZERO
    interest: Decimal = ZERO
    capitalised: Decimal = ZERO
    bears: Decimal = _NOTHING
    carried: Decimal = _NOTHING
    units_done: int = 0
    fee: Decimal = ZERO
    anchor: int | None = None
    pauses: tuple[Span, ...] = ()
    paid: Amounts = field(default_factory=lambda: NO_AMOUNTS)
    waived: Amounts = field(default_factory=lambda: NO_AMOUNTS)
    cleared_on: date | None = None
    penalty_run: Decimal = _NOTHING
    compound_run: Decimal = _NOTHING
    late_since: date
    penalty_adjusted: Decimal = ZERO
    compound_adjusted: Decimal = ZERO
    owed_again_since: date | None = None
    stays_late: bool = False
    late_fee_charged: bool = False

    def unsettled(self, component: Component, charged: Decimal) -> Decimal:
        """What is left of `charged` after payments and waivers."""
        return charged - self.paid[component] - self.waived[component]

    @property
    def unpaid_principal(self) -> Decimal:
        return self.unsettled(Component.PRINCIPAL, self.principal)

    @property
    def asked_interest(self) -> Decimal:
        """Interest that the row asks for."""
        return self.interest - self.capitalised

    @property
    def unpaid_interest(self) -> Decimal:
        return self.unsettled(Component.INTEREST, self.interest - self.capitalised)

    def units_to(self, day: date, terms: LoanTerms) -> int:
        """Units of the period gone by on `day`."""
        if day <= self.start:
            return 0
        return self.units if day >= self.end else running_units(terms.day_count, self.start, day, self.anchor, self.pauses)

    def run_numerator(self, units: int) -> Decimal:
        """Interest run in the row when `units` of the period are gone, before division by the basis."""
        return self.carried + self.bears * (units - self.units_done)

    def interest_to(self, day: date, terms: LoanTerms) -> Decimal:
        """Interest run in the row by `day`, rounded to the 分; the row's whole interest once the period is over."""
        if day >= self.end:
            return self.interest
        if day < self.start or (day == self.start and not self.carried):
            return ZERO
        numerator = self.run_numerator(self.units_to(day, terms))
        return round_money(numerator / BASIS[terms.day_count], terms.rounding.value)

    def with_late_run(self, day: date, penalty_rate: Decimal) -> "Installment":
        """Close the running penalty segment on `day`, before the unpaid amounts or the rate change."""
        days = (day - self.late_since).days
        if days <= 0 or self.cleared_on is not None:
            return self
        return changed(
            self,
            penalty_run=self.penalty_run + self.unpaid_principal * penalty_rate * days,
            compound_run=self.compound_run + self.unpaid_interest * penalty_rate * days,
            late_since=day,
        )

    @property
    def past_due_from(self) -> date:
        """The day from which days past due count."""
        return self.owed_again_since or self.due_date

    def is_late(self, day: date, terms: LoanTerms) -> bool:
        """Whether the row was, or still is, unpaid for longer than the days of grace."""
        return self.stays_late or ((self.cleared_on or day) - self.past_due_from).days > terms.grace_days

    def penalty_to(self, day: date, penalty_rate: Decimal, terms: LoanTerms) -> Decimal:
        """Penalty on unpaid principal from the due date to `day`, whether collected or not (docs/rules/penalty.md)."""
        if not self.is_late(day, terms):
            return self.penalty_adjusted
        return self.penalty_adjusted + self._late_total(self.penalty_run, self.unpaid_principal, day, penalty_rate, terms)

    def compound_to(self, day: date, penalty_rate: Decimal, terms: LoanTerms) -> Decimal:
        """Compound interest on unpaid interest, by the formula of the penalty; none unless the product says so."""
        if not terms.compound or not self.is_late(day, terms):
            return self.compound_adjusted
        return self.compound_adjusted + self._late_total(self.compound_run, self.unpaid_interest, day, penalty_rate, terms)

    def _late_total(self, run: Decimal, unpaid: Decimal, day: date, rate: Decimal, terms: LoanTerms) -> Decimal:
        days = max((day - self.late_since).days, 0)
        return round_money((run + unpaid * rate * days) / PENALTY_BASIS[terms.day_count], terms.rounding.value)

    def settle(self, component: Component, amount: Decimal, *, waive: bool = False) -> "Installment":
        """Count `amount` of a component as paid, or as waived."""
        if waive:
            return changed(self, waived={**self.waived, component: self.waived[component] + amount})
        return changed(self, paid={**self.paid, component: self.paid[component] + amount})

    def cleared(self, day: date) -> "Installment":
        """Note the first day on which neither principal nor interest of a due row is left."""
        if self.cleared_on is not None or self.unpaid_principal or self.unpaid_interest:
            return self
        return changed(self, cleared_on=day)

    def taken_back(self, component: Component, amount: Decimal, day: date, terms: LoanTerms, penalty_rate: Decimal) -> "Installment":
        """Owe again, as of `day`, what had been paid: penalty and days past due count from that day on."""
        row = self.with_late_run(day, penalty_rate)
        row = changed(row, paid={**row.paid, component: row.paid[component] - amount})
        if self.cleared_on is None:
            return row
        was_late = self.is_late(day, terms)
        return changed(
            row,
            cleared_on=None if row.unpaid_principal or row.unpaid_interest else self.cleared_on,
            late_since=day,
            owed_again_since=day,
            stays_late=was_late,
            penalty_run=self.penalty_run if was_late else _NOTHING,
            compound_run=self.compound_run if was_late else _NOTHING,
        )


_NEW = object.__new__
_PUT = {item.name: getattr(Installment, item.name).__set__ for item in fields(Installment)}
_COPY = tuple((getattr(Installment, name).__get__, put) for name, put in _PUT.items())


def changed(row: Installment, **changes: Any) -> Installment:
    """The instalment with some values changed: `dataclasses.replace` in a quarter of its time, of which a replay spends most here."""
    copy = _NEW(Installment)
    for get, put in _COPY:
        put(copy, get(row))
    for name, value in changes.items():
        _PUT[name](copy, value)
    return copy
