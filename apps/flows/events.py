"""News of tasks and runs."""

from __future__ import annotations

import datetime as dt
from uuid import UUID

from apps.common.outbox import event


@event
class FlowTaskOpened:
    """Something waits for a person with `permission`, or for the process that `service` names."""

    task_id: UUID
    subject_kind: str
    subject_ref: UUID
    activity: str
    permission: str
    service: str
    legal_entity_id: UUID
    due_at: dt.datetime | None


@event
class FlowTaskCompleted:
    """A task was decided or done; `outcome` is the flow's word, or `timeout`."""

    task_id: UUID
    subject_kind: str
    subject_ref: UUID
    activity: str
    outcome: str
    reason: str


@event
class FlowTaskOverdue:
    """An open task passed its time; told once."""

    task_id: UUID
    subject_kind: str
    subject_ref: UUID
    activity: str
    legal_entity_id: UUID
    due_at: dt.datetime


@event
class FlowRunEnded:
    """A subject's flow came to its end; `outcome` is that of the last activity."""

    run_id: UUID
    flow_code: str
    subject_kind: str
    subject_ref: UUID
    outcome: str
