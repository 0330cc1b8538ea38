"""The repayment plan as signed: a function of the terms alone. Rules: docs/rules/amortisation.md."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from apps.common.money import ZERO
from apps.loans.domain.amortisation import Amortisation, Debt, amortise
from apps.loans.domain.duedates import DueDays, IsWorkingDay, Period, periods, running_units
from apps.loans.domain.terms import FirstInterest, GraceInterest, LoanTerms


@dataclass(frozen=True, slots=True)
class ScheduleRow:
    """One instalment of the plan. `days` are calendar days of interest; `balance` is what is left after the row.

    `interest` is what the row asks for.
    """

    no: int
    due_date: date
    days: int
    principal: Decimal
    interest: Decimal
    total: Decimal
    balance: Decimal


@dataclass(frozen=True, slots=True)
class Schedule:
    """Rows whose principal adds up to the amount lent and the interest capitalised, exactly; `installment` is the first row's total.

    `capitalised` is interest of the first rows that becomes principal as each ends. In a quote `fees` are what the terms charge
    with each row, no part of its total; empty when they charge nothing.
    """

    rows: tuple[ScheduleRow, ...]
    capitalised: tuple[Decimal, ...] = ()
    fees: tuple[Decimal, ...] = ()

    @property
    def installment(self) -> Decimal:
        return self.rows[0].total

    @property
    def total_interest(self) -> Decimal:
        """All interest, what becomes principal included."""
        return sum((row.interest for row in self.rows), start=sum(self.capitalised, start=ZERO))


def build_schedule(terms: LoanTerms, *, is_working_day: IsWorkingDay | None = None) -> Schedule:
    """The plan of the whole principal from `terms.start`.

    Raises `BadTerms` when due dates move to working days and no calendar is passed.
    """
    plan = periods(terms, count=terms.rows, opened_on=terms.start, is_working_day=is_working_day)
    amortisation = first_amortisation(terms, plan, terms.principal)
    return Schedule(_rows(terms.principal, plan, amortisation), amortisation.capitalised)


def first_amortisation(terms: LoanTerms, plan: list[Period], amount: Decimal) -> Amortisation:
    """Pay off `amount`, paid out at the start of the first of the periods."""
    return amortise(terms, opening_debt(terms, plan, amount))


def opening_debt(terms: LoanTerms, plan: list[Period], amount: Decimal) -> Debt:
    """The whole loan on the day it is paid out."""
    units = [period.units for period in plan]
    regular = units[0]
    capitalising = terms.interest_grace if terms.grace_interest is GraceInterest.CAPITALISED else 0
    if terms.first_interest is not FirstInterest.BLENDED:
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
        interest_grace=0 if capitalising else terms.interest_grace,
        capitalising=capitalising,
        extra_capitalised=terms.first_interest is FirstInterest.CAPITALISED,
    )


def _rows(amount: Decimal, plan: list[Period], amortisation: Amortisation) -> tuple[ScheduleRow, ...]:
    balance = amount.quantize(Decimal("0.01"))
    rows, grown = [], amortisation.capitalised
    for place, (period, (principal, interest)) in enumerate(zip(plan, amortisation.rows, strict=True)):
        balance -= principal
        if place < len(grown):
            balance += grown[place]
            interest -= grown[place]
        days = (period.end - period.start).days
        rows.append(ScheduleRow(period.no, period.due_date, days, principal, interest, principal + interest, balance))
    return tuple(rows)
