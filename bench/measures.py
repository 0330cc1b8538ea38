"""What a measure tells, and how often a deed runs in a second."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

SECONDS_EACH = 2.0


@dataclass(frozen=True)
class Measure:
    """What was measured, in `unit`; `reference` is the bare work of the same run, `ratio` = value / reference."""

    name: str
    value: float
    unit: str
    reference: float
    ratio: float
    conditions: str


def per_second(deed: Callable[[], Any]) -> float:
    """How often a deed runs in a second, on one core."""
    deed()
    runs, started = 0, time.perf_counter()
    while (spent := time.perf_counter() - started) < SECONDS_EACH:
        deed()
        runs += 1
    return runs / spent
