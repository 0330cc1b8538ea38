"""From the signed plan to the open loan, on the day on which the transfer succeeded."""

from __future__ import annotations

import datetime as dt
from uuid import UUID

from apps.applications import selectors as applications
from apps.applications.selectors import ContractFacts
from apps.common.actors import Actor
from apps.common.money import ZERO
from apps.contracts import selectors as contracts
from apps.disbursement.models import Disbursement, Funder
from apps.loans import services as loans
from apps.organisations import services as organisations
from apps.products import selectors as products
from apps.products.domain import ProductFacts, build_terms

_WHOLE = 10_000
_VAT = {"direct": "vat.direct_lease", "leaseback": "vat.leaseback"}


def open_loan_of(disbursement: Disbursement, *, actor: Actor, now: dt.datetime) -> UUID:
    """Open the loan inside the transfer's transaction; its id. Interest runs from today, due days stay as signed."""
    facts = applications.contract_facts(disbursement.application_ref)
    signed = contracts.signed_contract(disbursement.application_ref)
    today = organisations.hold_business_date(disbursement.legal_entity_id)
    agreed = build_terms(facts.plan, signed.made_on) if signed else None
    if agreed and agreed.first_due <= today:
        agreed = None
    terms = build_terms(
        facts.plan,
        today,
        _shares(disbursement),
        first_due=agreed.first_due if agreed else None,
        due_day=agreed.due_day if agreed else None,
        borrower_ref=str(disbursement.customer_ref),
        party_ref=str(disbursement.legal_entity_id),
        branch_ref=str(facts.branch_id or ""),
    )
    product = products.product_version(facts.product_version_id)
    loan_id = loans.open_loan(
        legal_entity_id=disbursement.legal_entity_id,
        borrower_ref=disbursement.customer_ref,
        application_ref=disbursement.application_ref,
        product_code=disbursement.product_code,
        vat_parameter=_VAT.get(facts.lease_type, "vat.loan_interest"),
        is_lease=product.is_finance_lease,
        terms=terms,
        value_date=today,
        reference=f"transfer:{disbursement.number}",
        actor=actor,
        now=now,
    )
    if facts.lease_type:
        loans.agree_lease(loan_id=loan_id, terms=_lease(facts, product), actor=actor, now=now)
    return loan_id


def _lease(facts: ContractFacts, product: ProductFacts) -> loans.LeaseTerms:
    """What the order says of the car, and the product of the deposit and the option to buy."""
    return loans.LeaseTerms(
        kind=facts.lease_type,
        vehicle_name=facts.vehicle_name,
        vehicle_price=facts.price or ZERO,
        down_payment=facts.plan.down_payment,
        deposit=facts.plan.deposit,
        offsets_deposit=product.offsets_deposit,
        purchase_price=product.purchase_price,
    )


def _shares(disbursement: Disbursement) -> list[tuple[str, int]]:
    """The whole loan is the lender's own, or the partner's that paid for it."""
    funder = disbursement.account.funder if disbursement.account else None
    return [(funder.code, _WHOLE)] if funder and funder.kind == Funder.Kind.PARTNER else []
