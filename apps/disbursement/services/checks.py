"""The checks at the moment of paying: everything is asked anew, nothing is remembered from the review."""

from __future__ import annotations

import dataclasses
import datetime as dt

from apps.common import clock
from apps.common.errors import CarloanError
from apps.contracts import selectors as contracts
from apps.customers import selectors as customers
from apps.disbursement.domain import PaymentFacts, failed_checks, payment_checks
from apps.disbursement.models import Disbursement
from apps.disbursement.services.records import signed_within
from apps.documents import services as documents
from apps.organisations import selectors as organisations


def look_again(disbursement: Disbursement, *, now: dt.datetime) -> list[str]:
    """Names of the checks that do not hold now; all findings are kept on the payment, which the caller saves."""
    day = clock.local_date(now)
    checks = payment_checks(_facts(disbursement, now), signed_within=signed_within(disbursement.legal_entity_id, day))
    disbursement.checks = [dataclasses.asdict(check) for check in checks]
    return failed_checks(checks)


def _facts(disbursement: Disbursement, now: dt.datetime) -> PaymentFacts:
    contract = contracts.signed_contract(disbursement.application_ref)
    minutes = organisations.parameter(
        "disbursement.liveness_fresh_minutes", on=clock.local_date(now), legal_entity_id=disbursement.legal_entity_id
    )
    return PaymentFacts(
        amount=disbursement.amount,
        contract_signed=contract is not None,
        contract_valid=contract is not None and documents.verify(documents.read(contract.document_id)).valid,
        contract_amount=contract.amount if contract else None,
        signed_at=contract.signed_at if contract else None,
        liveness_fresh=customers.liveness_fresh(disbursement.customer_ref, dt.timedelta(minutes=minutes), now),
        may_borrow=customers.may_borrow(disbursement.customer_ref, now),
        card_valid=_has_card(disbursement),
        payee_complete=bool(disbursement.payee_account and disbursement.payee_name),
        at=now,
    )


def _has_card(disbursement: Disbursement) -> bool:
    try:
        customers.debit_card(disbursement.customer_ref)
    except CarloanError:
        return False
    return True
