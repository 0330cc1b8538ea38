"""`make bench`: one JSON line per measure on standard output, and the same lines in `bench/results/`.

Each value is measured beside a bare reference in the same run, so that `ratio = value / reference` says something on any machine.
`ONLY=name[,name]` picks measures.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
SECONDS_EACH = 2.0


@dataclass(frozen=True)
class Measure:
    """What was measured, in `unit`; `reference` is the bare work of the same run."""

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


def quote() -> Measure:
    """A quote of 36 equal instalments with its disclosed rates; reference: the bare amortisation loop without dates, IRR or checks."""
    from apps.loans.domain import quote_from_json

    request = {
        "principal": "120000",
        "annual_rate": "10.8",
        "installments": 36,
        "method": "equal_installment",
        "day_count": "30/360",
        "start": "2026-11-20",
        "first_due": "2026-12-20",
    }

    def bare() -> None:
        balance, rate = Decimal(120000), Decimal("0.108") / 12
        instalment = Decimal("3917.29")
        for _ in range(36):
            interest = (balance * rate).quantize(Decimal("0.01"), ROUND_HALF_UP)
            balance -= instalment - interest

    value, reference = per_second(lambda: quote_from_json(request)), per_second(bare)
    return Measure("quote", round(value, 1), "1/s", round(reference, 1), round(value / reference, 4), "36 instalments, one core")


MEASURES: dict[str, Callable[[], Measure]] = {"quote": quote}


def main() -> int:
    wanted = [name for name in os.environ.get("ONLY", "").split(",") if name] or list(MEASURES)
    unknown = sorted(set(wanted) - set(MEASURES))
    if unknown:
        sys.stderr.write(f"No such measure: {', '.join(unknown)}. There are: {', '.join(MEASURES)}.\n")
        return 2
    lines = [json.dumps(asdict(MEASURES[name]())) for name in wanted]
    sys.stdout.write("\n".join(lines) + "\n")
    if wanted == list(MEASURES):
        RESULTS.mkdir(exist_ok=True)
        machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
        (RESULTS / "latest.jsonl").write_text("\n".join([json.dumps({"machine": machine}), *lines]) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
