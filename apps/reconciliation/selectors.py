"""Questions about reconciliation."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet, Sum

from apps.common.money import ZERO
from apps.reconciliation.domain import MATCHED
from apps.reconciliation.models import BankLine, Difference, ReconciliationBatch

IS_MATCHED = Q(result=MATCHED) | Q(late_match__isnull=False)


def batches_of(user: Any) -> QuerySet[ReconciliationBatch]:
    """Batches that the user may see, newest first."""
    return ReconciliationBatch.objects.visible_to(user).order_by("-day", "-received_at")


def open_differences(user: Any) -> QuerySet[Difference]:
    """Cases that somebody has to work on, oldest first."""
    return Difference.objects.visible_to(user).exclude(state=Difference.State.RESOLVED).order_by("created_at", "id")


def _matched_lines(legal_entity_id: UUID) -> QuerySet[BankLine]:
    """Lines that confirm an order of ours, at once or when its result came later."""
    return BankLine.objects.filter(IS_MATCHED, legal_entity_id=legal_entity_id)


def matched_among(legal_entity_id: UUID, order_nos: Collection[str]) -> set[str]:
    """Which of our orders a line confirms."""
    return set(_matched_lines(legal_entity_id).filter(matched_order_no__in=order_nos).values_list("matched_order_no", flat=True))


def matched_total(legal_entity_id: UUID, direction: str) -> Decimal:
    """What statements have confirmed so far, in yuan; `direction` is `in` or `out`."""
    return _matched_lines(legal_entity_id).filter(direction=direction).aggregate(total=Sum("amount"))["total"] or ZERO


def matched_orders(legal_entity_id: UUID) -> dict[str, Decimal]:
    """Our order number → the amount of the bank's line that confirmed it."""
    return dict(_matched_lines(legal_entity_id).values_list("matched_order_no", "amount"))


def lines_in(legal_entity_id: UUID) -> QuerySet[BankLine]:
    """Money that the bank's statements say has come in."""
    return BankLine.objects.filter(legal_entity_id=legal_entity_id, direction="in").order_by("serial")


def confirmed_in(legal_entity_id: UUID) -> dict[str, Decimal]:
    """Our order number → the amount of the line that brought its money in."""
    return dict(_matched_lines(legal_entity_id).filter(direction="in").values_list("matched_order_no", "amount"))


def cases_in(legal_entity_id: UUID) -> list[Difference]:
    """Every case about money that came in or should have, oldest first."""
    return list(Difference.objects.filter(legal_entity_id=legal_entity_id, direction="in").order_by("created_at", "id"))


def statements(legal_entity_id: UUID) -> dict[dt.date, dt.datetime]:
    """Day → when its latest statement came, of those that were applied."""
    unread = [ReconciliationBatch.State.RECEIVED, ReconciliationBatch.State.REJECTED]
    batches = ReconciliationBatch.objects.filter(legal_entity_id=legal_entity_id).exclude(state__in=unread)
    return dict(batches.order_by("received_at").values_list("day", "received_at"))
