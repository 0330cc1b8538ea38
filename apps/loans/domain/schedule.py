"""The repayment plan as signed: a function of the terms alone. Rules: docs/rules/amortisation.md."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from apps.loans.domain.amortisation import Amortisation, Debt, amortise
from apps.loans.domain.duedates import DueDays, IsWorkingDay, Period, periods, running_units
from apps.loans.domain.terms import FirstInterest, LoanTerms


@dataclass(frozen=True, slots=True)
class ScheduleRow:
    """One instalment of the plan. `days` are calendar days of interest; `balance` is what is left after the row."""

    no: int
    due_date: date
    days: int
    principal: Decimal
    interest: Decimal
    total: Decimal
    balance: Decimal


@dataclass(frozen=True, slots=True)
class Schedule:
    """Rows whose principal adds up to the amount lent, exactly; `installment` is the total of the first row."""

    rows: tuple[ScheduleRow, ...]

    @property
    def installment(self) -> Decimal:
        return self.rows[0].total

    @property
    def total_interest(self) -> Decimal:
        return sum((row.interest for row in self.rows), start=Decimal("0.00"))


def build_schedule(terms: LoanTerms, *, is_working_day: IsWorkingDay | None = None) -> Schedule:
    """The plan of the whole principal from `terms.start`.

    Raises `BadTerms` when due dates move to working days and no calendar is passed.
    """
    plan = periods(terms, count=terms.rows, opened_on=terms.start, is_working_day=is_working_day)
    return Schedule(_rows(terms.principal, plan, first_amortisation(terms, plan, terms.principal)))


def first_amortisation(terms: LoanTerms, plan: list[Period], amount: Decimal) -> Amortisation:
    """Pay off `amount`, paid out at the start of the first of the periods."""
    return amortise(terms, opening_debt(terms, plan, amount))


def opening_debt(terms: LoanTerms, plan: list[Period], amount: Decimal) -> Debt:
    """The whole loan on the day it is paid out."""
    units = [period.units for period in plan]
    regular = units[0]
    if terms.first_interest is FirstInterest.ADDED:
        days = DueDays.of(terms)
        regular = min(regular, running_units(terms.day_count, days.end_of(0), plan[0].end, days.anchor, plan[0].pauses))
    return Debt(
        balance=amount,
        rate=terms.annual_rate,
        units=units,
        extra_units=units[0] - regular,
        balloon=min(terms.balloon, amount),
        flat_base=amount,
        weights=terms.shares,
        principal_grace=terms.principal_grace,
        interest_grace=terms.interest_grace,
    )


def _rows(amount: Decimal, plan: list[Period], amortisation: Amortisation) -> tuple[ScheduleRow, ...]:
    balance = amount.quantize(Decimal("0.01"))
    rows = []
    for period, (principal, interest) in zip(plan, amortisation.rows, strict=True):
        balance -= principal
        days = (period.end - period.start).days
        rows.append(ScheduleRow(period.no, period.due_date, days, principal, interest, principal + interest, balance))
    return tuple(rows)
