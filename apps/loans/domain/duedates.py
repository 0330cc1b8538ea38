"""Due dates: the anchor day, the frequency, and the move off non-working days."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

from apps.loans.domain.daycount import DayCount, year_units
from apps.loans.domain.errors import BadTerms
from apps.loans.domain.errors import said as _
from apps.loans.domain.terms import Frequency, LoanTerms, MonthEnd, due_in_month

IsWorkingDay = Callable[[date], bool]

Span = tuple[date, date]

_LONGEST_HOLIDAY_DAYS = 60


@dataclass(frozen=True, slots=True)
class Period:
    """One interest period: interest runs from `start` to `end`; payment is expected on `due_date`.

    `end` and `due_date` differ only when the due date moved off a non-working day, which never changes interest.
    `units` is the year fraction over `daycount.BASIS`, without the days on which interest is paused.
    """

    no: int
    start: date
    end: date
    due_date: date
    units: int
    anchor: int | None
    pauses: tuple[Span, ...] = ()


@dataclass(frozen=True, slots=True)
class DueDays:
    """The sequence of due dates, before any move off a non-working day: number `first_no` falls on, or in the month of, `first`."""

    frequency: Frequency
    every: int
    first_no: int
    first: date
    anchor: int | None
    month_end: MonthEnd

    @classmethod
    def of(cls, terms: LoanTerms) -> "DueDays":
        """Due dates as signed."""
        first = terms.first_due_month if terms.anchor else terms.first_due
        return cls(terms.frequency, terms.every, 1, first, terms.anchor, terms.month_end)

    def end_of(self, no: int) -> date:
        """The end of period `no` (1 = first)."""
        steps = (no - self.first_no) * self.every
        if self.anchor:
            return due_in_month(_months_later(self.first, steps), self.anchor, self.month_end)
        return self.first + timedelta(days=steps * (7 if self.frequency is Frequency.WEEK else 1))

    def number_of(self, day: date) -> int:
        """The number of the first due date on or after `day`."""
        no = self.first_no
        while self.end_of(no) < day:
            no += 1
        return no

    def moved(self, end: date, due_day: int, after: date) -> "DueDays":
        """From the period that ends on `end`: due on `due_day` of the same month, or of the next when that is not after `after`."""
        no = self.number_of(end)
        month = _months_later(self.first, (no - self.first_no) * self.every)
        while due_in_month(month, due_day, self.month_end) <= after:
            month = _months_later(month, 1)
        return replace(self, first_no=no, first=month, anchor=due_day)

    def resumed(self, no: int, after: date) -> "DueDays":
        """Number `no` falls on the first due date of the sequence after `after`."""
        found = self.number_of(after + timedelta(days=1))
        return replace(self, first_no=self.first_no + no - found)


def _months_later(month: date, months: int) -> date:
    """The first day of a later month."""
    year, index = divmod(month.year * 12 + month.month - 1 + months, 12)
    return date(year, index + 1, 1)


def next_working_day(day: date, is_working_day: IsWorkingDay) -> date:
    """The day itself when it is a working day, else the next one; ValueError when none comes within 60 days."""
    for offset in range(_LONGEST_HOLIDAY_DAYS):
        candidate = day + timedelta(days=offset)
        if is_working_day(candidate):
            return candidate
    raise ValueError(f"no working day within {_LONGEST_HOLIDAY_DAYS} days of {day}")


def running_units(day_count: DayCount, start: date, day: date, anchor: int | None, pauses: Sequence[Span]) -> int:
    """Units from `start` to `day` on which interest runs: those of the pauses are left out. Pauses do not overlap."""
    units = year_units(day_count, start, day, anchor)
    for first, until in pauses:
        if first < day and until > start:
            paused_from, paused_to = max(first, start), min(until, day)
            units -= year_units(day_count, start, paused_to, anchor) - year_units(day_count, start, paused_from, anchor)
    return units


def make_period(
    terms: LoanTerms, no: int, start: date, end: date, days: DueDays, pauses: Sequence[Span], working: IsWorkingDay | None
) -> Period:
    """The period from `start` to `end`, its due date moved off a non-working day when the terms say so."""
    due = next_working_day(end, working) if terms.move_to_working_day and working else end
    within = tuple(span for span in pauses if span[0] < end and span[1] > start) if pauses else ()
    units = running_units(terms.day_count, start, end, days.anchor, within)
    return Period(no, start, end, due, units, days.anchor, within)


def free_spans(terms: LoanTerms, opened_on: date) -> tuple[Span, ...]:
    """The days on which the terms themselves ask no interest: those of the first `interest_free` instalments."""
    return ((opened_on, DueDays.of(terms).end_of(terms.interest_free)),) if terms.interest_free else ()


def periods(
    terms: LoanTerms,
    *,
    count: int,
    opened_on: date,
    is_working_day: IsWorkingDay | None = None,
    after: int = 0,
    days: DueDays | None = None,
    pauses: Sequence[Span] | None = None,
) -> list[Period]:
    """Periods `after + 1` … `count`, the first of them from `opened_on`, whole or broken; by `days` and `pauses`, else as signed.

    Raises `BadTerms` when due dates move to working days and no calendar is passed.
    """
    if terms.move_to_working_day and is_working_day is None:
        raise BadTerms("move_to_working_day", _("needs a working-day calendar"))
    days, start, answer = days or DueDays.of(terms), opened_on, []
    pauses = free_spans(terms, opened_on) if pauses is None else pauses
    for no in range(after + 1, count + 1):
        end = days.end_of(no)
        answer.append(make_period(terms, no, start, end, days, pauses, is_working_day))
        start = end
    return answer
