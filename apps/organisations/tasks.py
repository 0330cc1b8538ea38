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
from apps.organisations.models import User

log = structlog.get_logger(__name__)


@shared_task(queue="eod", acks_late=True, time_limit=600)
def run_partition(row_id: str) -> bool:
    """One partition of one step; doing it twice does it once."""
    with recorded_as(Actor.system("eod"), reason=end_of_day.JOB_KIND):
        return partitions.take(UUID(row_id))


@shared_task(queue="eod", acks_late=True, time_limit=4 * 3600)
def run_end_of_day() -> dict[str, int]:
    """Every entity's days up to yesterday in Beijing; beat asks for it at 01:00. An entity that stops does not hold up the others."""
    yesterday = clock.local_date(clock.now()) - dt.timedelta(days=1)
    return {entity.code: _close(entity.id, yesterday, Actor.system("eod")) for entity in selectors.entities()}


@shared_task(queue="eod", acks_late=True, time_limit=4 * 3600)
def close_days(entity_id: str, to: str, user_id: str) -> int:
    """The end of day that a person asked for in the back office; returns how many days were closed."""
    actor = Actor.of(User.objects.get(id=user_id))
    return _close(UUID(entity_id), dt.date.fromisoformat(to), actor)


def _close(entity_id: UUID, to: dt.date, actor: Actor) -> int:
    """How many days were closed; where and why a day stopped stands on its job and in the log."""
    try:
        return len(end_of_day.run(entity_id=entity_id, to=to, actor=actor))
    except CarloanError as error:
        log.error("end_of_day_stopped", entity=str(entity_id), code=error.code, detail=error.detail)  # noqa: TRY400  (anticipated)
        return 0
