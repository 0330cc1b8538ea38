"""Floating rates: LPR plus a spread, and the days on which a loan takes a new one. Rules: docs/rules/amortisation.md."""

from datetime import date, timedelta
from decimal import Decimal

from apps.loans.domain.daycount import month_day
from apps.loans.domain.errors import BadTerms
from apps.loans.domain.errors import said as _
from apps.loans.domain.terms import Floating, Repricing

_BASIS_POINT = Decimal("0.0001")
_LONGEST = timedelta(days=400)


_MONTHS = {Repricing.YEARLY_ANNIVERSARY: 12, Repricing.QUARTERLY: 3, Repricing.MONTHLY: 1}


def floating_rate(lpr: Decimal, spread_bp: int) -> Decimal:
    """LPR (a fraction a year) plus a spread in basis points, which may be negative; `BadTerms` when below zero."""
    rate = lpr + spread_bp * _BASIS_POINT
    if rate < 0:
        raise BadTerms("spread_bp", _("takes the rate below zero: %(rate)s", rate=rate))
    return rate


def reset_dates(repricing: Repricing, start: date, end: date) -> list[date]:
    """Days after `start` and before `end` on which the rate is set anew; counted from `start`, on its day number."""
    if repricing is Repricing.YEARLY_1_JANUARY:
        return [date(year, 1, 1) for year in range(start.year + 1, end.year + 1) if date(year, 1, 1) < end]
    answer, step = [], _MONTHS[repricing]
    months = step
    while (day := month_day(start.year, start.month + months, start.day)) < end:
        answer.append(day)
        months += step
    return answer


def next_reset(floating: Floating, start: date, after: date) -> date:
    """The first day after `after` on which a loan paid out on `start` takes a new rate."""
    return next(day for day in reset_dates(floating.repricing, start, after + _LONGEST) if day > after)
