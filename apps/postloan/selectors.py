"""Questions about post-loan work."""

from __future__ import annotations

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


def certificate_of(loan_id: UUID) -> SettlementCertificate | None:
    """The settlement certificate of a loan that stands."""
    return SettlementCertificate.objects.filter(loan_ref=loan_id, withdrawn_at=None).first()


def release_of(loan_id: UUID) -> TitleRelease | None:
    """What became of a loan's title."""
    return TitleRelease.objects.filter(loan_ref=loan_id).first()
