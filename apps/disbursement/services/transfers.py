"""The transfer itself: written down before it is sent, ended by what the bank says, never sent twice.

`send_transfer` runs outside any transaction: a short one notes the order number, then comes the call, then a short one notes the
result. Whoever finds an order that was noted before asks the bank first; only when the bank certainly has not got it, the same number
is sent again, which the bank treats as the same order.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from uuid import UUID

import structlog
from django.db import transaction

from apps.applications import services as applications
from apps.common.actors import Actor
from apps.common.gateways import GatewayRefused, GatewayUnknown
from apps.common.outbox import publish
from apps.disbursement.domain import result_verdict
from apps.disbursement.events import TransferFailed, TransferSucceeded
from apps.disbursement.gateways import BankAnswer, bank
from apps.disbursement.models import Disbursement, TransferOrder, Voucher
from apps.disbursement.services.checks import look_again
from apps.disbursement.services.loan_opening import open_loan_of
from apps.disbursement.services.notices import BankResult, note
from apps.disbursement.services.positions import PositionShort, QuotaUsedUp, pay, release, reserve
from apps.disbursement.services.records import lock_disbursement
from apps.disbursement.services.routing import opens_at
from apps.disbursement.services.unresolved import AMOUNT_DIFFERS, CONTRADICTED, call_off, call_person
from apps.disbursement.services.vouchers import honour_voucher

log = structlog.get_logger(__name__)
_State = Disbursement.State
ACTOR = Actor.system("disbursement.transfers")
KIND = "transfer"


def send_transfer(*, disbursement_id: UUID, now: dt.datetime) -> None:
    """Bring a routed payment to the bank, or find out what became of one that was sent. Safe to repeat at any moment.

    Raises `GatewayUnavailable` when the bank cannot be reached: nothing has happened, the caller tries again later.
    """
    step, disbursement = _prepare(disbursement_id, now)
    if step == "nothing":
        return
    try:
        if step == "query":
            answer = bank().query_transfer(order_no=str(disbursement.order_no))
            if answer.outcome == "not_found":
                answer = _transfer(disbursement)
        else:
            answer = _transfer(disbursement)
    except GatewayRefused as refusal:
        if step == "query":  # it was sent before: a no to the question says nothing about the money
            _lose_sight(disbursement_id, str(disbursement.order_no), str(refusal), now, call=True)
            return
        answer = BankAnswer(str(disbursement.order_no), "failed", reason=f"{refusal.code} {refusal.message}")
    except GatewayUnknown as lost:
        _lose_sight(disbursement_id, str(disbursement.order_no), str(lost), now)
        return
    if answer.outcome in ("succeeded", "failed"):
        _record(BankResult.of(answer), now, asked=True)


def _transfer(disbursement: Disbursement) -> BankAnswer:
    return bank().transfer(
        order_no=str(disbursement.order_no),
        amount=Decimal(disbursement.amount),
        payee_name=disbursement.payee_name,
        payee_account=disbursement.payee_account,
        payee_bank=disbursement.payee_bank,
        remark=disbursement.application_number,
    )


@transaction.atomic
def _prepare(disbursement_id: UUID, now: dt.datetime) -> tuple[str, Disbursement]:
    """What to do about a payment: `send` (its order number is noted now), `query`, or `nothing`."""
    disbursement = lock_disbursement(disbursement_id, ACTOR)
    if disbursement.state in (_State.SUBMITTED, _State.UNKNOWN):
        return "query", disbursement
    if disbursement.state != _State.ROUTED:
        return "nothing", disbursement
    disbursement.due_at = opens_at(disbursement, now=now)
    if disbursement.due_at > now:
        disbursement.save(update_fields=["due_at"])
        return "nothing", disbursement
    failed = [] if disbursement.is_approved() else ["approved"]
    failed += look_again(disbursement, now=now)
    if failed:
        _fail(disbursement, "checks: " + ", ".join(failed), now)
        return "nothing", disbursement
    order_no = f"{disbursement.number}-{disbursement.attempt + 1:02d}"
    try:
        reserve(account_id=_account_id(disbursement), amount=disbursement.amount, reference=order_no, actor=ACTOR)
    except QuotaUsedUp:
        _fail(disbursement, "day quota used up", now)
        return "nothing", disbursement
    except PositionShort:
        _fail(disbursement, "position short", now)
        return "nothing", disbursement
    disbursement.attempt += 1
    disbursement.order_no = order_no
    TransferOrder.objects.create(
        order_no=order_no,
        disbursement=disbursement,
        legal_entity_id=disbursement.legal_entity_id,
        account_id=_account_id(disbursement),
        amount=disbursement.amount,
        sent_at=now,
    )
    disbursement.submit()
    disbursement.submitted_at = now
    disbursement.save()
    return "send", disbursement


def _account_id(disbursement: Disbursement) -> UUID:
    """The chosen funding account: there from the routing on."""
    assert disbursement.account_id is not None
    return disbursement.account_id


@transaction.atomic
def _lose_sight(disbursement_id: UUID, order_no: str, reason: str, now: dt.datetime, *, call: bool = False) -> None:
    """Nobody knows whether the money moved; with `call`, asking again will not help either and a person has to."""
    disbursement = lock_disbursement(disbursement_id, ACTOR)
    if disbursement.state not in (_State.SUBMITTED, _State.UNKNOWN) or disbursement.order_no != order_no:
        return
    if disbursement.state == _State.SUBMITTED:
        disbursement.lose_sight()
    disbursement.reason = reason[:300]
    disbursement.save()
    if call:
        call_person(disbursement, now=now)


def record_transfer_result(*, order_no: str, outcome: str, amount: Decimal | None, bank_ref: str, reason: str, now: dt.datetime) -> str:
    """Apply what the bank tells of a transfer, once: `outcome` is `succeeded`, `failed` or `processing`, `amount` yuan as moved.

    Returns the verdict, which is kept with the notice: `apply`, or one of `duplicate`, `wrong_amount`, `contradiction`,
    `unknown_order` and `progress`, which change nothing and stay visible.
    """
    return _record(BankResult(order_no, outcome, amount, bank_ref, reason), now)


@transaction.atomic
def _record(result: BankResult, now: dt.datetime, *, asked: bool = False) -> str:
    order = TransferOrder.objects.filter(order_no=result.order_no).first()
    if order is None:
        note(kind=KIND, result=result, verdict="unknown_order", legal_entity_id=None, now=now)
        log.warning("transfer_result_for_unknown_order", order_no=result.order_no)
        return "unknown_order"
    disbursement = lock_disbursement(order.disbursement_id, ACTOR)
    current = disbursement.order_no == order.order_no
    state = disbursement.state if current else "failed"
    verdict = result_verdict(state=state, outcome=result.outcome, ordered=order.amount, reported=result.amount)
    note(kind=KIND, result=result, verdict=verdict, legal_entity_id=order.legal_entity_id, now=now)
    if verdict in ("wrong_amount", "contradiction"):
        log.error("transfer_result_not_applied", order_no=order.order_no, verdict=verdict)
        if verdict == "wrong_amount" and state in (_State.SUBMITTED, _State.UNKNOWN):
            reason = f"{AMOUNT_DIFFERS if asked else ''}the bank says {result.amount}"
            _lose_sight(disbursement.id, order.order_no, reason, now, call=True)
        else:
            call_person(disbursement, now=now, activity=CONTRADICTED)
    if verdict != "apply":
        return verdict
    call_off(disbursement, now=now)
    disbursement.bank_ref = result.bank_ref[:64]
    if result.outcome == "succeeded":
        _succeed(disbursement, now)
    else:
        release(account_id=_account_id(disbursement), amount=disbursement.amount, reference=str(disbursement.order_no), actor=ACTOR)
        _fail(disbursement, result.reason, now)
    return verdict


def _succeed(disbursement: Disbursement, now: dt.datetime) -> None:
    """The payee has the money: position, loan and voucher in one transaction."""
    disbursement.succeed()
    disbursement.finished_at, disbursement.reason = now, ""
    disbursement.loan_ref = open_loan_of(disbursement, actor=ACTOR, now=now)
    disbursement.save()
    pay(account_id=_account_id(disbursement), amount=disbursement.amount, reference=str(disbursement.order_no), actor=ACTOR)
    honour_voucher(disbursement=disbursement, actor=ACTOR, now=now)
    if disbursement.payee_kind == Disbursement.PayeeKind.CUSTOMER:
        applications.mark_completed(application_id=disbursement.application_ref, actor=ACTOR, now=now)
    publish(
        TransferSucceeded(
            disbursement_id=disbursement.id,
            application_id=disbursement.application_ref,
            customer_id=disbursement.customer_ref,
            loan_id=disbursement.loan_ref,
            amount=disbursement.amount,
        )
    )


def _fail(disbursement: Disbursement, reason: str, now: dt.datetime) -> None:
    disbursement.fail()
    disbursement.reason, disbursement.finished_at = reason[:300], now
    disbursement.save()
    picked_up = Voucher.objects.filter(disbursement=disbursement, state=Voucher.State.USED).exists()
    publish(
        TransferFailed(
            disbursement_id=disbursement.id,
            application_id=disbursement.application_ref,
            reason=disbursement.reason,
            picked_up=picked_up,
        )
    )
