"""What a measure tells, and how often a deed runs in a second."""

from __future__ import annotations

import os
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


def own_database(name: str, *, fresh: bool) -> str:
    """The address of a database for measures, made if need be, on the server of `DATABASE_URL` or the embedded one."""
    import psycopg

    configured = os.environ.get("DATABASE_URL", "")
    if not configured:
        from carloan.embedded import start_postgres

        configured = start_postgres()
    server, database = configured.rsplit("/", 1)[0], f"carloan_bench_{name}"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        if fresh:
            connection.execute(f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)')
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [database]).fetchone():
            connection.execute(f'CREATE DATABASE "{database}"')
    return f"{server}/{database}"
