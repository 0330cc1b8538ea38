"""News of dealers."""

from __future__ import annotations

from uuid import UUID

from apps.common.outbox import event


@event
class DealerSigningStarted:
    """A dealer's papers are complete: the agreement is to be rendered and sealed."""

    dealer_id: UUID


@event
class DealerActivated:
    """The agreement is signed: the dealer may bring applications."""

    dealer_id: UUID
    legal_entity_id: UUID


@event
class DealerSuspended:
    """No new applications from this dealer."""

    dealer_id: UUID
    legal_entity_id: UUID
    reason: str
