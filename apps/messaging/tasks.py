"""Sending in the background: codes on a queue of their own, everything that waits in bounded sweeps."""

from __future__ import annotations

from uuid import UUID

from celery import shared_task

from apps.common import clock
from apps.messaging import services


@shared_task(queue="urgent", acks_late=True, time_limit=60)
def deliver_urgent(message_id: str) -> None:
    """One code, at once. The outbox delivers the same message, should this queue have no worker: the second finds nothing to do."""
    services.deliver_message(message_id=UUID(message_id), now=clock.now())


@shared_task(queue="bulk", acks_late=True, time_limit=300)
def sweep_messages() -> dict[str, int]:
    """Send held and batch messages whose time has come, try unanswered ones again; each minute."""
    return services.sweep_messages(now=clock.now())
