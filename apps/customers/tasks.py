"""What happens to customers without anybody asking."""

from __future__ import annotations

from celery import shared_task

from apps.common import clock
from apps.customers import services


@shared_task(queue="default", acks_late=True, time_limit=300)
def sweep_identity_checks() -> dict[str, int]:
    """Ask again, end as unknown, expire; each minute."""
    return services.sweep_identity_checks(now=clock.now())
