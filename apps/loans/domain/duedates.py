"""Due dates: the anchor day, the frequency, and the move off non-working days."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta

from apps.loans.domain.daycount import month_day, year_units
from apps.loans.domain.errors import BadTerms
from apps.loans.domain.terms import Frequency, LoanTerms

IsWorkingDay = Callable[[date], bool]

_LONGEST_HOLIDAY_DAYS = 60


@dataclass(frozen=True, slots=True)
class Period:
    """One interest period: interest runs from `start` to `end`; payment is expected on `due_date`.

    `end` and `due_date` differ only when the due date moved off a non-working day, which never changes interest.
    `units` is the year fraction over `daycount.BASIS`.
    """

    no: int
    start: date
    end: date
    due_date: date
    units: int


def nominal_due(terms: LoanTerms, no: int) -> date:
    """The end of period `no` (1 = first) before any move off a non-working day."""
    first = terms.first_due
    steps = (no - 1) * terms.every
    if terms.frequency is Frequency.MONTH:
        return month_day(first.year, first.month + steps, terms.anchor or first.day)
    return first + timedelta(days=steps * (7 if terms.frequency is Frequency.WEEK else 1))


def next_working_day(day: date, is_working_day: IsWorkingDay) -> date:
    """The day itself when it is a working day, else the next one; ValueError when none comes within 60 days."""
    for offset in range(_LONGEST_HOLIDAY_DAYS):
        candidate = day + timedelta(days=offset)
        if is_working_day(candidate):
            return candidate
    raise ValueError(f"no working day within {_LONGEST_HOLIDAY_DAYS} days of {day}")


def periods(
    terms: LoanTerms,
    *,
    count: int,
    opened_on: date,
    after: int = 0,
    is_working_day: IsWorkingDay | None = None,
) -> list[Period]:
    """Periods `after + 1` … `count`; the first period of the loan runs from `opened_on`, whole or broken.

    Raises `BadTerms` when due dates move to working days and no calendar is passed.
    """
    shift = terms.move_to_working_day
    if shift and is_working_day is None:
        raise BadTerms("move_to_working_day", "needs a working-day calendar")
    anchor, day_count = terms.anchor, terms.day_count
    start = nominal_due(terms, after) if after else opened_on
    answer = []
    for no in range(after + 1, count + 1):
        end = nominal_due(terms, no)
        due = next_working_day(end, is_working_day) if shift and is_working_day else end
        answer.append(Period(no, start, end, due, year_units(day_count, start, end, anchor)))
        start = end
    return answer
