"""The ledger's step of the business day."""

from __future__ import annotations

import datetime as dt
from typing import Any
from uuid import UUID

from apps.ledger import services
from apps.organisations.business_day import StepResult


def totals(*, entity_id: UUID, day: dt.date, partition: dict[str, Any], now: dt.datetime) -> StepResult:
    """Record the day's totals and close the books through `day`."""
    closed = services.close_day(legal_entity_id=entity_id, day=day, now=now)
    return StepResult(done=int(closed))
