"""The partitions of the end of day: each is one `StepRun` row, done in the same transaction as its work.

Partitions of a step with several are taken from the table under a row lock, by any number of workers and by the runner: a killed
worker's lock falls with its connection and somebody else takes the partition.
"""

from __future__ import annotations

import datetime as dt
import time
import traceback
from collections.abc import Callable
from typing import Any, Final
from uuid import UUID

import structlog
from django.db import OperationalError, connection, transaction
from django.utils.translation import gettext_lazy as _

from apps.common import clock
from apps.common.errors import CarloanError, Conflict
from apps.organisations.business_day import StepResult, step_named
from apps.organisations.models import StepRun

log = structlog.get_logger(__name__)
_LONGEST_ERROR: Final = 400
TRIES_PER_RUN: Final = 3
_BUSY: Final = {"55P03", "40P01", "40001"}  # lock time-out, deadlock, serialisation: the same try may pass a moment later


class DoneByAnother(Conflict):
    """Two processes did one partition at the same time; the slower one's work is rolled back."""

    code = "partition_done_by_another"
    title = _("Another process did this part at the same time. Start the end of day again.")


def take(row_id: UUID) -> bool:
    """Do a partition under its row's lock, unless it is done or another process holds it; tells whether this process took it."""
    with transaction.atomic():
        row = StepRun.objects.select_for_update(skip_locked=True).filter(id=row_id).exclude(state=StepRun.State.DONE).first()
        if row is None:
            return False
        work_on(row, clock.now)
    return True


def work_on(row: StepRun, now: Callable[[], dt.datetime], *, idle: list[StepRun] | None = None) -> None:
    """Do one partition and write down its result on the row; nobody else may work on it meanwhile.

    A new row that says that there was nothing to do is not written but added to `idle`: it marks no effect, so it may wait for the next
    row that does and go with it. Should it get lost, its step looks again.
    A database that is busy is tried again; any other failure is kept with the row and rolls the partition's work back.
    """
    for attempt in range(1, TRIES_PER_RUN + 1):
        started_at = now()
        nested = connection.in_atomic_block
        try:
            with transaction.atomic():
                done = _do(row, started_at, idle)
                if nested:
                    # Deferred laws, such as balanced entries, speak now and not at the outer commit: the failure is kept with the row.
                    connection.check_constraints()
        except Exception as error:  # noqa: BLE001  (kept with the partition; the runner stops the day)
            again = attempt < TRIES_PER_RUN and isinstance(error, OperationalError) and getattr(error.__cause__, "sqlstate", "") in _BUSY
            log.warning("partition_failed", step=row.step, partition=row.partition_no, error=str(error)[:300], again=again)
            if not again:
                _note_failure(row, error, started_at)
                return
        else:
            row.finish()
            if idle is not None and row._state.adding:
                idle[:] = [*idle, row] if _is_idle(done) else []
            _keep(row, done)
            return


def _do(row: StepRun, now: dt.datetime, idle: list[StepRun] | None) -> dict[str, Any]:
    """The partition's work and the mark that it is done, in the caller's transaction; returns what the mark says."""
    started = time.monotonic()
    result = step_named(row.phase, row.step).function()(entity_id=row.legal_entity_id, day=row.day, partition=row.partition, now=now)
    if not isinstance(result, StepResult):
        raise TypeError(f"Step {row.step} returned {type(result).__name__}, not a StepResult.")
    done = {
        "attempts": row.attempts + 1,
        "done_count": result.done,
        "set_aside": [[str(reference), str(error)] for reference, error in result.set_aside],
        "error": "",
        "started_at": now,
        "finished_at": now + dt.timedelta(seconds=time.monotonic() - started),
    }
    if row._state.adding:
        if idle is None or not _is_idle(done):
            StepRun.objects.bulk_create([*(idle or ()), StepRun(**_identity(row), state=StepRun.State.DONE, **done)])
    # One statement that also proves that nobody else did the work: it finds no row then, and our work is rolled back.
    elif not StepRun.objects.filter(id=row.id).exclude(state=StepRun.State.DONE).update(state=StepRun.State.DONE, **done):
        raise DoneByAnother
    return done


def _is_idle(done: dict[str, Any]) -> bool:
    return not done["done_count"] and not done["set_aside"]


def _identity(row: StepRun) -> dict[str, Any]:
    names = ("id", "legal_entity_id", "day", "phase", "step", "partition_no", "partition")
    return {name: getattr(row, name) for name in names}


def _keep(row: StepRun, values: dict[str, Any]) -> None:
    row._state.adding = False
    for name, value in values.items():
        setattr(row, name, value)


def _note_failure(row: StepRun, error: Exception, now: dt.datetime) -> None:
    told = error.detail if isinstance(error, CarloanError) else f"{type(error).__name__}: {error}"
    text = " ".join(told.split())[:_LONGEST_ERROR]  # a database names the row that broke a law in a line of its own
    failure = {
        "attempts": row.attempts + 1,
        "error": f"{text}\n{traceback.format_exc(limit=-6)}",
        "started_at": now,
        "finished_at": clock.now(),
    }
    if row._state.adding:
        StepRun.objects.create(**_identity(row), state=StepRun.State.FAILED, **failure)
    else:
        StepRun.objects.filter(id=row.id).exclude(state=StepRun.State.DONE).update(state=StepRun.State.FAILED, **failure)
    if row.state != StepRun.State.FAILED:
        row.fail()
    _keep(row, failure)
