"""Orders that do not end by themselves go before a person: no result for long, or a bank that contradicts itself."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from apps.common import clock
from apps.common.actors import Actor
from apps.common.errors import BadInput, Conflict
from apps.common.money import ZERO
from apps.disbursement.models import Disbursement, RepaymentOrder
from apps.flows import services as flows
from apps.loans import selectors as loans
from apps.organisations import selectors as organisations

ACTIVITY = "payment_unresolved"
CONTRADICTED = "payment_contradicted"
IN_SUSPENSE = "money_in_suspense"
CREDIT_LEFT = "credit_left"
AMOUNT_DIFFERS = "amount: "  # begins the reason of an order whose bank, asked again, stays with another amount: it is asked no more
DISBURSEMENT, REPAYMENT = "disbursement", "repayment_order"
_ACTOR = Actor.system("disbursement.unresolved")
_TIME_TO_ACT = dt.timedelta(minutes=30)
_TIME_TO_REFUND = dt.timedelta(days=1)
_LIMIT = 500


class NothingToEnd(Conflict):
    """Nobody has a task about the payment."""

    code = "nothing_to_end"
    title = _("There is no open question about this payment.")


def call_person(row: Disbursement | RepaymentOrder, *, now: dt.datetime, activity: str = ACTIVITY) -> None:
    """Open finance's task on an order; one is open per order and activity."""
    flows.open_task(
        subject_kind=_kind(row),
        subject_ref=row.id,
        activity=activity,
        permission="disbursement.pay",
        legal_entity_id=row.legal_entity_id,
        due_at=now + _TIME_TO_ACT,
        actor=_ACTOR,
        now=now,
    )


def call_off(row: Disbursement | RepaymentOrder, *, now: dt.datetime) -> None:
    """The order has ended: nobody needs to look any more."""
    flows.cancel_tasks(subject_kind=_kind(row), subject_ref=row.id, activity=ACTIVITY, actor=_ACTOR, now=now)


@transaction.atomic
def end_questions(*, order_id: UUID, reason: str, actor: Actor, now: dt.datetime) -> int:
    """Say what was done about a bank's contradiction, money in suspense or credit left on the loan: finance's tasks about it end.

    `order_id` is that of a payment out or in. Returns how many tasks ended. Raises `NothingToEnd`, and as `complete_task` does.
    """
    actor.require("disbursement.pay")
    if not reason.strip():
        raise BadInput(fields={"reason": [str(_("Please give a reason."))]})
    row: Disbursement | RepaymentOrder | None = Disbursement.objects.within(actor.data_scope).filter(id=order_id).first()
    row = row or RepaymentOrder.objects.within(actor.data_scope).filter(id=order_id).first()
    subjects = [] if row is None else [(_kind(row), row.id, CONTRADICTED), (_kind(row), row.id, IN_SUSPENSE)]
    if isinstance(row, RepaymentOrder):
        subjects.append(("loan", row.loan_ref, CREDIT_LEFT))
    ended = [
        flows.complete_subject_task(
            subject_kind=kind, subject_ref=ref, activity=activity, outcome="done", reason=reason.strip(), actor=actor, now=now
        )
        for kind, ref, activity in subjects
    ]
    if not any(ended):
        raise NothingToEnd
    return len([task for task in ended if task])


def heed_credit_left(*, loan_id: UUID, actor: Actor, now: dt.datetime) -> None:
    """A loan is settled: what the customer has paid too much is finance's task to give back."""
    loan = loans.loan_brief(loan_id)
    if loan.state == "settled" and loan.credit > ZERO:
        flows.open_task(
            subject_kind="loan",
            subject_ref=loan_id,
            activity=CREDIT_LEFT,
            permission="disbursement.pay",
            legal_entity_id=loan.legal_entity_id,
            due_at=now + _TIME_TO_REFUND,
            actor=actor,
            now=now,
        )


def call_off_credit_left(*, loan_id: UUID, actor: Actor, now: dt.datetime) -> None:
    """The loan runs again, and its credit pays what falls due."""
    flows.cancel_tasks(subject_kind="loan", subject_ref=loan_id, activity=CREDIT_LEFT, actor=actor, now=now)


def _kind(row: Disbursement | RepaymentOrder) -> str:
    return DISBURSEMENT if isinstance(row, Disbursement) else REPAYMENT


def call_people_to_transfers(*, now: dt.datetime) -> int:
    """A task for every payment out that should have ended `disbursement.unresolved_minutes` ago; returns how many there are."""
    sent = Disbursement.objects.filter(state__in=["submitted", "unknown"]).order_by("submitted_at")[:_LIMIT]
    waiting = Disbursement.objects.filter(state="routed", due_at__lt=now).order_by("due_at")[:_LIMIT]
    return _call_to([(row, row.submitted_at) for row in sent] + [(row, row.due_at) for row in waiting], now)


def call_people_to_debits(*, now: dt.datetime) -> int:
    """The same for payments in."""
    open_ones = RepaymentOrder.objects.filter(state__in=["created", "processing", "unknown"]).order_by("created_at")[:_LIMIT]
    return _call_to([(row, row.sent_at or row.created_at) for row in open_ones], now)


def _call_to(rows: Sequence[tuple[Disbursement | RepaymentOrder, dt.datetime | None]], now: dt.datetime) -> int:
    patience: dict[UUID, dt.timedelta] = {}
    called = 0
    for row, since in rows:
        if row.legal_entity_id not in patience:
            patience[row.legal_entity_id] = _patience(row.legal_entity_id, now)
        if since is not None and since <= now - patience[row.legal_entity_id]:
            call_person(row, now=now)
            called += 1
    return called


def _patience(legal_entity_id: UUID, now: dt.datetime) -> dt.timedelta:
    minutes = organisations.parameter("disbursement.unresolved_minutes", on=clock.local_date(now), legal_entity_id=legal_entity_id)
    return dt.timedelta(minutes=minutes)
