"""What customers are told about money."""

from __future__ import annotations

import datetime as dt
from uuid import UUID

from apps.common.actors import Actor
from apps.customers import selectors as customers
from apps.disbursement.models import Disbursement
from apps.loans import selectors as loans
from apps.messaging import services as messaging


def tell_customer_paid_out(*, disbursement_id: UUID, actor: Actor, now: dt.datetime) -> None:
    """放款短信: the money has gone out and the loan runs."""
    disbursement = Disbursement.objects.get(id=disbursement_id)
    brief = loans.loan_brief(disbursement.loan_ref) if disbursement.loan_ref else None
    messaging.send(
        template="money_paid_out",
        phone=customers.phone_of(disbursement.customer_ref),
        variables={
            "amount": f"{disbursement.amount:,.2f}",
            "payee": disbursement.payee_label,
            "loan_number": brief.number if brief else "",
        },
        legal_entity_id=disbursement.legal_entity_id,
        person_ref=disbursement.customer_ref,
        dedupe_key=f"money_paid_out:{disbursement.id}",
        actor=actor,
        now=now,
    )
