"""Later work of applications."""

from celery import shared_task

from apps.applications import services
from apps.common import clock
from apps.common.actors import Actor


@shared_task(queue="default", acks_late=True, time_limit=300)
def expire_stale() -> int:
    """Close applications whose time ran out; swept by beat."""
    return services.expire_stale(actor=Actor.system("applications.expiry"), now=clock.now())
