"""Questions about reconciliation."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db.models import QuerySet, Sum

from apps.common.money import ZERO
from apps.reconciliation.domain import MATCHED
from apps.reconciliation.models import BankLine, Difference, ReconciliationBatch


def batches_of(user: Any) -> QuerySet[ReconciliationBatch]:
    """Batches that the user may see, newest first."""
    return ReconciliationBatch.objects.visible_to(user).order_by("-day", "-received_at")


def open_differences(user: Any) -> QuerySet[Difference]:
    """Cases that somebody has to work on, oldest first."""
    return Difference.objects.visible_to(user).exclude(state=Difference.State.RESOLVED).order_by("created_at", "id")


def matched_total(legal_entity_id: UUID, direction: str) -> Decimal:
    """What statements have confirmed so far, in yuan; `direction` is `in` or `out`."""
    lines = BankLine.objects.filter(legal_entity_id=legal_entity_id, direction=direction, result=MATCHED)
    return lines.aggregate(total=Sum("amount"))["total"] or ZERO


def matched_orders(legal_entity_id: UUID) -> dict[str, Decimal]:
    """Our order number → the amount of the bank's line that confirmed it."""
    lines = BankLine.objects.filter(legal_entity_id=legal_entity_id, result=MATCHED)
    return dict(lines.values_list("matched_order_no", "amount"))
