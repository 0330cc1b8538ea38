"""Drawings as numbers: points of a line chart in its own coordinates. The template draws, a table stands beside every drawing."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from typing import Final

LEFT: Final = 78
RIGHT: Final = 1160
TOP: Final = 20
BOTTOM: Final = 216

Series = Sequence[tuple[dt.date, Decimal]]


@dataclass(frozen=True)
class Tick:
    """A mark of an axis: where, and its text."""

    at: int
    text: str
    anchor: str = "middle"


@dataclass(frozen=True)
class BalanceChart:
    """What is still owed over time: `actual` as a line and an area below it, `planned` as a line, `now` where today is."""

    actual: str
    area: str
    planned: str
    rows: tuple[Tick, ...]
    days: tuple[Tick, ...]
    now_x: int
    now_y: int
    now_anchor: str


def balance_chart(*, actual: Series, planned: Series, today: dt.date) -> BalanceChart | None:
    """The chart of a loan; None when there is nothing to draw. Both series oldest first, in yuan."""
    moments = [day for day, _amount in (*actual, *planned)]
    if len(moments) < 2 or min(moments) == max(moments):
        return None
    first, last = min(moments), max(moments)
    top = _round_up(max(amount for _day, amount in (*actual, *planned)))

    def x(day: dt.date) -> int:
        return LEFT + round((RIGHT - LEFT) * (day - first).days / (last - first).days)

    def y(amount: Decimal) -> int:
        return BOTTOM - int((BOTTOM - TOP) * amount / top)

    line = [(x(day), y(amount)) for day, amount in _steps(actual)]
    now_x, now_y = line[-1] if line else (x(min(max(today, first), last)), BOTTOM)
    middle = first + (last - first) / 2
    return BalanceChart(
        actual=_points(line),
        area=_points([*line, (line[-1][0], BOTTOM), (line[0][0], BOTTOM)]) if line else "",
        planned=_points([(x(day), y(amount)) for day, amount in planned]),
        rows=tuple(Tick(y(top * n / 4), f"{top * n / 4:,.0f}", "end") for n in range(5)),
        days=(Tick(LEFT, f"{first:%Y-%m}", "start"), Tick(x(middle), f"{middle:%Y-%m}"), Tick(RIGHT, f"{last:%Y-%m}", "end")),
        now_x=now_x,
        now_y=now_y,
        now_anchor="end" if now_x > (LEFT + RIGHT) / 2 else "start",
    )


def _steps(series: Series) -> list[tuple[dt.date, Decimal]]:
    """A balance stays until the day it changes."""
    steps: list[tuple[dt.date, Decimal]] = []
    for day, amount in series:
        if steps:
            steps.append((day, steps[-1][1]))
        steps.append((day, amount))
    return steps


def _points(line: Sequence[tuple[int, int]]) -> str:
    return " ".join(f"{x},{y}" for x, y in line)


def _round_up(amount: Decimal) -> Decimal:
    """The next round number, so that quarters of it read well."""
    if amount <= 0:
        return Decimal(4)
    unit = Decimal(10) ** (amount.adjusted() - 1) * 4
    return (amount / unit).to_integral_value(ROUND_CEILING) * unit
