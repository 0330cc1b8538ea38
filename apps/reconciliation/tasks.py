"""Later work of reconciliation, run by beat after midnight."""

from celery import shared_task

from apps.common import clock
from apps.common.actors import Actor
from apps.common.audit import recorded_as
from apps.organisations import selectors as organisations
from apps.reconciliation import services


@shared_task(queue="default", acks_late=True, time_limit=600)
def reconcile_yesterday() -> int:
    """Reconcile the last whole day of every legal entity; returns how many differences were found."""
    actor, now = Actor.system("reconciliation"), clock.now()
    differences = 0
    with recorded_as(actor):
        for entity in organisations.entities():
            outcome = services.reconcile(legal_entity_id=entity.id, day=services.day_before(now), actor=actor, now=now)
            differences += outcome.differences
    return differences
