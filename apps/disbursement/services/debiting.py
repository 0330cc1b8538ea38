"""Orders of payments in, written down: those of the business day for thousands of loans at once, and those of one customer."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import transaction

from apps.common import clock
from apps.common.bulk import insert_rows
from apps.common.errors import CarloanError
from apps.common.models import new_id
from apps.common.numbers import next_numbers
from apps.common.outbox import publish_many
from apps.customers import selectors as customers
from apps.customers.domain import DebitAgreement
from apps.disbursement.events import RepaymentOrdered
from apps.disbursement.models import RepaymentOrder
from apps.disbursement.services.records import debit_plan
from apps.loans import selectors as loans_read
from apps.loans import services as loans

_SAME = {"state": RepaymentOrder.State.CREATED, "bank_ref": "", "reason": "", "booked_as": ""}


@transaction.atomic
def order_debits(*, legal_entity_id: UUID, day: dt.date, part: dict[str, str], now: dt.datetime) -> tuple[int, list[tuple[str, str]]]:
    """The business day's debits of what the loans of a part (`loans.due_ranges`) owe on `day`, where the debit plan says so.

    Once per loan and day, and none while another payment is open, which the database decides. Returns how many were ordered, and number
    and reason of the loans set aside: no card to debit, or not to be worked out.
    """
    plan = debit_plan(legal_entity_id, day)
    owing = loans_read.due_loans(legal_entity_id, day, part)
    planned = {loan.loan_id: loan for loan in owing if plan.debits_on((day - loan.due_date).days)}
    cards = customers.debit_agreements({loan.borrower_ref for loan in planned.values()})
    blocked = {ref: card.detail for ref, card in cards.items() if isinstance(card, CarloanError)}
    set_aside = [(loan.number, blocked[loan.borrower_ref]) for loan in planned.values() if loan.borrower_ref in blocked]
    payable = [loan.loan_id for loan in planned.values() if loan.borrower_ref not in blocked]
    loans.hold_loans(payable)  # a payment that is booked meanwhile counts before the amount is read
    dues, unclear = loans_read.dues_of(payable, day)
    set_aside += [(planned[loan_id].number, reason) for loan_id, reason in unclear.items()]
    rows = [
        order_row(due.loan_id, due.borrower_ref, card, amount=due.total, due_date=due.due_date)
        for due in dues
        if due.due_date is not None
        and plan.debits_on((day - due.due_date).days)
        and isinstance(card := cards[due.borrower_ref], DebitAgreement)
    ]
    same = {"legal_entity_id": legal_entity_id, "purpose": "due", "origin": "batch", "mode": "", "business_date": day}
    return len(create_orders(rows, same=same, now=now)), set_aside


def order_row(loan_id: UUID, customer_id: UUID, card: DebitAgreement, *, amount: Decimal, due_date: dt.date | None) -> dict[str, Any]:
    """What is an order's own; `due_date` is that of the oldest unpaid instalment."""
    return {
        "id": new_id(),
        "loan_ref": loan_id,
        "customer_ref": customer_id,
        "card_ref": card.card_id,
        "card_masked": card.masked_number,
        "agreement_no": card.agreement_no,
        "amount": amount,
        "due_date": due_date,
    }


def create_orders(rows: Sequence[dict[str, Any]], *, same: dict[str, Any], now: dt.datetime) -> set[UUID]:
    """The orders with their numbers and news; returns the ids of those written, for a loan has one open order and one debit a day."""
    numbers = next_numbers("R", clock.local_date(now), len(rows))
    created: set[UUID] = insert_rows(
        RepaymentOrder, [{**row, "order_no": number} for row, number in zip(rows, numbers, strict=True)], same={**_SAME, **same}
    )
    publish_many([RepaymentOrdered(order_id=row["id"]) for row in rows if row["id"] in created])
    return created
