"""Questions about post-loan work."""

from __future__ import annotations

import datetime as dt
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from apps.postloan.models import CollectionCase, DeliveryPaper, SettlementCertificate, TitleRelease


def papers_of(application_id: UUID) -> QuerySet[DeliveryPaper]:
    """The checklist of a delivery, most urgent first; empty before the pick-up."""
    return DeliveryPaper.objects.filter(application_ref=application_id).order_by("due_date", "kind")


def cases_of(user: Any) -> QuerySet[CollectionCase]:
    """Collection cases that the user may see, the longest overdue first."""
    return CollectionCase.objects.visible_to(user).order_by("-days_past_due", "opened_on", "id")


def open_case_of(customer_id: UUID) -> CollectionCase | None:
    """The case of a customer that is not closed."""
    return CollectionCase.objects.filter(customer_ref=customer_id).exclude(state=CollectionCase.State.CLOSED).first()


def has_open_cases(legal_entity_id: UUID) -> bool:
    """Whether a lender collects from anybody."""
    return CollectionCase.objects.filter(legal_entity_id=legal_entity_id).exclude(state=CollectionCase.State.CLOSED).exists()


def certificate_of(loan_id: UUID) -> SettlementCertificate | None:
    """The settlement certificate of a loan that stands."""
    return SettlementCertificate.objects.filter(loan_ref=loan_id, withdrawn_at=None).first()


def withdrawn_at(number: str) -> dt.datetime | None:
    """When the settlement certificate of this number was taken back, its loan being open again; open to everybody by its number."""
    withdrawn = SettlementCertificate.objects.filter(number=number.strip().upper(), withdrawn_at__isnull=False)
    when: dt.datetime | None = withdrawn.values_list("withdrawn_at", flat=True).first()
    return when


def release_of(loan_id: UUID) -> TitleRelease | None:
    """What became of a loan's title."""
    return TitleRelease.objects.filter(loan_ref=loan_id).first()
