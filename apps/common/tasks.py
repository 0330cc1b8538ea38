from celery import shared_task

from apps.common import outbox


@shared_task(queue="default", acks_late=True, time_limit=300)
def dispatch_outbox() -> int:
    """Deliver what waits in the outbox; nudged on commit and swept each minute."""
    return outbox.dispatch()
