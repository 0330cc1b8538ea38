"""Payments of exactly what falls due, on its day: what a replay of each loan would write, set-based, for one loan or for thousands.

Only plain loans (see `LoanRun`) with nothing else unpaid, no credit and nothing recorded on the day are taken, and never their last
instalment; whatever else comes goes through the replay. Rules: docs/rules/business-day.md; tests prove both ways equal.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from django.db import connection

from apps.common.actors import Actor
from apps.common.bulk import any_of
from apps.common.models import new_id
from apps.loans.models import Loan, LoanBalance, LoanTransaction
from apps.loans.services.booking import book_entries, entries_of
from apps.loans.services.projection import policy_on
from apps.loans.services.targets import Key
from apps.organisations.services import hold_business_days

_LOAN_FIELDS: Final = ("id", "number", "legal_entity_id", "borrower_ref", "application_ref", "state", "is_lease")
_PAY: Final = "SELECT paid_id, event, component, party_ref, amount FROM loans_pay_on_time(%s, %s, %s, %s, %s, %s)"


@dataclass(frozen=True, slots=True)
class Payment:
    """Money that came in on a loan. `source` as in `record_repayment`."""

    loan_id: UUID
    amount: Decimal
    value_date: dt.date
    source: str
    reference: str


def pay_on_time(payments: Sequence[Payment], *, actor: Actor, now: dt.datetime) -> list[LoanTransaction]:
    """Record those of `payments` that are exact and on time; the others are left for the replay. Their loans stay locked."""
    asked: dict[UUID, Payment] = {}
    for payment in payments:
        asked.setdefault(payment.loan_id, payment)
    locked = Loan.objects.select_for_update().within(actor.data_scope).filter(any_of("id", asked.keys())).order_by("id")
    by_entity: dict[UUID, list[Loan]] = {}
    for loan in locked.only(*_LOAN_FIELDS):
        by_entity.setdefault(loan.legal_entity_id, []).append(loan)
    recorded: list[LoanTransaction] = []
    for entity_id, loans in sorted(by_entity.items()):
        today, closing = hold_business_days(entity_id)
        wanted = [_row(loan, asked[loan.id], actor, now) for loan in loans if asked[loan.id].value_date == today]
        if wanted and closing is None:  # while a day is closed, each loan is looked at by itself
            recorded += _pay(entity_id, today, wanted, actor, now)
    return recorded


def _row(loan: Loan, payment: Payment, actor: Actor, now: dt.datetime) -> LoanTransaction:
    return LoanTransaction(
        id=new_id(),
        created_at=now,
        loan=loan,
        kind=LoanTransaction.Kind.REPAYMENT,
        value_date=payment.value_date,
        business_date=payment.value_date,
        amount=payment.amount,
        source=LoanTransaction.Source(payment.source),
        reference=payment.reference,
        actor=str(actor)[:80],
    )


def _pay(entity_id: UUID, today: dt.date, wanted: Sequence[LoanTransaction], actor: Actor, now: dt.datetime) -> list[LoanTransaction]:
    moves: dict[UUID, dict[Key, Decimal]] = {}
    with connection.cursor() as cursor:
        cursor.execute(_PAY, _facts(entity_id, today, wanted, now))
        for paid_id, event, component, party_ref, amount in cursor.fetchall():
            moves.setdefault(paid_id, {})[event, component, party_ref] = amount
    paid = [row for row in wanted if row.id in moves]
    _post(entity_id, paid, moves, actor, now)
    return paid


def _facts(entity_id: UUID, today: dt.date, wanted: Sequence[LoanTransaction], now: dt.datetime) -> list[Any]:
    policy = policy_on(entity_id, today)
    payments = [
        {"id": row.id, "loan_id": row.loan_id, "amount": row.amount, "source": str(row.source), "reference": row.reference}
        for row in wanted
    ]
    rate = policy.provision_rates[LoanBalance.AssetClass.NORMAL]
    return [today, policy.thresholds.first, rate, json.dumps(payments, default=str), wanted[0].actor, now]


def _post(
    entity_id: UUID, paid: Sequence[LoanTransaction], moves: Mapping[UUID, Mapping[Key, Decimal]], actor: Actor, now: dt.datetime
) -> None:
    kind = str(LoanTransaction.Kind.REPAYMENT.label)
    entries = [
        entry
        for row in paid
        for entry in entries_of(
            row.loan, moves[row.id], day=row.business_date, reference=str(row.id), narrative=f"{row.loan.number} {kind}"
        )
    ]
    book_entries(entity_id, entries, actor, now)
