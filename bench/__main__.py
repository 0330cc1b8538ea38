"""`make bench`: one JSON line per measure on standard output, and the same lines in `bench/results/`.

Each value is measured beside a bare reference in the same run, so that `ratio = value / reference` says something on any machine.
`ONLY=name[,name]` picks measures, `LOANS=100000` sets the size of the portfolio. Each group of measures runs in a process and a database of
its own; the days and payments of one portfolio share it.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from importlib import import_module
from pathlib import Path

from bench.measures import Measure, own_database

RESULTS = Path(__file__).parent / "results"
MEASURES = {
    "quote": "bench.loans_core",
    "statement": "bench.loans_core",
    "backdated_repayment": "bench.loans_core",
    "journal_post": "bench.ledger",
    "journal_batch": "bench.ledger",
    "balance": "bench.ledger",
    "eod_normal_day": "bench.end_of_day",
    "repayment_post": "bench.payments",
    "repayment_replayed": "bench.payments",
    "eod_peak_day": "bench.end_of_day",
    "repayment_batch": "bench.payments",
    "loan_opening": "bench.payments",
}


PORTFOLIO = ("bench.end_of_day", "bench.payments")


def main() -> int:
    """Run the measures asked for; 2 when one is not known."""
    wanted = [name for name in os.environ.get("ONLY", "").split(",") if name] or list(MEASURES)
    unknown = sorted(set(wanted) - set(MEASURES))
    if unknown:
        sys.stderr.write(f"No such measure: {', '.join(unknown)}. There are: {', '.join(MEASURES)}.\n")
        return 2
    groups: dict[str, list[str]] = {}
    for name in sorted(wanted, key=list(MEASURES).index):
        groups.setdefault("portfolio" if MEASURES[name] in PORTFOLIO else MEASURES[name], []).append(name)
    if len(groups) == 1:
        return _measure(*groups.items())
    lines: list[str] = []
    for names in groups.values():
        environment = os.environ | {"ONLY": ",".join(names)}
        done = subprocess.run([sys.executable, "-m", "bench"], env=environment, stdout=subprocess.PIPE, text=True, check=False)
        sys.stdout.write(done.stdout)
        sys.stdout.flush()
        if done.returncode:
            return done.returncode
        lines += done.stdout.splitlines()
    if set(wanted) == set(MEASURES):
        RESULTS.mkdir(exist_ok=True)
        machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
        (RESULTS / "latest.jsonl").write_text("\n".join([json.dumps({"machine": machine}), *lines]) + "\n")
    return 0


def _measure(group: tuple[str, list[str]]) -> int:
    """The measures of one group, in this process and in a database of its own."""
    if group[0] != "portfolio":
        os.environ["DATABASE_URL"] = own_database("core", fresh=False)
    for name in group[1]:
        deed: Callable[[], Measure] = getattr(import_module(MEASURES[name]), name)
        sys.stdout.write(json.dumps(asdict(deed())) + "\n")
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
