"""Records that have served their time: deleted each night, in bounded batches, so that no lock lasts and no night runs long.

A context registers what of its own expires; business facts never do.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import structlog
from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from apps.common.models import IdempotencyRecord, OutboxDelivery, OutboxMessage

log = structlog.get_logger(__name__)
BATCH_ROWS = 500
BATCHES = 400  # per kind and night; the rest waits for the next one
Expired = Callable[[dt.datetime], QuerySet[Any]]
_kinds: dict[str, Expired] = {}


def register(name: str, expired: Expired) -> None:
    """Let a kind of rows expire: `expired(now)` are those that nobody needs any more."""
    _kinds[name] = expired


def purge(*, now: dt.datetime, batch_rows: int = BATCH_ROWS, batches: int = BATCHES) -> dict[str, int]:
    """Delete what has expired, at most `batches` times `batch_rows` rows of a kind; answers how many went. Safe to repeat."""
    gone = {name: _purge_kind(expired, now, batch_rows, batches) for name, expired in _kinds.items()}
    log.info("purged", **gone)
    return gone


def _purge_kind(expired: Expired, now: dt.datetime, batch_rows: int, batches: int) -> int:
    gone = 0
    for _ in range(batches):
        with transaction.atomic():
            rows = expired(now)
            ids = list(rows.order_by("pk").select_for_update(skip_locked=True, of=("self",)).values_list("pk", flat=True)[:batch_rows])
            rows.model._base_manager.filter(pk__in=ids).delete()
        gone += len(ids)
        if len(ids) < batch_rows:
            break
    return gone


def days_ago(kind: str, now: dt.datetime) -> dt.datetime:
    """The moment before which rows of a kind have served their time, by `settings.KEEP_DAYS`."""
    return now - dt.timedelta(days=settings.KEEP_DAYS[kind])


def handled_news(now: dt.datetime) -> QuerySet[Any]:
    """Old messages of the outbox, their deliveries with them; what waits or has failed stays in sight."""
    unfinished = OutboxDelivery.objects.filter(message=OuterRef("pk")).exclude(state=OutboxDelivery.State.DONE)
    return OutboxMessage.objects.filter(~Exists(unfinished), created_at__lt=days_ago("outbox", now))


register("idempotency", lambda now: IdempotencyRecord.objects.filter(created_at__lt=days_ago("idempotency", now)))
register("outbox", handled_news)
# The wall clock's, as Django made them.
register("sessions", lambda now: Session.objects.filter(expire_date__lt=dt.datetime.now(dt.UTC)))
