"""A funding agreement 资金合作协议 in the back office: one person enters it, another decides."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from apps.common import approvals
from apps.common.actors import Actor
from apps.common.errors import BadInput, Conflict
from apps.common.models import ChangeRequest
from apps.loans.domain.errors import BadTerms
from apps.loans.domain.funding import FundingFeeKind, FundingFeeLine
from apps.loans.models import FundingAgreement, FundingFee
from apps.loans.selectors import OWN
from apps.loans.services.funding import agree_funding, check_funding

FUNDING_CHANGE: Final = "loans.funding_agreement"
EXAMPLE: Final = Decimal(100_000)
MAX_FEES: Final = 20
FEE_KINDS: Final = tuple(FundingFee.Kind.choices)
_SERVICES: Final = "apps.loans.services.funding_by_two"


class AgreementNumberTaken(Conflict):
    """An agreement of this number stands; it is never changed, only followed by another one."""

    code = "funding_agreement_number_taken"
    title = _("There is an agreement of this number. Give the new one a number of its own.")


def register_funding() -> None:
    """Make a funding agreement a kind of change that two people decide on."""
    approvals.register(
        approvals.Kind(
            name=FUNDING_CHANGE,
            propose_permission="organisations.edit",
            check_permission="approvals.check",
            preview=f"{_SERVICES}.preview_funding",
            execute=f"{_SERVICES}.execute_funding",
        )
    )


def propose_funding(
    *,
    legal_entity_id: UUID,
    party_ref: str,
    number: str,
    effective_from: dt.date,
    fees: Sequence[Mapping[str, str]],
    reason: str,
    actor: Actor,
    now: dt.datetime,
) -> ChangeRequest:
    """Put a funding agreement before a second person; `fees` as text: kind, payer_ref, payee_ref, basis_ref, and rate or amount.

    Raises `BadInput` naming the field, `AgreementInUse`, `AgreementNumberTaken`, `ReasonMissing`.
    """
    if not party_ref or party_ref == OWN:
        raise BadInput(fields={"party_ref": [str(_("Name the other party of the agreement."))]})
    if not number:
        raise BadInput(fields={"number": [str(_("Enter the number of the agreement."))]})
    payload = {
        "legal_entity_id": str(legal_entity_id),
        "party_ref": party_ref,
        "number": number,
        "effective_from": effective_from.isoformat(),
        "fees": [dict(fee) for fee in fees],
    }
    return approvals.propose(
        kind=FUNDING_CHANGE,
        legal_entity_id=legal_entity_id,
        subject=number,
        payload=payload,
        reason=reason,
        actor=actor,
        now=now,
    )


def preview_funding(payload: dict[str, Any], now: dt.datetime) -> dict[str, Any]:
    """What the agreement would make of a loan of 100,000.00 whose principal all belongs to the party, and which one it follows."""
    entity, party = UUID(payload["legal_entity_id"]), payload["party_ref"]
    since, lines = dt.date.fromisoformat(payload["effective_from"]), _lines(payload["fees"])
    standing = FundingAgreement.objects.filter(legal_entity_id=entity)
    if standing.filter(number=payload["number"]).exists():
        raise AgreementNumberTaken(number=payload["number"])
    check_funding(entity, party, since)
    earlier = standing.filter(party_ref=party, effective_from__lt=since).order_by("-effective_from").first()
    return {
        "follows": earlier.number if earlier else "",
        "in_force_for_loans_opened_from": since.isoformat(),
        "fees": [
            {
                "kind": line.kind.value,
                "payer": line.payer_ref,
                "payee": line.payee_ref,
                "of_100000.00_of_principal": f"{line.agreed(EXAMPLE):.2f}",
            }
            for line in lines
        ],
    }


def execute_funding(payload: dict[str, Any], actor: Actor, now: dt.datetime, reference: str) -> dict[str, Any]:
    """Record an approved agreement; who approved it need not be allowed to enter one."""
    agreed = agree_funding(
        legal_entity_id=UUID(payload["legal_entity_id"]),
        party_ref=payload["party_ref"],
        number=payload["number"],
        effective_from=dt.date.fromisoformat(payload["effective_from"]),
        fees=_lines(payload["fees"]),
        actor=replace(actor, permissions=actor.permissions | {"organisations.edit"}),
        now=now,
    )
    return {"agreement": str(agreed), "number": payload["number"]}


def _lines(fees: Sequence[Mapping[str, str]]) -> list[FundingFeeLine]:
    if not 1 <= len(fees) <= MAX_FEES:
        raise BadInput(fields={"fees": [str(_("An agreement has from 1 to %(most)s fees.") % {"most": MAX_FEES})]})
    return [_line(number, fee) for number, fee in enumerate(fees, start=1)]


def _line(number: int, fee: Mapping[str, str]) -> FundingFeeLine:
    try:
        return FundingFeeLine(
            kind=FundingFeeKind(fee.get("kind", "")),
            payer_ref=fee.get("payer_ref", ""),
            payee_ref=fee.get("payee_ref", ""),
            basis_ref=fee.get("basis_ref", ""),
            rate=_number(fee.get("rate", "")),
            amount=_number(fee.get("amount", "")),
        )
    except BadTerms as wrong:
        raise BadInput(fields={f"fee {number} {wrong.field}": [wrong.why(gettext)]}) from None
    except ValueError:
        raise BadInput(fields={f"fee {number} kind": [str(_("Choose guide, guarantee or service."))]}) from None


def _number(text: str) -> Decimal | None:
    try:
        return Decimal(text) if text else None
    except ArithmeticError:
        raise BadInput(fields={"fees": [str(_("Enter rates as fractions such as 0.02, amounts in yuan such as 99.99."))]}) from None
