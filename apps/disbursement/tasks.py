"""Later work of disbursement, swept by beat."""

from celery import shared_task

from apps.common import clock
from apps.disbursement import services


@shared_task(queue="default", acks_late=True, time_limit=300)
def sweep_transfers() -> int:
    """Send transfers whose hour has come; ask about those without an answer."""
    return services.sweep_transfers(now=clock.now())


@shared_task(queue="default", acks_late=True, time_limit=300)
def sweep_debits() -> int:
    """Send debits that were left behind; ask about those without an answer."""
    return services.sweep_debits(now=clock.now())
