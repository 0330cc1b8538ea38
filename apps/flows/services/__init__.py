"""The deeds of business flows: versions, runs and tasks."""

from apps.flows.services.runs import cancel_run, start_run
from apps.flows.services.tasks import (
    NoSuchTask,
    OutcomeUnknown,
    TaskNotYours,
    TaskTaken,
    cancel_tasks,
    claim_task,
    complete_subject_task,
    complete_task,
    hand_back_task,
    open_task,
    sweep_overdue,
)
from apps.flows.services.versions import (
    FlowInvalid,
    create_version,
    edit_version,
    install_shipped_flows,
    publish_version,
    retire_version,
)

__all__ = [
    "FlowInvalid",
    "NoSuchTask",
    "OutcomeUnknown",
    "TaskNotYours",
    "TaskTaken",
    "cancel_run",
    "cancel_tasks",
    "claim_task",
    "complete_subject_task",
    "complete_task",
    "create_version",
    "edit_version",
    "hand_back_task",
    "install_shipped_flows",
    "open_task",
    "publish_version",
    "retire_version",
    "start_run",
    "sweep_overdue",
]
