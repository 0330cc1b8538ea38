"""The clock of the tasks."""

from __future__ import annotations

from celery import shared_task

from apps.common import clock
from apps.common.actors import Actor
from apps.common.audit import recorded_as
from apps.flows import services


@shared_task(queue="default", acks_late=True, time_limit=300)
def sweep_overdue_tasks() -> int:
    """Tell of overdue tasks and let flows time out; beat asks each minute."""
    actor = Actor.system("flows")
    with recorded_as(actor):
        return services.sweep_overdue(actor=actor, now=clock.now())
