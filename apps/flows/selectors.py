"""Questions of a workbench: what waits, what is mine, what became of a subject's activity."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import F

from apps.common.actors import Actor
from apps.common.bulk import any_of
from apps.common.scope import ScopedQuerySet
from apps.flows.models import FlowTask, FlowVersion

OPEN = (FlowTask.State.WAITING, FlowTask.State.CLAIMED)


@dataclass(frozen=True)
class TaskView:
    """A task as pages and other contexts see it."""

    id: UUID
    legal_entity_id: UUID
    subject_kind: str
    subject_ref: UUID
    activity: str
    name: str
    permission: str
    state: str
    claimed_by_id: UUID | None
    claimed_label: str
    opened_at: dt.datetime
    claimed_at: dt.datetime | None
    due_at: dt.datetime | None
    outcome: str
    reason: str
    ended_at: dt.datetime | None

    def is_overdue(self, now: dt.datetime) -> bool:
        """Whether it is open beyond its time."""
        return self.state in OPEN and self.due_at is not None and self.due_at < now


def view_of(task: FlowTask) -> TaskView:
    """The task as a value."""
    return TaskView(
        id=task.id,
        legal_entity_id=task.legal_entity_id,
        subject_kind=task.subject_kind,
        subject_ref=task.subject_ref,
        activity=task.activity,
        name=task.name,
        permission=task.permission,
        state=task.state,
        claimed_by_id=task.claimed_by_id,
        claimed_label=task.claimed_label,
        opened_at=task.created_at,
        claimed_at=task.claimed_at,
        due_at=task.due_at,
        outcome=task.outcome,
        reason=task.reason,
        ended_at=task.ended_at,
    )


def _visible(person: Any) -> ScopedQuerySet:
    """Open tasks that a person (a user or an actor) may take; processes of ours see all."""
    tasks = FlowTask.objects.within(person.data_scope).filter(state__in=OPEN)
    if isinstance(person, Actor) and person.kind == "system":
        return tasks
    return tasks.filter(permission__in=person.permissions)


def _by_urgency(tasks: ScopedQuerySet) -> ScopedQuerySet:
    return tasks.order_by(F("due_at").asc(nulls_last=True), "id")


def open_tasks(person: Any, *, limit: int = 200) -> list[TaskView]:
    """What waits for a person, most urgent first: unclaimed tasks, and those the person has claimed."""
    tasks = _visible(person).exclude(state=FlowTask.State.CLAIMED) | _visible(person).filter(claimed_by_id=_id_of(person))
    return [view_of(task) for task in _by_urgency(tasks)[:limit]]


def team_tasks(person: Any, *, limit: int = 200) -> list[TaskView]:
    """All open tasks that the person may take, whoever has claimed them, most urgent first."""
    return [view_of(task) for task in _by_urgency(_visible(person))[:limit]]


def my_tasks(person: Any, *, limit: int = 200) -> list[TaskView]:
    """What the person has claimed and not yet done, most urgent first."""
    owner = _id_of(person)
    if owner is None:
        return []
    return [view_of(task) for task in _by_urgency(_visible(person).filter(claimed_by_id=owner))[:limit]]


def count_open(person: Any) -> dict[str, int]:
    """How many unclaimed tasks wait for the person, by activity."""
    counts: dict[str, int] = {}
    for activity in _visible(person).filter(state=FlowTask.State.WAITING).values_list("activity", flat=True):
        counts[activity] = counts.get(activity, 0) + 1
    return counts


def next_task(person: Any) -> TaskView | None:
    """The most urgent task nobody has claimed."""
    task = _by_urgency(_visible(person).filter(state=FlowTask.State.WAITING)).first()
    return view_of(task) if task else None


def task_for(subject_kind: str, subject_ref: UUID, activity: str) -> TaskView | None:
    """The open task of a subject's activity, or None."""
    task = FlowTask.objects.filter(subject_kind=subject_kind, subject_ref=subject_ref, activity=activity, state__in=OPEN).first()
    return view_of(task) if task else None


def open_subjects(subject_kind: str, subject_refs: Collection[UUID], activity: str) -> set[UUID]:
    """Which of these subjects have an open task of an activity."""
    tasks = FlowTask.objects.filter(any_of("subject_ref", subject_refs), subject_kind=subject_kind, activity=activity, state__in=OPEN)
    return set(tasks.values_list("subject_ref", flat=True))


def tasks_of(subject_kind: str, subject_ref: UUID) -> list[TaskView]:
    """All tasks that a subject ever had, oldest first."""
    return [view_of(task) for task in FlowTask.objects.filter(subject_kind=subject_kind, subject_ref=subject_ref).order_by("id")]


def published_version(*, flow_code: str, legal_entity_id: UUID, product_code: str = "") -> FlowVersion | None:
    """The version that new orders follow: the product's own, else the entity's."""
    versions = FlowVersion.objects.filter(
        code=flow_code,
        legal_entity_id=legal_entity_id,
        product_code__in={"", product_code},
        state=FlowVersion.State.PUBLISHED,
    )
    return versions.order_by("-product_code").first()


def _id_of(person: Any) -> UUID | None:
    return person.user_id if isinstance(person, Actor) else person.id
