"""News of post-loan work."""

from __future__ import annotations

from uuid import UUID

from apps.common.outbox import event


@event
class SettlementNoted:
    """A settled loan has a certificate number; the signed file follows."""

    certificate_id: UUID
    loan_id: UUID
