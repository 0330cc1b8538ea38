"""Whatever is killed at whatever moment of an end of day: started again, the books are those of an undisturbed run."""

from __future__ import annotations

import json
import os
import random
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest
from django.conf import settings

from tests.faults.machine import WAIT_S, Machine, a_machine
from tests.faults.portfolio import CODE, LAST_DAY

EOD: Final = ("eod", "--to", LAST_DAY.isoformat(), "--entity", CODE, "--format", "json")
SEEDS: Final = range(2, 14 if os.environ.get("CARLOAN_TEST_LONG") else 4)
# What the run leaves beside the books; when and in which order it was written is not compared.
TABLES: Final = ("loans_loanbalance", "loans_loanrun", "loans_instalment", "loans_loanamount", "postloan_collectioncase")
VICTIMS: Final = ("worker", "broker", "database", "runner", "runner", "runner")


@dataclass(frozen=True)
class Undisturbed:
    """The run nobody disturbs: what it leaves, in how many parts it was done, and how long one of them takes."""

    books: dict[str, Any]
    parts: int
    seconds_per_part: float


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    server_url = os.environ.get("DATABASE_URL") or settings.DATABASE_URL
    with a_machine(Path(tempfile.mkdtemp(prefix="carloan-faults-")), server_url) as machine:
        yield machine


@pytest.fixture(scope="module")
def undisturbed(machine: Machine) -> Undisturbed:
    machine.begin_anew()
    began = time.monotonic()
    machine.run(*EOD)
    parts = parts_done(machine)
    assert parts > 100
    return Undisturbed(books(machine), parts, (time.monotonic() - began) / parts)


@pytest.mark.parametrize("seed", SEEDS)
def test_kills_at_random_moments_leave_no_trace_in_the_books(machine: Machine, undisturbed: Undisturbed, seed: int) -> None:
    dice = random.Random(seed)
    moments = sorted(dice.uniform(0, 0.85) for _ in VICTIMS)
    plan = list(zip(moments, dice.sample(VICTIMS, len(VICTIMS)), strict=True))
    machine.begin_anew()
    worker = machine.start_worker()
    runner = machine.manage(*EOD)
    for moment, victim in plan:
        reach(machine, moment * undisturbed.parts, runner)
        time.sleep(dice.random() * undisturbed.seconds_per_part)
        assert runner.exitcode is None, f"{plan}: the run ended before the {victim} was killed\n{machine.said(runner)}"
        if victim == "worker":
            machine.kill(worker)
            worker = machine.start_worker(wait=False)
        elif victim == "broker":
            machine.kill_broker()
            time.sleep(dice.random() * 20 * undisturbed.seconds_per_part)
            machine.start_broker()
        elif victim == "database":
            machine.kill_database()
            machine.start_database()
            runner.join(WAIT_S)
            assert runner.exitcode, f"{plan}: {runner.exitcode} though its database died\n{machine.said(runner)}"
            runner = machine.manage(*EOD)
        else:
            machine.kill(runner)
            runner = machine.manage(*EOD)
    runner.join(WAIT_S)
    if runner.exitcode:  # a worker held a part when its database died
        machine.run(*EOD)
    # What has ended well outlives the server at once.
    machine.kill_database()
    machine.start_database()
    assert books(machine) == undisturbed.books, f"{plan}"


def test_of_two_runs_started_at_once_one_works_and_the_other_refuses(machine: Machine, undisturbed: Undisturbed) -> None:
    machine.begin_anew()
    both = [machine.manage(*EOD) for _ in range(2)]
    for runner in both:
        runner.join(WAIT_S)
    refused, worked = sorted(both, key=lambda runner: runner.exitcode == 0)
    assert (refused.exitcode, worked.exitcode) == (1, 0), [machine.said(runner) for runner in both]
    assert '"state":"end_of_day_running"' in machine.said(refused)
    assert books(machine) == undisturbed.books


def books(machine: Machine) -> dict[str, Any]:
    """What `audit_books --digest` says, with every figure, and what stands on the loans."""
    said = machine.run("audit_books", "--digest", "--format", "json")
    found: dict[str, Any] = json.loads(next(line for line in said.splitlines() if line.startswith("{")))
    assert found["ok"]
    for table in TABLES:
        rows = machine.query(f"SELECT to_jsonb(t) - '{{id,number,created_at}}'::text[] FROM {table} t")
        found[table] = sorted(json.dumps(row, sort_keys=True) for (row,) in rows)
    return found


def parts_done(machine: Machine) -> int:
    """How many parts of steps are done."""
    return int(machine.query("SELECT count(*) FROM organisations_steprun WHERE state = 'done'")[0][0])


def reach(machine: Machine, parts: float, runner: Any) -> None:
    """Wait until so many parts are done, or the runner has ended."""
    deadline = time.monotonic() + WAIT_S
    with psycopg.connect(machine.url(), autocommit=True) as connection:
        while runner.exitcode is None and time.monotonic() < deadline:
            row = connection.execute("SELECT count(*) FROM organisations_steprun WHERE state = 'done'").fetchone()
            if row and row[0] >= parts:
                return
            time.sleep(0.002)
