"""Tasks: opened for a permission, claimed by one person, done, handed back or cancelled."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import structlog
from django.db import transaction
from django.utils.translation import gettext_lazy as _

from apps.common.actors import Actor
from apps.common.errors import BadInput, Conflict, NotFound, NotPermitted
from apps.common.outbox import publish
from apps.flows import domain
from apps.flows.events import FlowTaskCompleted, FlowTaskOpened, FlowTaskOverdue
from apps.flows.models import FlowRun, FlowTask
from apps.flows.selectors import OPEN, TaskView, view_of
from apps.flows.services.runs import go_on
from apps.flows.services.versions import checked

log = structlog.get_logger(__name__)
SWEEP_MAX = 500


class NoSuchTask(NotFound):
    """There is no such open task in the actor's view."""

    code = "task_unknown"
    title = _("There is no such open task. Somebody may have done it meanwhile.")


class TaskTaken(Conflict):
    """Somebody else was faster."""

    code = "task_taken"
    title = _("Somebody else has taken this task.")


class TaskNotYours(NotPermitted):
    """The task is claimed by another person."""

    code = "task_not_yours"
    title = _("This task belongs to somebody else. Ask for it to be handed back first.")


class OutcomeUnknown(BadInput):
    """The flow does not know this outcome."""

    code = "outcome_unknown"
    title = _("The flow does not say what follows on this outcome.")


@transaction.atomic
def open_task(
    *,
    subject_kind: str,
    subject_ref: UUID,
    activity: str,
    permission: str,
    legal_entity_id: UUID,
    due_at: dt.datetime | None,
    actor: Actor,
    now: dt.datetime,
    name: str = "",
) -> TaskView:
    """A task outside any flow run. One is open per subject and activity: asking again returns it as it is."""
    if actor.data_scope.kind == "entity" and actor.data_scope.owner_id != legal_entity_id:
        raise NotPermitted
    existing = (
        FlowTask.objects.select_for_update()
        .filter(subject_kind=subject_kind, subject_ref=subject_ref, activity=activity, state__in=OPEN)
        .first()
    )
    if existing is not None:
        return view_of(existing)
    task = create_task(
        run=None,
        subject_kind=subject_kind,
        subject_ref=subject_ref,
        legal_entity_id=legal_entity_id,
        activity=activity,
        name=name,
        permission=permission,
        service="",
        due_at=due_at,
    )
    return view_of(task)


def create_task(
    *,
    run: FlowRun | None,
    subject_kind: str,
    subject_ref: UUID,
    legal_entity_id: UUID,
    activity: str,
    name: str,
    permission: str,
    service: str,
    due_at: dt.datetime | None,
) -> FlowTask:
    """Insert a task and tell of it; inside the caller's transaction."""
    task = FlowTask.objects.create(
        run=run,
        subject_kind=subject_kind,
        subject_ref=subject_ref,
        legal_entity_id=legal_entity_id,
        activity=activity,
        name=name,
        permission=permission,
        due_at=due_at,
    )
    publish(
        FlowTaskOpened(
            task_id=task.id,
            subject_kind=subject_kind,
            subject_ref=subject_ref,
            activity=activity,
            permission=permission,
            service=service,
            legal_entity_id=legal_entity_id,
            due_at=due_at,
        )
    )
    return task


def _permit(task: FlowTask, actor: Actor) -> None:
    """People need the task's permission; a task without one belongs to processes of ours."""
    if task.permission:
        actor.require(task.permission)
    elif actor.kind != "system":
        raise NotPermitted


def _lock(task_id: UUID, actor: Actor) -> FlowTask:
    task: FlowTask | None = (
        FlowTask.objects.within(actor.data_scope).select_for_update(of=("self",)).filter(id=task_id, state__in=OPEN).first()
    )
    if task is None:
        raise NoSuchTask
    return task


@transaction.atomic
def claim_task(*, task_id: UUID, actor: Actor, now: dt.datetime) -> TaskView:
    """Take a task on oneself; of two who try at once, one gets it. Claiming one's own again changes nothing. Raises `TaskTaken`."""
    visible = FlowTask.objects.within(actor.data_scope).filter(id=task_id, state__in=OPEN)
    task = visible.select_for_update(skip_locked=True, of=("self",)).first()
    if task is None:
        raise TaskTaken if visible.exists() else NoSuchTask
    _permit(task, actor)
    _take(task, actor, now)
    return view_of(task)


def _take(task: FlowTask, actor: Actor, now: dt.datetime) -> None:
    if task.state == FlowTask.State.CLAIMED:
        if task.claimed_by_id != actor.user_id or task.claimed_label != str(actor):
            raise TaskTaken
        return
    task.claim()
    task.claimed_by_id, task.claimed_label, task.claimed_at = actor.user_id, str(actor), now
    task.save(update_fields=["state", "claimed_by", "claimed_label", "claimed_at"])


@transaction.atomic
def hand_back_task(*, task_id: UUID, actor: Actor, now: dt.datetime, reason: str = "") -> TaskView:
    """Let somebody else take a claimed task: by its owner, or by an admin of the entity's flows. Raises `TaskNotYours`."""
    task = _lock(task_id, actor)
    if task.claimed_by_id != actor.user_id and actor.kind != "system" and "flows.edit" not in actor.permissions:
        raise TaskNotYours
    task.hand_back()
    task.claimed_by, task.claimed_label, task.claimed_at, task.reason = None, "", None, reason
    task.save(update_fields=["state", "claimed_by", "claimed_label", "claimed_at", "reason"])
    return view_of(task)


@transaction.atomic
def complete_task(
    *, task_id: UUID, outcome: str, reason: str, actor: Actor, now: dt.datetime, facts: dict[str, Any] | None = None
) -> TaskView:
    """Decide or finish a task; an unclaimed one is claimed first. `facts` are added to what the run's conditions see.

    Raises `NoSuchTask`, `TaskNotYours`, `OutcomeUnknown`.
    """
    task = _lock(task_id, actor)
    _permit(task, actor)
    try:
        _take(task, actor, now)
    except TaskTaken:
        raise TaskNotYours from None
    _end(task, outcome=outcome, reason=reason, facts=facts, actor=actor, now=now)
    return view_of(task)


def complete_subject_task(
    *, subject_kind: str, subject_ref: UUID, activity: str, outcome: str, reason: str, actor: Actor, now: dt.datetime
) -> TaskView | None:
    """Complete the open task of a subject's activity; None when there is none (it was done before)."""
    task_id = (
        FlowTask.objects.filter(subject_kind=subject_kind, subject_ref=subject_ref, activity=activity, state__in=OPEN)
        .values_list("id", flat=True)
        .first()
    )
    if task_id is None:
        return None
    return complete_task(task_id=task_id, outcome=outcome, reason=reason, actor=actor, now=now)


def _end(task: FlowTask, *, outcome: str, reason: str, facts: dict[str, Any] | None, actor: Actor, now: dt.datetime) -> None:
    if task.run_id is not None and outcome not in _outcomes(task.run_id, task.activity):
        raise OutcomeUnknown(outcome=outcome)
    task.complete()
    task.outcome, task.reason, task.ended_at = outcome, reason, now
    task.save(update_fields=["state", "outcome", "reason", "ended_at"])
    publish(
        FlowTaskCompleted(
            task_id=task.id,
            subject_kind=task.subject_kind,
            subject_ref=task.subject_ref,
            activity=task.activity,
            outcome=outcome,
            reason=reason,
        )
    )
    if task.run_id is not None:
        go_on(run_id=task.run_id, activity=task.activity, outcome=outcome, facts=facts, actor=actor, now=now)


@transaction.atomic
def cancel_tasks(*, subject_kind: str, subject_ref: UUID, actor: Actor, now: dt.datetime, activity: str = "", reason: str = "") -> int:
    """Cancel a subject's open tasks (of one activity, or all): the subject went another way. Returns how many.

    The deed that no longer wants them has asked for its own permission; here only the scope is looked at.
    """
    tasks = FlowTask.objects.within(actor.data_scope).select_for_update(of=("self",))
    tasks = tasks.filter(subject_kind=subject_kind, subject_ref=subject_ref, state__in=OPEN)
    if activity:
        tasks = tasks.filter(activity=activity)
    cancelled = list(tasks.order_by("id"))
    for task in cancelled:
        task.cancel()
        task.ended_at, task.reason = now, reason
        task.save(update_fields=["state", "ended_at", "reason"])
    return len(cancelled)


def sweep_overdue(*, actor: Actor, now: dt.datetime) -> int:
    """Tell once of every task beyond its time, and let those time out whose flow says where to go then; returns how many.

    One whose flow cannot go on does not stop the others; the next sweep tries it again.
    """
    late = FlowTask.objects.filter(state__in=OPEN, due_at__lt=now, overdue_told_at=None).order_by("due_at").values_list("id", flat=True)
    swept = 0
    for task_id in list(late[:SWEEP_MAX]):
        try:
            swept += _sweep_one(task_id, actor, now)
        except Exception as error:  # whatever is wrong with one run, the other tasks wait for this sweep
            log.exception("overdue_task_defect", task_id=str(task_id), error=type(error).__name__)
    return swept


@transaction.atomic
def _sweep_one(task_id: UUID, actor: Actor, now: dt.datetime) -> int:
    task = (
        FlowTask.objects.select_for_update(skip_locked=True, of=("self",)).filter(id=task_id, state__in=OPEN, overdue_told_at=None).first()
    )
    if task is None or task.due_at is None:
        return 0
    task.overdue_told_at = now
    task.save(update_fields=["overdue_told_at"])
    publish(
        FlowTaskOverdue(
            task_id=task.id,
            subject_kind=task.subject_kind,
            subject_ref=task.subject_ref,
            activity=task.activity,
            legal_entity_id=task.legal_entity_id,
            due_at=task.due_at,
        )
    )
    if task.run_id is not None and _outcomes(task.run_id, task.activity).get(domain.TIMEOUT, domain.WAIT) != domain.WAIT:
        if task.state == FlowTask.State.WAITING:
            _take(task, actor, now)
        _end(task, outcome=domain.TIMEOUT, reason="", facts=None, actor=actor, now=now)
    return 1


def _outcomes(run_id: UUID, activity: str) -> Mapping[str, str]:
    """Where each outcome of a run's activity leads."""
    definition = checked(FlowRun.objects.select_related("version").get(id=run_id).version.definition)
    return definition.activity(activity).on
