"""News of contracts."""

from __future__ import annotations

from uuid import UUID

from apps.common.outbox import event


@event
class ContractRequested:
    """Somebody wants the contract made: its papers are rendered next."""

    contract_id: UUID


@event
class ContractReady:
    """The papers lie before the customer."""

    contract_id: UUID
    application_id: UUID
    customer_id: UUID


@event
class SigningConfirmed:
    """The customer wants it signed: the signatures are set next."""

    contract_id: UUID


@event
class ContractSigned:
    """Every party signed; the signed file is archived."""

    contract_id: UUID
    application_id: UUID


@event
class ContractVoided:
    contract_id: UUID
    application_id: UUID
    reason: str
