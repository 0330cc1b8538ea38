"""Templates, quiet hours: the rules of sending, without a database."""

from __future__ import annotations

import datetime as dt
import string
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache


@dataclass(frozen=True)
class Template:
    """A message text with `${name}` places. `valid_minutes`: a message older than this is not sent any more; None means whenever."""

    code: str
    text: str
    channel: str = "sms"
    urgent: bool = False
    valid_minutes: int | None = None


def places_of(text: str) -> set[str]:
    """Names of the places in a text. Raises ValueError for a broken place such as `${` without an end."""
    parsed = string.Template(text)
    if not parsed.is_valid():
        raise ValueError("a place is written ${name}; write a dollar sign as $$")
    return set(parsed.get_identifiers())


def fill(text: str, variables: Mapping[str, object]) -> str:
    """The text with its places filled. Raises KeyError, naming the variable that is missing."""
    return "".join([said if place is None else f"{said}{variables[place]}" for said, place in _parts(text)])


@lru_cache(maxsize=256)
def _parts(text: str) -> tuple[tuple[str, str | None], ...]:
    """What is said before each place, and its name; thousands of messages share a text."""
    parts, end = [], 0
    for found in string.Template.pattern.finditer(text):
        name = found["named"] or found["braced"]
        parts.append((text[end : found.start()] + ("" if name else found.group()[:1]), name))
        end = found.end()
    return (*parts, (text[end:], None))


def is_quiet(local: dt.time, *, quiet_from: dt.time, quiet_until: dt.time) -> bool:
    """Whether a local time lies in the quiet hours, which may run over midnight: from `quiet_from`, and before `quiet_until`."""
    if quiet_from <= quiet_until:
        return quiet_from <= local < quiet_until
    return local >= quiet_from or local < quiet_until


def send_time(local: dt.datetime, *, quiet_from: dt.time, quiet_until: dt.time) -> dt.datetime:
    """When an ordinary message may go out: now, or the end of the quiet hours that `local` (an aware local time) lies in."""
    if not is_quiet(local.time(), quiet_from=quiet_from, quiet_until=quiet_until):
        return local
    ends_tomorrow = quiet_from > quiet_until and local.time() >= quiet_from
    day = local.date() + dt.timedelta(days=1 if ends_tomorrow else 0)
    return dt.datetime.combine(day, quiet_until, tzinfo=local.tzinfo)
