"""Working days: a table of exceptions (seeded from the announced holidays) over the rule that Monday to Friday are worked."""

from __future__ import annotations

import datetime as dt

import chinese_calendar

from apps.common.models import WorkingDay

_SATURDAY = 5


def is_working_day(day: dt.date) -> bool:
    """Whether banks and offices work on `day`: the table first, the weekend rule beyond its data."""
    exception = WorkingDay.objects.filter(day=day).values_list("is_working", flat=True).first()
    return day.weekday() < _SATURDAY if exception is None else exception


def is_announced_working_day(day: dt.date) -> bool:
    """The same by the announced holidays alone, without the table: for sums that know no database."""
    try:
        return bool(chinese_calendar.is_workday(day))
    except NotImplementedError:  # not announced in this version of the calendar data
        return day.weekday() < _SATURDAY


def next_working_day(day: dt.date) -> dt.date:
    """`day` itself when it is worked, else the first worked day after it."""
    while not is_working_day(day):
        day += dt.timedelta(days=1)
    return day


def import_announced(year: int) -> int:
    """Write the announced exceptions of a year into the table; returns how many rows it now has for that year.

    Raises `ValueError` for a year that is not announced yet: its days follow the weekend rule until the yearly import.
    """
    day = dt.date(year, 1, 1)
    rows = []
    try:
        while day.year == year:
            worked = chinese_calendar.is_workday(day)
            if worked != (day.weekday() < _SATURDAY):
                holiday = chinese_calendar.get_holiday_detail(day)[1]
                rows.append(WorkingDay(day=day, is_working=worked, name=str(holiday or "")))
            day += dt.timedelta(days=1)
    except NotImplementedError as error:
        raise ValueError(f"The holidays of {year} are not announced in this version of the calendar data.") from error
    WorkingDay.objects.bulk_create(rows, update_conflicts=True, unique_fields=["day"], update_fields=["is_working", "name"])
    return WorkingDay.objects.filter(day__year=year).count()
