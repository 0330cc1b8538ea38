"""Business numbers such as `CL20261120-000482`, from PostgreSQL sequences: never waited for, never given twice, gaps possible."""

from __future__ import annotations

import datetime as dt
import re

from django.db import connection

_PREFIX = re.compile(r"^[A-Z]{1,4}$")


def next_number(prefix: str, day: dt.date, *, separator: str = "") -> str:
    """The next number of a series: prefix, day, and at least six digits. `prefix` is one to four capital letters."""
    return next_numbers(prefix, day, 1, separator=separator)[0]


def next_numbers(prefix: str, day: dt.date, count: int, *, separator: str = "") -> list[str]:
    """The next `count` numbers of a series, in one statement."""
    if not _PREFIX.match(prefix):
        raise ValueError(f"A number prefix is one to four capital letters, not {prefix!r}.")
    name = f"number_series_{prefix.lower()}"
    with connection.cursor() as cursor:
        cursor.execute("SELECT next_in_series(%s) FROM generate_series(1, %s)", [name, count])
        return [f"{prefix}{day:%Y%m%d}{separator}{value:06d}" for (value,) in cursor.fetchall()]
