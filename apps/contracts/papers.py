"""The contract's papers: facts of the lower contexts put into the words of the templates. Reads personal data in clear: the paper names
the parties."""

from __future__ import annotations

import dataclasses
from typing import Any
from urllib.parse import urlencode

from django.conf import settings

from apps.applications import selectors as applications
from apps.common import privacy
from apps.common.calendar import is_working_day
from apps.contracts.domain import POWERS, TEMPLATE_VERSION, Priced, plan_words, price_from
from apps.contracts.models import Contract
from apps.customers import selectors as customers
from apps.dealers import selectors as dealers
from apps.documents.domain import Signer
from apps.organisations import selectors as organisations
from apps.products import selectors as products


def priced(contract: Contract) -> Priced:
    """The accepted plan, dated from the day of the contract."""
    return price_from(applications.contract_facts(contract.application_id).plan, contract.made_on, is_working_day=is_working_day)


def contract_content(contract: Contract, reading_seconds: int) -> dict[str, Any]:
    """What `loan_contract.html` and `cost_table.html` want."""
    facts = applications.contract_facts(contract.application_id)
    lender = organisations.entity(contract.legal_entity_id)
    person = customers.signing_identity(contract.customer_ref)
    card = customers.debit_card(contract.customer_ref)
    shop = dealers.shop(contract.shop_ref) if contract.shop_ref else None
    terms = priced(contract)
    return {
        "number": contract.number,
        "contract_number": contract.number,
        "kind": contract.kind,
        "made_on": contract.made_on,
        "template_version": TEMPLATE_VERSION,
        "lender": dataclasses.asdict(lender),
        "borrower": {"name": person.name, "id_number": person.id_number, "phone": person.phone, "address": person.address},
        "dealer": {"name": shop.dealer_name, "shop": shop.name} if shop else {},
        "vehicle": {"name": facts.vehicle_name, "price": facts.price, "power_name": POWERS.get(facts.power, "")},
        "plan": plan_words(terms),
        "schedule": terms.plan.schedule,
        "cost": products.cost_table(terms.plan),
        "card": {"bank": card.bank_name, "masked": card.masked_number},
        "reading_seconds": reading_seconds,
        "verify_url": f"{settings.PUBLIC_URL}/verify/?{urlencode({'number': contract.number})}",
    }


def signers_of(contract: Contract) -> list[Signer]:
    """Who signs, in order: the customer (silently, after the word given in the app), then the lender's seal over everything."""
    lender = organisations.entity(contract.legal_entity_id)
    person = customers.signing_identity(contract.customer_ref)
    return [
        Signer(
            field="customer",
            kind="person",
            ref=contract.customer_ref,
            name=person.name,
            identifier=privacy.mask_id_number(person.id_number),
            reason="本人阅读全文并经活体核验后确认签署",
        ),
        Signer(field="company", kind="company", ref=lender.id, name=lender.name, identifier=lender.uscc, reason="签订合同"),
    ]
