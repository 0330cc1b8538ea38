"""Long pieces of work, visible while they run: a row with progress in the back office, a bar in a terminal."""

from __future__ import annotations

import datetime as dt
import sys
from typing import Any
from uuid import UUID

from apps.common.actors import Actor
from apps.common.models import Job

MAX_FAILURES_KEPT = 1000


def start(kind: str, *, params: dict[str, Any], actor: Actor, now: dt.datetime, total: int = 0, legal_entity_id: UUID | None = None) -> Job:
    """Write down that a job has begun."""
    return Job.objects.create(
        kind=kind,
        parameters=params,
        actor=str(actor),
        total=total,
        legal_entity_id=legal_entity_id,
        started_at=now,
        state=Job.State.RUNNING,
    )


def advance(job: Job, done: int, total: int | None = None, *, failures: list[tuple[str, str]] | None = None) -> None:
    """Note how far the job is; `failures` are pairs of reference and what went wrong, of which the first thousand are kept."""
    job.total = max(job.total if total is None else total, done)
    job.done = done
    if failures:
        job.failures = [*job.failures, *([reference, error] for reference, error in failures)][:MAX_FAILURES_KEPT]
    job.save(update_fields=["done", "total", "failures"])


def finish(job: Job, *, now: dt.datetime, result: dict[str, Any] | None = None) -> None:
    """The job is done."""
    job.state, job.result, job.ended_at = Job.State.DONE, result, now
    job.save(update_fields=["state", "result", "ended_at"])


def fail(job: Job, error: str, *, now: dt.datetime) -> None:
    """The job stopped; `error` says where and why."""
    job.state, job.error, job.ended_at = Job.State.FAILED, error, now
    job.save(update_fields=["state", "error", "ended_at"])


class Bar:
    """A progress bar on a terminal; silent in a pipe."""

    width = 30

    def __init__(self, label: str, total: int) -> None:
        self.label, self.total, self.shown = label, total, sys.stderr.isatty()

    def to(self, done: int) -> None:
        """Draw the bar at `done` of `total`."""
        if not self.shown or not self.total:
            return
        filled = self.width * done // self.total
        sys.stderr.write(f"\r{self.label} [{'#' * filled}{'.' * (self.width - filled)}] {done}/{self.total}")
        if done >= self.total:
            sys.stderr.write("\n")
        sys.stderr.flush()
