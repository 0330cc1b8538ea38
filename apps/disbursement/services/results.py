"""What the bank tells of debits, one by one or a file at once: each applied once, its money booked in the same transaction."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from uuid import UUID

import structlog
from django.db import transaction
from django.db.models import TextField

from apps.common.actors import Actor
from apps.common.bulk import any_of, update_rows
from apps.common.errors import CarloanError
from apps.common.outbox import publish, publish_many
from apps.disbursement.domain import DebitPlan, result_verdict
from apps.disbursement.events import RepaymentFailed, RepaymentSucceeded
from apps.disbursement.models import RepaymentOrder
from apps.disbursement.services.notices import BankResult, note, note_all
from apps.disbursement.services.records import debit_plan
from apps.disbursement.services.unresolved import (
    ACTIVITY,
    AMOUNT_DIFFERS,
    CONTRADICTED,
    IN_SUSPENSE,
    REPAYMENT,
    call_off,
    call_person,
)
from apps.flows import selectors as flows
from apps.ledger import services as ledger
from apps.ledger.domain import Posting
from apps.loans import services as loans
from apps.organisations import selectors as organisations

log = structlog.get_logger(__name__)
_State = RepaymentOrder.State
_Purpose = RepaymentOrder.Purpose
ACTOR = Actor.system("disbursement.debits")
KIND = "debit"
SUSPENSE = "suspense"
NOT_RECORDED = "not_recorded"
_UNCLEAR = (CarloanError, ValueError, ArithmeticError)
_RESULTS_PER_PART = 1000
_ENDS = ("id", "state", "bank_ref", "finished_at", "reason", "booked_as", "next_debit_date")


@transaction.atomic
def lose_sight(order_id: UUID, reason: str, now: dt.datetime, *, call: bool = False) -> None:
    """Nobody knows whether the money moved; with `call`, asking again will not help either and a person has to."""
    order: RepaymentOrder = RepaymentOrder.objects.select_for_update().get(id=order_id)
    if order.state not in (_State.PROCESSING, _State.UNKNOWN):
        return
    if order.state == _State.PROCESSING:
        order.lose_sight()
    order.reason = reason[:300]
    order.save()
    if call:
        call_person(order, now=now)


def record_debit_result(
    *, order_no: str, outcome: str, amount: Decimal | None, bank_ref: str, reason: str, now: dt.datetime, agreed: bool = False
) -> str:
    """Apply what the bank tells of a debit, once: `outcome` is `succeeded`, `failed` or `processing`, `amount` yuan as moved.

    Returns the verdict, which is kept with the notice: `apply`, or one of `duplicate`, `wrong_amount`, `contradiction`,
    `unknown_order` and `progress`, which book nothing on the loan and stay visible; for `wrong_amount` and `contradiction` a person is
    called. What two people have `agreed` on counts with whatever amount came, as a repayment.
    """
    return record(BankResult(order_no, outcome, amount, bank_ref, reason), now, agreed=agreed)


@transaction.atomic
def record(result: BankResult, now: dt.datetime, *, asked: bool = False, agreed: bool = False) -> str:
    order = RepaymentOrder.objects.select_for_update().filter(order_no=result.order_no).first()
    if order is None:
        note(kind=KIND, result=result, verdict="unknown_order", legal_entity_id=None, now=now)
        log.warning("debit_result_for_unknown_order", order_no=result.order_no)
        return "unknown_order"
    as_ordered = True
    if agreed and result.amount and order.state in (_State.PROCESSING, _State.UNKNOWN):
        as_ordered, order.amount = order.amount == result.amount, result.amount
    verdict = _verdict(order, result)
    note(kind=KIND, result=result, verdict=verdict, legal_entity_id=order.legal_entity_id, now=now)
    if verdict in ("wrong_amount", "contradiction"):
        log.error("debit_result_not_applied", order_no=order.order_no, verdict=verdict)
        _heed_misfit(order, result, verdict, now, asked=asked)
    if verdict == "apply":
        call_off(order, now=now)
        order.bank_ref, order.finished_at = result.bank_ref[:64], now
        if result.outcome == "succeeded":
            _succeed(order, now, as_ordered=as_ordered)
        else:
            _fail(order, result.reason)
    return verdict


def _verdict(order: RepaymentOrder, result: BankResult) -> str:
    state = _State.SUCCEEDED if order.booked_as == SUSPENSE else order.state
    return result_verdict(state=state, outcome=result.outcome, ordered=order.amount, reported=result.amount)


def _heed_misfit(order: RepaymentOrder, result: BankResult, verdict: str, now: dt.datetime, *, asked: bool) -> None:
    """A person looks. Money that came after the order had ended without any is held in suspense; another amount leaves all open."""
    if verdict == "wrong_amount" and order.state in (_State.PROCESSING, _State.UNKNOWN):
        lose_sight(order.id, f"{AMOUNT_DIFFERS if asked else ''}the bank says {result.amount}", now, call=True)
    elif verdict == "contradiction" and result.outcome == "succeeded" and order.state in (_State.FAILED, _State.CANCELLED):
        order.booked_as, order.bank_ref, order.finished_at = SUSPENSE, result.bank_ref[:64], now
        order.save(update_fields=["booked_as", "bank_ref", "finished_at"])
        _keep_in_suspense(order, now)
    else:
        call_person(order, now=now, activity=CONTRADICTED)


def _succeed(order: RepaymentOrder, now: dt.datetime, *, as_ordered: bool) -> None:
    """The money has come: booked on the loan on the order's business date, in the same transaction."""
    order.succeed()
    order.reason = ""
    order.booked_as = _book(order, now, as_ordered=as_ordered)
    order.save()
    publish(_succeeded(order))


def _succeeded(order: RepaymentOrder) -> RepaymentSucceeded:
    return RepaymentSucceeded(order_id=order.id, loan_id=order.loan_ref, customer_id=order.customer_ref, amount=order.amount)


def _book(order: RepaymentOrder, now: dt.datetime, *, as_ordered: bool) -> str:
    """As what the money was booked. A prepayment or settlement that the loan no longer allows is a repayment: money is never refused.

    So is an amount other than ordered.
    """
    common = {
        "loan_id": order.loan_ref,
        "amount": order.amount,
        "value_date": order.business_date,
        "reference": order.reference,
        "actor": ACTOR,
        "now": now,
    }
    try:
        with transaction.atomic():
            if as_ordered and order.purpose == _Purpose.PREPAYMENT:
                loans.prepay(mode=order.mode, **common)
                return order.purpose
            if as_ordered and order.purpose == _Purpose.EARLY_SETTLEMENT:
                loans.settle_early(**common)
                return order.purpose
    except CarloanError as refusal:
        log.warning("payment_booked_as_repayment", order_no=order.order_no, reason=refusal.detail)
    try:
        with transaction.atomic():
            loans.record_repayment(source="debit", **common)
            return "repayment"
    except loans.LoanNotRunning:
        _keep_in_suspense(order, now)
        return SUSPENSE


def _keep_in_suspense(order: RepaymentOrder, now: dt.datetime) -> None:
    """The loan or the order ended while the money was on its way: it waits in suspense, and finance has a task to refund it."""
    ledger.post(
        legal_entity_id=order.legal_entity_id,
        business_date=organisations.business_date(order.legal_entity_id),
        event="suspense_received",
        amounts=[Posting(component="money", amount=Decimal(order.amount))],
        reference=order.reference,
        narrative=order.order_no,
        actor=ACTOR,
        now=now,
    )
    call_person(order, now=now, activity=IN_SUSPENSE)
    log.error("payment_kept_in_suspense", order_no=order.order_no)


def _fail(order: RepaymentOrder, reason: str) -> None:
    _note_failure(order, reason, debit_plan(order.legal_entity_id, order.business_date))
    order.save()
    publish(_failed(order))


def _note_failure(order: RepaymentOrder, reason: str, plan: DebitPlan) -> None:
    order.fail()
    order.reason = reason[:300]
    if order.due_date is not None and order.purpose == _Purpose.DUE:
        order.next_debit_date = plan.next_debit(order.due_date, order.business_date)


def _failed(order: RepaymentOrder) -> RepaymentFailed:
    return RepaymentFailed(
        order_id=order.id,
        loan_id=order.loan_ref,
        customer_id=order.customer_ref,
        amount=order.amount,
        reason=order.reason,
        next_debit_date=order.next_debit_date,
    )


def record_debit_results(*, results: Sequence[BankResult], now: dt.datetime) -> list[str]:
    """`record_debit_result` for a bank's file of results; the verdicts, in its order. Safe to repeat: each part of it stands by itself.

    Most end a debit of what is due as it was ordered: those are written together, the others one by one after them. `not_recorded`: the
    loan cannot be worked out; the order stays open and goes before a person as any other without a result.
    """
    verdicts: list[str] = []
    for start in range(0, len(results), _RESULTS_PER_PART):
        verdicts += _record_part(results[start : start + _RESULTS_PER_PART], now)
    return verdicts


@transaction.atomic
def _record_part(results: Sequence[BankResult], now: dt.datetime) -> list[str]:
    numbers = {result.order_no for result in results}
    rows = RepaymentOrder.objects.select_for_update().filter(any_of("order_no", numbers, TextField())).order_by("id")
    orders = {row.order_no: row for row in rows if row.purpose == _Purpose.DUE and row.booked_as == ""}
    plain: dict[int, tuple[RepaymentOrder, BankResult]] = {}
    for place, result in enumerate(results):
        order = orders.pop(result.order_no, None)  # a second result for the order is looked at after the first has been written
        if order is not None and _verdict(order, result) == "apply":
            plain[place] = order, result
    ended = _end_together(list(plain.values()), now)
    verdicts = {place: "apply" if order.id in ended else NOT_RECORDED for place, (order, _result) in plain.items()}
    return [verdicts.get(place) or _record_apart(result, now) for place, result in enumerate(results)]


def _record_apart(result: BankResult, now: dt.datetime) -> str:
    try:
        return record(result, now)
    except _UNCLEAR as problem:
        log.warning("debit_result_not_recorded", order_no=result.order_no, problem=str(problem))
        return NOT_RECORDED


def _end_together(told: Sequence[tuple[RepaymentOrder, BankResult]], now: dt.datetime) -> set[UUID]:
    """Write the ends of debits of what is due, with the bank's words and our news; the ids of the orders that have ended."""
    booked = _book_all([order for order, result in told if result.outcome == "succeeded"], now)
    ended = [(order, result) for order, result in told if result.outcome != "succeeded" or order.id in booked]
    for_people = flows.open_subjects(REPAYMENT, [order.id for order, _result in ended], ACTIVITY)
    plans: dict[tuple[UUID, dt.date], DebitPlan] = {}
    news: list[RepaymentSucceeded | RepaymentFailed] = []
    for order, result in ended:
        if order.id in for_people:
            call_off(order, now=now)
        order.bank_ref, order.finished_at = result.bank_ref[:64], now
        if order.id in booked:
            order.succeed()
            order.reason, order.booked_as = "", booked[order.id]
            news.append(_succeeded(order))
            continue
        key = order.legal_entity_id, order.business_date
        plans[key] = plans.get(key) or debit_plan(*key)
        _note_failure(order, result.reason, plans[key])
        news.append(_failed(order))
    note_all([(result, order.legal_entity_id) for order, result in ended], kind=KIND, now=now)
    update_rows(RepaymentOrder, [{name: getattr(order, name) for name in _ENDS} for order, _result in ended], same={})
    publish_many(news)
    return {order.id for order, _result in ended}


def _book_all(orders: Sequence[RepaymentOrder], now: dt.datetime) -> dict[UUID, str]:
    """As what the money of each order was booked, by its id; without those whose loan cannot be worked out.

    What pays exactly what fell due today is booked together, the rest one by one.
    """
    payments = [loans.Payment(order.loan_ref, order.amount, order.business_date, "debit", order.reference) for order in orders]
    together = {brief.reference: brief for brief in loans.record_on_time(payments, actor=ACTOR, now=now)}
    booked: dict[UUID, str] = {}
    for order in orders:
        brief = together.get(order.reference)
        if brief is not None and brief.loan_id == order.loan_ref:
            booked[order.id] = "repayment"
            continue
        try:
            booked[order.id] = _book(order, now, as_ordered=True)
        except _UNCLEAR as problem:
            log.warning("debit_result_not_recorded", order_no=order.order_no, problem=str(problem))
    return booked
