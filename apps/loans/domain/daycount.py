"""Day counts: the part of a year between two days, as an exact whole number of units.

A fraction is kept as `units / BASIS[day_count]`, never divided out early, so that half a 分 is still seen as
exactly half when it is rounded. The first day counts, the last does not (算头不算尾). Rules: docs/rules/day-count.md.
"""

from calendar import isleap
from datetime import date
from decimal import Decimal
from enum import StrEnum

_MONTH_DAYS = (0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


class DayCount(StrEnum):
    ACT_365 = "act/365"
    ACT_360 = "act/360"
    ACT_364 = "act/364"
    ACT_ACT = "act/act"
    THIRTY_360 = "30/360"


# act/act mixes 366ths and 365ths: their product is the common denominator.
BASIS: dict[DayCount, Decimal] = {
    DayCount.ACT_365: Decimal(365),
    DayCount.ACT_360: Decimal(360),
    DayCount.ACT_364: Decimal(364),
    DayCount.ACT_ACT: Decimal(366 * 365),
    DayCount.THIRTY_360: Decimal(360),
}

PENALTY_BASIS: dict[DayCount, Decimal] = {
    DayCount.ACT_365: Decimal(365),
    DayCount.ACT_360: Decimal(360),
    DayCount.ACT_364: Decimal(365),
    DayCount.ACT_ACT: Decimal(365),
    DayCount.THIRTY_360: Decimal(360),
}


def days_in_month(year: int, month: int) -> int:
    return 29 if month == 2 and isleap(year) else _MONTH_DAYS[month]


def month_day(year: int, month: int, day_number: int) -> date:
    """The day `day_number` of a month, or its last day when the month is shorter; `month` may run past 12."""
    year, month = year + (month - 1) // 12, (month - 1) % 12 + 1
    return date(year, month, min(day_number, days_in_month(year, month)))


def year_units(day_count: DayCount, first: date, last: date, anchor: int | None = None) -> int:
    """Units of the year fraction from `first` to `last` (not before it), over `BASIS[day_count]`.

    `anchor` is the loan's due day; only 30/360 looks at it.
    """
    if day_count is DayCount.THIRTY_360:
        return _thirty_360(first, last, anchor)
    if day_count is DayCount.ACT_ACT:
        return _act_act(first, last)
    return (last - first).days


def _act_act(first: date, last: date) -> int:
    units = 0
    while first.year < last.year:
        new_year = date(first.year + 1, 1, 1)
        units += (new_year - first).days * (365 if isleap(first.year) else 366)
        first = new_year
    return units + (last - first).days * (365 if isleap(first.year) else 366)


def _thirty_360(first: date, last: date, anchor: int | None) -> int:
    """Whole months as 30 units each, then actual odd days, never more than 30 of them."""
    day_number = first.day
    if anchor is not None and day_number == min(anchor, days_in_month(first.year, first.month)):
        day_number = anchor
    months = (last.year - first.year) * 12 + last.month - first.month
    reached = month_day(first.year, first.month + months, day_number)
    if reached > last:
        months -= 1
        reached = month_day(first.year, first.month + months, day_number)
    return months * 30 + min((last - reached).days, 30)
