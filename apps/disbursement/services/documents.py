"""The voucher's file: rendered, signed, archived, and found by its number. Takes seconds, so outside any transaction."""

from __future__ import annotations

import datetime as dt
from typing import Any
from uuid import UUID

from django.conf import settings

from apps.applications import selectors as applications
from apps.common import clock
from apps.common.actors import Actor
from apps.contracts import selectors as contracts
from apps.customers import selectors as customers
from apps.disbursement.models import Voucher
from apps.disbursement.services.vouchers import attach_document
from apps.documents import services as documents
from apps.documents.domain import Signer
from apps.organisations import selectors as organisations

ACTOR = Actor.system("disbursement.vouchers")
TEMPLATE = "documents/voucher.html"


def issue_voucher_document(*, voucher_id: UUID, now: dt.datetime) -> None:
    """Make the signed file of a voucher, once; a repetition finds the first one by its number."""
    voucher = Voucher.objects.select_related("disbursement").get(id=voucher_id)
    if voucher.document_ref is not None:
        return
    document = documents.issue(
        kind="voucher",
        number=voucher.number,
        template=TEMPLATE,
        context=voucher_content(voucher),
        signers=[_seal(voucher)],
        legal_entity_id=voucher.legal_entity_id,
        owner_kind="application",
        owner_ref=voucher.application_ref,
        customer_ref=voucher.customer_ref,
        dealer_ref=voucher.dealer_ref,
        shop_ref=voucher.shop_ref,
        consultant_ref=voucher.consultant_ref,
        actor=ACTOR,
        now=now,
    )
    attach_document(voucher_id=voucher_id, document_id=document.id, actor=ACTOR, now=now)


def _seal(voucher: Voucher) -> Signer:
    entity = organisations.entity(voucher.legal_entity_id)
    return Signer(
        field="company", kind="company", ref=entity.id, name=entity.name, identifier=entity.uscc, seal="放款凭证专用章", reason="放款凭证"
    )


def voucher_content(voucher: Voucher) -> dict[str, Any]:
    """What the voucher says, in the words of its template; amounts in yuan, personal data masked."""
    facts = applications.contract_facts(voucher.application_ref)
    contract = contracts.signed_contract(voucher.application_ref)
    entity = organisations.entity(voucher.legal_entity_id)
    payment = voucher.disbursement
    return {
        "lender": {"name": entity.name, "phone": entity.phone},
        "guarantor": entity.name,
        "shop": {"name": payment.payee_label, "account_masked": payment.payee_masked, "bank": payment.payee_bank},
        "borrower": {"name_masked": customers.brief(voucher.customer_ref).masked_name},
        "vehicle": {"name": facts.vehicle_name},
        "amount": voucher.amount,
        "issued_on": clock.local_date(voucher.issued_at),
        "valid_until": voucher.valid_until,
        "application_number": facts.number,
        "contract_number": contract.number if contract else "",
        "verify_url": f"{settings.PUBLIC_URL}/verify/?number={voucher.number}",
    }
