from celery import shared_task

from apps.common import clock, outbox, purge


@shared_task(queue="default", acks_late=True, time_limit=300)
def dispatch_outbox() -> int:
    """Deliver what waits in the outbox; nudged on commit and swept each minute."""
    return outbox.dispatch()


@shared_task(queue="default", acks_late=True, time_limit=600)
def purge_expired() -> dict[str, int]:
    """Delete records that have served their time; each night."""
    return purge.purge(now=clock.now())
