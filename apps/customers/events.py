"""News of customers."""

from __future__ import annotations

from uuid import UUID

from apps.common.outbox import event


@event
class CustomerRegistered:
    """A person signed in for the first time."""

    customer_id: UUID
    legal_entity_id: UUID


@event
class CustomerVerified:
    """ID authenticity, liveness and bank card have all passed."""

    customer_id: UUID
    legal_entity_id: UUID


@event
class IdentityCheckRequested:
    """An attempt of a check is to be sent to the party that answers it; `attempt_id` is its reference there."""

    check_id: UUID
    attempt_id: UUID
    kind: str


@event
class IdentityCheckFinished:
    """A check got its answer: `state` is passed, failed or unknown."""

    check_id: UUID
    customer_id: UUID
    kind: str
    state: str
