"""Questions about contracts."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from apps.common.errors import NotFound
from apps.contracts.models import Contract, State


class NoSuchContract(NotFound):
    """No contract by this id, or not this person's to see."""

    code = "no_such_contract"
    title = _("There is no such contract.")


@dataclass(frozen=True)
class ContractBrief:
    """A contract as others may know it; `document_ref` is the file to be signed, `signed_document_ref` the signed one."""

    id: UUID
    number: str
    state: str
    state_name: str
    kind: str
    application_id: UUID
    made_on: dt.date
    amount: Decimal
    installments: int
    installment: Decimal
    document_ref: UUID | None
    signed_document_ref: UUID | None
    cost_document_ref: UUID | None
    signed_at: dt.datetime | None
    signing_confirmed: bool
    is_signed: bool

    @property
    def get_state_display(self) -> str:
        """The state's name, as templates ask for it of a model."""
        return self.state_name


@dataclass(frozen=True)
class SignedContract:
    """What the payment needs of a signed contract. Money in yuan, the rate a fraction a year."""

    contract_id: UUID
    number: str
    kind: str
    application_id: UUID
    customer_id: UUID
    document_id: UUID
    amount: Decimal
    installments: int
    annual_rate: Decimal
    made_on: dt.date
    first_due: dt.date
    signed_at: dt.datetime


def contract(contract_id: UUID) -> Contract:
    """The row. Raises `NoSuchContract`. The caller holds the scope."""
    found: Contract | None = Contract.objects.filter(id=contract_id).first()
    if found is None:
        raise NoSuchContract
    return found


def contract_of(application_id: UUID) -> ContractBrief | None:
    """The standing contract of an application; None when none was made, or the last was voided. The caller holds the scope."""
    row = Contract.objects.filter(application_id=application_id).exclude(state=State.VOIDED).select_related("consent").first()
    return brief_of(row) if row else None


def voided_at(number: str) -> dt.datetime | None:
    """When the contract of this number ceased to stand; None where it stands, or there is none. Open to everybody by its number."""
    voided = Contract.objects.filter(number=number.strip().upper(), state=State.VOIDED)
    when: dt.datetime | None = voided.values_list("voided_at", flat=True).first()
    return when


def brief_of(row: Contract) -> ContractBrief:
    return ContractBrief(
        id=row.id,
        number=row.number,
        state=row.state,
        state_name=str(row.get_state_display()),
        kind=row.kind,
        application_id=row.application_id,
        made_on=row.made_on,
        amount=row.amount,
        installments=row.installments,
        installment=row.installment,
        document_ref=row.unsigned_id,
        signed_document_ref=row.signed_id,
        cost_document_ref=row.cost_document_id,
        signed_at=row.signed_at,
        signing_confirmed=hasattr(row, "consent"),
        is_signed=row.state in (State.SIGNED, State.ARCHIVED),
    )


def signed_contract(application_id: UUID) -> SignedContract | None:
    """The contract of an application that every party signed and that stands; None otherwise."""
    row = Contract.objects.filter(application_id=application_id, state__in=[State.SIGNED, State.ARCHIVED]).first()
    if row is None or row.signed_id is None or row.signed_at is None:
        return None
    return SignedContract(
        contract_id=row.id,
        number=row.number,
        kind=row.kind,
        application_id=row.application_id,
        customer_id=row.customer_ref,
        document_id=row.signed_id,
        amount=row.amount,
        installments=row.installments,
        annual_rate=row.annual_rate,
        made_on=row.made_on,
        first_due=row.first_due,
        signed_at=row.signed_at,
    )


def visible_contracts(user: Any) -> QuerySet[Any]:
    """Contracts that a user may see, newest first."""
    return Contract.objects.visible_to(user).select_related("consent").order_by("-created_at", "-id")
