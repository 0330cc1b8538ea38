"""An event and handlers that only the kernel's tests know."""

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from uuid import UUID

from apps.common.models import WorkingDay
from apps.common.outbox import event, handles


@event
class HolidayAnnounced:
    day: dt.date
    amount: Decimal
    who: UUID
    note: str | None = None


fail_with: list[Exception] = []
besides: list[Callable[[], object]] = []
seen_outside: list[HolidayAnnounced] = []


@handles(HolidayAnnounced)
def on_holiday(news: HolidayAnnounced, *, now: dt.datetime) -> None:
    """Writes a row, then fails when told to: the row must go with it."""
    WorkingDay.objects.create(day=news.day, is_working=False, name=str(news.amount))
    for deed in besides:
        deed()
    if fail_with:
        raise fail_with.pop()


@handles(HolidayAnnounced, outside=True)
def on_holiday_outside(news: HolidayAnnounced, *, now: dt.datetime) -> None:
    seen_outside.append(news)
