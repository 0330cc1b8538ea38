"""The project's clock: wall clock plus an offset kept in the database, so that demo, tests and twin live on their own time.

Services do not call it: they get `now` from the edge (request, task, command) that does.
"""

from __future__ import annotations

import datetime as dt
import math
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import connection

BEIJING = ZoneInfo("Asia/Shanghai")
_OFFSET_TABLE = "common_clockoffset"


def offset() -> dt.timedelta:
    """Distance of the project's clock from the wall clock; zero where `CLOCK_MOVABLE` is off."""
    if not settings.CLOCK_MOVABLE:
        return dt.timedelta()
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT seconds FROM {_OFFSET_TABLE}")  # noqa: S608  (a constant)
        row = cursor.fetchone()
    return dt.timedelta(seconds=row[0] if row else 0)


def now() -> dt.datetime:
    """The project's present moment, aware, in UTC."""
    return dt.datetime.now(dt.UTC) + offset()


def move_to(moment: dt.datetime) -> None:
    """Set the clock so that `now()` answers `moment` and runs on from there.

    Raises `RuntimeError` where `CLOCK_MOVABLE` is off, `ValueError` for a naive moment.
    """
    if not settings.CLOCK_MOVABLE:
        raise RuntimeError("The clock is not movable here: CLOCK_MOVABLE is off.")
    if moment.tzinfo is None:
        raise ValueError("The moment needs a time zone.")
    # Whole seconds, never short: a clock that is set to midnight stands in the new day at once.
    seconds = math.ceil((moment - dt.datetime.now(dt.UTC)).total_seconds())
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {_OFFSET_TABLE} (id, seconds) VALUES (1, %s) "  # noqa: S608  (a constant)
            "ON CONFLICT (id) DO UPDATE SET seconds = EXCLUDED.seconds",
            [seconds],
        )


def local_date(moment: dt.datetime) -> dt.date:
    """The calendar day in Beijing at `moment`."""
    return moment.astimezone(BEIJING).date()


def beijing(day: dt.date, hour: int = 0, minute: int = 0) -> dt.datetime:
    """The moment of a Beijing day and time."""
    return dt.datetime.combine(day, dt.time(hour, minute), tzinfo=BEIJING)
