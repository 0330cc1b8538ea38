"""News of applications."""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID

from apps.common.outbox import event


@event
class ApplicationStateChanged:
    """Any transition; pages that show the order's state listen."""

    application_id: UUID
    from_state: str
    to_state: str


@event
class ApplicationSubmitted:
    application_id: UUID
    customer_id: UUID
    round: int


@event
class ApplicationOffered:
    """Plans lie before the customer."""

    application_id: UUID
    customer_id: UUID
    offers: int


@event
class ApplicationDeclined:
    application_id: UUID
    customer_id: UUID
    reasons: list[str]


@event
class OfferAccepted:
    application_id: UUID
    customer_id: UUID
    offer_id: UUID
    principal: Decimal
