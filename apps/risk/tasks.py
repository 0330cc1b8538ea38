"""Later work of risk."""

from celery import shared_task

from apps.common import clock
from apps.common.actors import Actor
from apps.risk import services


@shared_task(queue="default", acks_late=True, time_limit=300)
def time_out_requests() -> int:
    """Put decisions without a result in time before a person; swept by beat."""
    return services.time_out_requests(actor=Actor.system("risk.sweep"), now=clock.now())
