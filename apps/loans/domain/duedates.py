"""Due dates: the anchor day, the frequency, and the move off non-working days."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

from apps.loans.domain.daycount import DayCount, month_day, year_units
from apps.loans.domain.errors import BadTerms
from apps.loans.domain.terms import Frequency, LoanTerms

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
    """The sequence of due dates, before any move off a non-working day: number `first_no` falls on `first`."""

    frequency: Frequency
    every: int
    first_no: int
    first: date
    anchor: int | None

    @classmethod
    def of(cls, terms: LoanTerms) -> "DueDays":
        """Due dates as signed."""
        return cls(terms.frequency, terms.every, 1, terms.first_due, terms.anchor)

    def end_of(self, no: int) -> date:
        """The end of period `no` (1 = first)."""
        steps = (no - self.first_no) * self.every
        if self.frequency is Frequency.MONTH:
            return month_day(self.first.year, self.first.month + steps, self.anchor or self.first.day)
        return self.first + timedelta(days=steps * (7 if self.frequency is Frequency.WEEK else 1))

    def number_of(self, day: date) -> int:
        """The number of the first due date on or after `day`."""
        no = self.first_no
        while self.end_of(no) < day:
            no += 1
        return no

    def moved(self, end: date, due_day: int, after: date) -> "DueDays":
        """From the period that ends on `end`: due on `due_day` of the same month, or of the next when that is not after `after`."""
        first = month_day(end.year, end.month, due_day)
        months = 0
        while first <= after:
            months += 1
            first = month_day(end.year, end.month + months, due_day)
        return replace(self, first_no=self.number_of(end), first=first, anchor=due_day)

    def resumed(self, no: int, after: date) -> "DueDays":
        """Number `no` falls on the first due date of the sequence after `after`."""
        return replace(self, first_no=no, first=self.end_of(self.number_of(after + timedelta(days=1))))


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


def periods(
    terms: LoanTerms,
    *,
    count: int,
    opened_on: date,
    is_working_day: IsWorkingDay | None = None,
    after: int = 0,
    days: DueDays | None = None,
    pauses: Sequence[Span] = (),
) -> list[Period]:
    """Periods `after + 1` … `count`, the first of them from `opened_on`, whole or broken; by `days`, else as signed.

    Raises `BadTerms` when due dates move to working days and no calendar is passed.
    """
    if terms.move_to_working_day and is_working_day is None:
        raise BadTerms("move_to_working_day", "needs a working-day calendar")
    days, start, answer = days or DueDays.of(terms), opened_on, []
    for no in range(after + 1, count + 1):
        end = days.end_of(no)
        answer.append(make_period(terms, no, start, end, days, pauses, is_working_day))
        start = end
    return answer
