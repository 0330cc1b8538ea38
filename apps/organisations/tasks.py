"""The end of day by itself, and its partitions on workers."""

from __future__ import annotations

import datetime as dt
from uuid import UUID

import structlog
from celery import shared_task

from apps.common import clock
from apps.common.actors import Actor
from apps.common.audit import recorded_as
from apps.common.errors import CarloanError
from apps.organisations import end_of_day, partitions, selectors

log = structlog.get_logger(__name__)


@shared_task(queue="eod", acks_late=True, time_limit=600)
def run_partition(row_id: str) -> bool:
    """One partition of one step; doing it twice does it once."""
    with recorded_as(Actor.system("eod"), reason=end_of_day.JOB_KIND):
        return partitions.take(UUID(row_id))


@shared_task(queue="default", acks_late=True, time_limit=4 * 3600)
def run_end_of_day() -> dict[str, int]:
    """Every entity's days up to yesterday in Beijing; beat asks for it at 01:00. An entity that stops does not hold up the others."""
    yesterday = clock.local_date(clock.now()) - dt.timedelta(days=1)
    closed: dict[str, int] = {}
    for entity in selectors.entities():
        try:
            closed[entity.code] = len(end_of_day.run(entity_id=entity.id, to=yesterday, actor=Actor.system("eod")))
        except CarloanError as error:
            log.error("end_of_day_stopped", entity=entity.code, code=error.code, detail=error.detail)  # noqa: TRY400  (anticipated)
    return closed
