"""The runner of the end of day: closes an entity's days in order and opens the next ones.

When a day begins to close, the next one opens at once, so business goes on; then the closing steps run, then the opening steps of the
next day. Every partition of every step is a `StepRun` row (see `partitions`): a stopped or killed run that is started again goes on
where it stopped.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

import structlog
from django.conf import settings
from django.db import Error as DatabaseError
from django.db import IntegrityError, connection, transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.common import clock, jobs
from apps.common.actors import Actor
from apps.common.audit import recorded_as
from apps.common.errors import BadInput, CarloanError, Conflict
from apps.common.models import Job
from apps.organisations.business_day import Step, StepResult, steps
from apps.organisations.models import BusinessDay, StepRun
from apps.organisations.partitions import take, work_on
from apps.organisations.selectors import NoBusinessDay
from apps.organisations.services.access import require_entity
from apps.organisations.services.entities import wait_for_holders

log = structlog.get_logger(__name__)
JOB_KIND: Final = "end_of_day"
_POLL_S: Final = 0.05
_REPORT_EVERY_S: Final = 0.5
_ONE_DAY: Final = dt.timedelta(days=1)

Progress = Callable[[int, int], None]


class AlreadyRunning(Conflict):
    """Another process is closing this entity's days."""

    code = "end_of_day_running"
    title = gettext_lazy("The end of day of this legal entity is running already. Wait for its end; its progress is among the jobs.")


class DayNotBegun(BadInput):
    """The day to close lies in the future."""

    code = "day_not_begun"
    title = gettext_lazy("A day that has not begun cannot be closed.")


class DayStopped(CarloanError):
    """A step failed: the day stays where it is until the cause is mended and the end of day is started again."""

    status = 500
    code = "day_stopped"
    title = gettext_lazy("The end of day stopped.")


@dataclass(frozen=True)
class DayReport:
    """What closing one day did: things done and set aside per step."""

    date: dt.date
    done: int
    set_aside: int
    milliseconds: int


@dataclass
class _Run:
    """State of one run: whose days, who asked, when it began, how far it is, and the marks of idle steps that are not written yet."""

    entity_id: UUID
    actor: Actor
    job: Job
    began_at: dt.datetime
    progress: Progress | None
    units: int = 0
    units_done: int = 0
    days: list[DayReport] = field(default_factory=list)
    set_aside: list[tuple[str, str]] = field(default_factory=list)
    idle: list[StepRun] = field(default_factory=list)
    _began_s: float = field(default_factory=time.monotonic)
    _reported_at: float = 0.0

    def now(self) -> dt.datetime:
        """The project's moment, without asking the database for the clock at every step."""
        return self.began_at + dt.timedelta(seconds=time.monotonic() - self._began_s)

    def step_done(self) -> None:
        """Count one step and tell who watches, at most twice a second."""
        self.units_done += 1
        if time.monotonic() - self._reported_at >= _REPORT_EVERY_S:
            self.report()

    def report(self) -> None:
        """Tell the job row and the terminal how far it is."""
        self._reported_at = time.monotonic()
        jobs.advance(self.job, self.units_done, max(self.units, self.units_done), failures=self.set_aside)
        self.set_aside = []
        if self.progress:
            self.progress(self.units_done, self.units)


def pending_days(entity_id: UUID, *, to: dt.date) -> list[dt.date]:
    """The days that a run up to `to` would close, in order; a day that stopped while closing comes first. Raises `NoBusinessDay`."""
    rows = dict(BusinessDay.objects.filter(legal_entity_id=entity_id).exclude(state="closed").values_list("state", "date"))
    first = rows.get("closing") or rows.get("open")
    if first is None:
        raise NoBusinessDay
    return [first + dt.timedelta(days=n) for n in range((to - first).days + 1)]


def run(*, entity_id: UUID, to: dt.date, actor: Actor, progress: Progress | None = None) -> list[DayReport]:
    """Close every open day of an entity up to and including `to`, and open the day after it; returns the days closed.

    Nothing to close is no error. Raises `NoBusinessDay`, `DayNotBegun`, `AlreadyRunning`, and `DayStopped` when a step fails.
    """
    actor.require("eod.run")
    require_entity(actor, entity_id)
    _check_begun(to)
    with _only_run_of(entity_id), recorded_as(actor, reason=JOB_KIND):
        days = pending_days(entity_id, to=to)
        _note_killed_runs(entity_id)
        now = clock.now()
        job = jobs.start(JOB_KIND, params={"to": to.isoformat(), "days": len(days)}, actor=actor, now=now, legal_entity_id=entity_id)
        this = _Run(entity_id, actor, job, now, progress, units=len(days) * (len(steps("close")) + len(steps("open"))))
        try:
            with _flushed_at_the_end():
                _finish_opening(this)
                for day in days:
                    this.days.append(_close_and_open(this, day))
        except CarloanError as error:
            this.report()
            jobs.fail(job, error.detail, now=this.now())
            raise
        this.units = this.units_done
        this.report()
        done = sum(day.done for day in this.days)
        jobs.finish(job, now=this.now(), result={"days": len(this.days), "done": done, "to": to.isoformat()})
        return this.days


def _check_begun(to: dt.date) -> None:
    """In production no day is closed before it begins; where the clock may be moved, days may be tried out ahead of it."""
    today = clock.local_date(clock.now())
    if to > today and not settings.CLOCK_MOVABLE:
        raise DayNotBegun(_("%(day)s has not begun: today is %(today)s.") % {"day": to, "today": today})


@contextmanager
def _only_run_of(entity_id: UUID) -> Iterator[None]:
    """Hold the entity's lock for the run; it falls with the process, however that ends."""
    key = f"end_of_day:{entity_id}"
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", [key])
        row = cursor.fetchone()
    if not row or not row[0]:
        raise AlreadyRunning
    try:
        yield
    finally:
        # A broken connection has lost the lock already.
        with suppress(DatabaseError), connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(hashtextextended(%s, 0))", [key])


@contextmanager
def _flushed_at_the_end() -> Iterator[None]:
    """Commits do not wait for the disk, but the one that follows does, and it makes all before it durable.

    A database server that dies loses at most the last moments of a run, as a whole: work and marks go together, and starting again does
    them again. Any commit of another process that waits for the disk makes what it has seen of ours durable, too.
    """
    with connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit = off")
    try:
        yield
    finally:
        with suppress(DatabaseError), connection.cursor() as cursor:
            cursor.execute("RESET synchronous_commit")


def _note_killed_runs(entity_id: UUID) -> None:
    """Jobs still marked as running belong to runs that were killed, for we hold the lock."""
    for job in Job.objects.filter(kind=JOB_KIND, legal_entity_id=entity_id, state=Job.State.RUNNING):
        jobs.fail(job, _("The process was stopped from outside."), now=clock.now())


def _finish_opening(this: _Run) -> None:
    """Opening steps that an earlier run did not finish come before the day is closed again."""
    if BusinessDay.objects.filter(legal_entity_id=this.entity_id, state=BusinessDay.State.CLOSING).exists():
        return
    day = BusinessDay.objects.filter(legal_entity_id=this.entity_id, state=BusinessDay.State.OPEN, opened_at=None).first()
    if day is not None:
        _open(this, day.date)


def _close_and_open(this: _Run, day: dt.date) -> DayReport:
    started = time.monotonic()
    fresh = _begin(this.entity_id, day, this.now())
    runs = [*_run_phase(this, "close", day, fresh=fresh), *_open(this, day + _ONE_DAY, fresh=fresh)]
    report = DayReport(
        date=day,
        done=sum(run.done_count for run in runs),
        set_aside=sum(len(run.set_aside) for run in runs),
        milliseconds=round((time.monotonic() - started) * 1000),
    )
    log.debug("day_closed", entity=str(this.entity_id), day=str(day), done=report.done, aside=report.set_aside, ms=report.milliseconds)
    return report


@transaction.atomic
def _begin(entity_id: UUID, date: dt.date, now: dt.datetime) -> bool:
    """The day begins to close and the next one opens; False when a run that stopped did this already.

    Waits for deeds that make something on this day: the closing steps see all of it.
    """
    wait_for_holders(entity_id)
    day = BusinessDay.objects.select_for_update().get(legal_entity_id=entity_id, date=date)
    if day.state != BusinessDay.State.OPEN:
        return False
    day.begin_closing()
    day.closing_at = now
    day.save(update_fields=["state", "closing_at"])
    BusinessDay.objects.create(legal_entity_id=entity_id, date=date + _ONE_DAY)
    return True


def _open(this: _Run, date: dt.date, *, fresh: bool = False) -> list[StepRun]:
    runs = _run_phase(this, "open", date, fresh=fresh)
    BusinessDay.objects.filter(legal_entity_id=this.entity_id, date=date, opened_at=None).update(opened_at=this.now())
    return runs


def close_day(*, entity_id: UUID, day: dt.date, partition: dict[str, Any], now: dt.datetime) -> StepResult:
    """The last closing step: from here on nothing is posted on the day."""
    row = BusinessDay.objects.select_for_update().get(legal_entity_id=entity_id, date=day)
    row.close()
    row.closed_at = now
    row.save(update_fields=["state", "closed_at"])
    return StepResult(done=1)


def _run_phase(this: _Run, phase: str, day: dt.date, *, fresh: bool) -> list[StepRun]:
    """Run the steps of a phase in order; what an earlier run has done is skipped. Raises `DayStopped`.

    A `fresh` day cannot have rows yet, which saves asking: quiet days are caught up by the thousand.
    """
    known: dict[str, list[StepRun]] = {}
    if not fresh:
        for row in StepRun.objects.filter(legal_entity_id=this.entity_id, day=day, phase=phase).order_by("partition_no"):
            known.setdefault(row.step, []).append(row)
    finished: list[StepRun] = []
    try:
        for step in steps(phase):
            rows = known.get(step.name) or _cut(this, day, step)
            try:
                finished += _run_step(this, step, day, rows)
            except IntegrityError as error:  # of the runner's own rows; what breaks inside a part is kept with the part
                raise _stopped(step, day, [" ".join(str(error).split())]) from error
            this.step_done()
    finally:
        StepRun.objects.bulk_create(this.idle)
        this.idle = []
    return finished


def _cut(this: _Run, day: dt.date, step: Step) -> list[StepRun]:
    """Cut a step's work into partitions, once: a restarted day works through the same ones.

    A step of one part gets its row when the part is done or has failed.
    """
    whose = {"legal_entity_id": this.entity_id, "day": day, "phase": step.phase, "step": step.name}
    function = step.partition_function()
    if function is None:
        return [StepRun(**whose)]
    try:
        with transaction.atomic():
            parts: list[dict[str, Any]] = function(entity_id=this.entity_id, day=day, now=this.now())
            rows = [StepRun(**whose, partition_no=number, partition=part) for number, part in enumerate(parts)]
            if len(rows) > 1:
                return StepRun.objects.bulk_create(rows)
            if not rows:
                # One row also for a step without work: it says that there was none.
                rows = [StepRun(**whose, state=StepRun.State.DONE)]
                this.idle += rows
            return rows
    except CarloanError as error:
        raise _stopped(step, day, [error.detail]) from error
    except Exception as error:
        log.exception("step_cut_failed", step=step.name, day=str(day))
        raise _stopped(step, day, [f"{type(error).__name__}: {error}"]) from error


def _run_step(this: _Run, step: Step, day: dt.date, rows: Sequence[StepRun]) -> list[StepRun]:
    """All partitions of a step, by the workers and by this process. Raises `DayStopped` when one fails."""
    waiting = [row for row in rows if row.state != StepRun.State.DONE]
    if len(rows) == len(waiting) == 1:
        work_on(rows[0], this.now, idle=this.idle)
    elif waiting:
        _hand_out([row.id for row in waiting])
        _work_through({row.id: row.attempts for row in waiting})
        rows = list(StepRun.objects.filter(id__in=[row.id for row in rows]).order_by("partition_no"))
    failed = [row for row in rows if row.state != StepRun.State.DONE]
    if failed:
        raise _stopped(step, day, [f"{_('partition')} {row.partition_no}: {_first_line(row.error)}" for row in failed])
    this.set_aside += [(reference, f"{step.name}: {error}") for row in rows for reference, error in row.set_aside]
    return list(rows)


def _first_line(text: str) -> str:
    return text.splitlines()[0] if text else _("another process has it")


def _stopped(step: Step, day: dt.date, errors: list[str]) -> DayStopped:
    facts = {"day": day, "phase": step.phase, "step": step.name}
    text = _("%(day)s stopped in phase %(phase)s at step %(step)s") % facts
    return DayStopped(f"{text}: {'; '.join(errors[:5])}", **facts, errors=len(errors))


def _hand_out(row_ids: Sequence[UUID]) -> None:
    """Ask the workers to help; without a broker this process does it all."""
    if not settings.REDIS_URL:
        return
    from apps.organisations.tasks import run_partition

    try:
        for row_id in row_ids:
            run_partition.apply_async(args=[str(row_id)], queue="eod", retry=False)
    except Exception as error:  # noqa: BLE001  (the broker may be away; this process works on)
        log.warning("partitions_not_handed_out", error=str(error))


def _work_through(waiting: dict[UUID, int]) -> None:
    """Take partitions nobody works on until each is done or has failed in this run; `waiting` holds their earlier attempts."""
    while waiting:
        for row in StepRun.objects.filter(id__in=waiting).only("id", "state", "attempts"):
            if row.state == StepRun.State.DONE or (row.state == StepRun.State.FAILED and row.attempts > waiting[row.id]):
                del waiting[row.id]
        taken = next((row_id for row_id in waiting if take(row_id)), None)
        if waiting and taken is None:
            time.sleep(_POLL_S)
