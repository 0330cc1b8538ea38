"""Payments in: ordered by the business day (`debiting`), by customers or by staff; one open order per loan, booked once.

An order is written down before the bank hears of it. `send_debit` runs outside any transaction; whoever finds an order that was noted
as sent asks the bank first.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

import structlog
from django.db import transaction
from django.utils.translation import gettext_lazy as _

from apps.common.actors import Actor
from apps.common.errors import BadInput, CarloanError, Conflict, NotFound
from apps.common.gateways import GatewayRefused, GatewayUnknown
from apps.common.money import ZERO
from apps.common.outbox import publish
from apps.customers import selectors as customers
from apps.disbursement.domain import result_verdict
from apps.disbursement.events import RepaymentFailed, RepaymentSucceeded
from apps.disbursement.gateways import BankAnswer, bank
from apps.disbursement.models import RepaymentOrder
from apps.disbursement.services.debiting import create_orders, order_row
from apps.disbursement.services.notices import BankResult, note
from apps.disbursement.services.records import debit_plan
from apps.disbursement.services.unresolved import AMOUNT_DIFFERS, CONTRADICTED, IN_SUSPENSE, call_off, call_person
from apps.ledger import services as ledger
from apps.ledger.domain import Posting
from apps.loans import selectors as loans_read
from apps.loans import services as loans
from apps.organisations import selectors as organisations

log = structlog.get_logger(__name__)
_State = RepaymentOrder.State
_Purpose = RepaymentOrder.Purpose
_Origin = RepaymentOrder.Origin
ACTOR = Actor.system("disbursement.debits")
KIND = "debit"
SUSPENSE = "suspense"
OPEN_STATES = (_State.CREATED, _State.PROCESSING, _State.UNKNOWN)


class NoSuchLoan(NotFound):
    """There is no such loan in the actor's view."""

    code = "no_such_loan"
    title = _("There is no such loan.")


class NothingDue(Conflict):
    """The loan owes nothing today."""

    code = "nothing_due"
    title = _("Nothing is due today.")


class PaymentUnderWay(Conflict):
    """Another payment for this loan has not ended."""

    code = "payment_under_way"
    title = _("A payment for this loan is under way. Please wait for its result.")


class WrongAmount(BadInput):
    """The amount does not suit the purpose."""

    code = "wrong_amount"
    title = _("This amount cannot be paid this way.")


@dataclass(frozen=True)
class _Wish:
    """What is to be paid for which purpose; `due_date` is that of the oldest unpaid instalment."""

    purpose: str
    amount: Decimal
    mode: str
    due_date: dt.date | None


@transaction.atomic
def pay_now(
    *,
    loan_id: UUID,
    purpose: str,
    actor: Actor,
    now: dt.datetime,
    amount: Decimal | None = None,
    mode: str = "",
) -> RepaymentOrder:
    """Order a payment on a loan from the customer's default card: `due`, `prepayment` (`mode` reduce or shorten) or `early_settlement`.

    `amount` in yuan: for `due` what is due unless less is given, for `prepayment` required, for `early_settlement` the payoff of today.
    The result comes later. Raises `NoSuchLoan`, `NothingDue`, `WrongAmount`, `PaymentUnderWay`, `customers.NoDebitCard`.
    """
    loan = _visible_loan(loan_id, actor)
    if actor.kind != "customer":
        actor.require("disbursement.pay")
    loans.hold_loan(loan_id)  # a payment that is booked meanwhile counts before the amount is read
    today = organisations.business_date(loan.legal_entity_id)
    wish = _wish(loan_id, purpose, amount, mode, today, now)
    card = customers.debit_agreements([loan.borrower_ref])[loan.borrower_ref]
    if isinstance(card, CarloanError):
        raise card
    origin = _Origin.CUSTOMER if actor.kind == "customer" else _Origin.STAFF
    row = order_row(loan_id, loan.borrower_ref, card, amount=wish.amount, due_date=wish.due_date)
    same = {"legal_entity_id": loan.legal_entity_id, "purpose": wish.purpose, "origin": origin, "mode": wish.mode, "business_date": today}
    created = create_orders([row], same=same, now=now)
    if not created:
        raise PaymentUnderWay
    return RepaymentOrder.objects.get(id__in=created)


def _visible_loan(loan_id: UUID, actor: Actor) -> loans_read.LoanBrief:
    try:
        brief = loans_read.loan_brief(loan_id)
    except loans_read.LoanUnknown:
        raise NoSuchLoan from None
    scope = actor.data_scope
    owner = {"customer": brief.borrower_ref, "entity": brief.legal_entity_id}.get(scope.kind)
    if scope.kind != "all" and (owner is None or owner != scope.owner_id):
        raise NoSuchLoan
    return brief


def _wish(loan_id: UUID, purpose: str, amount: Decimal | None, mode: str, today: dt.date, now: dt.datetime) -> _Wish:
    due = loans_read.amount_due(loan_id, today)
    if purpose == _Purpose.DUE:
        if due.total <= ZERO:
            raise NothingDue
        if amount is not None and not ZERO < amount <= due.total:
            raise WrongAmount(due=due.total)
        return _Wish(purpose, amount or due.total, "", due.oldest_due_date)
    if purpose == _Purpose.PREPAYMENT:
        if mode not in ("reduce", "shorten"):
            raise BadInput(fields={"mode": [str(_("Choose reduce or shorten."))]})
        payoff = loans.payoff_quote(loan_id=loan_id, on=today).total
        if amount is None or not due.total < amount < payoff:
            raise WrongAmount(due=due.total, payoff=payoff)
        try:
            loans.check_prepayment(loan_id=loan_id, amount=amount, mode=mode, value_date=today, actor=ACTOR, now=now)
        except (loans.AmountRefused, loans.TermsRefused) as refusal:
            raise WrongAmount(due=due.total, payoff=payoff) from refusal
        return _Wish(purpose, amount, mode, due.oldest_due_date)
    if purpose == _Purpose.EARLY_SETTLEMENT:
        payoff = loans.payoff_quote(loan_id=loan_id, on=today).total
        if payoff <= ZERO:
            raise NothingDue
        if amount is not None and amount != payoff:
            raise WrongAmount(payoff=payoff)
        return _Wish(purpose, payoff, "", due.oldest_due_date)
    raise BadInput(fields={"purpose": [str(_("Choose due, prepayment or early_settlement."))]})


def send_debit(*, order_id: UUID, now: dt.datetime) -> None:
    """Bring an order to the bank, or find out what became of one that was sent. Safe to repeat at any moment.

    Raises `GatewayUnavailable` when the bank cannot be reached: nothing has happened, the caller tries again later.
    """
    step, order = _prepare(order_id, now)
    if step == "nothing":
        return
    try:
        if step == "query":
            answer = bank().query_debit(order_no=order.order_no)
            if answer.outcome == "not_found":
                answer = _debit(order)
        else:
            answer = _debit(order)
    except GatewayRefused as refusal:
        if step == "query":  # it was sent before: a no to the question says nothing about the money
            _lose_sight(order_id, str(refusal), now, call=True)
            return
        answer = BankAnswer(order.order_no, "failed", reason=f"{refusal.code} {refusal.message}")
    except GatewayUnknown as lost:
        _lose_sight(order_id, str(lost), now)
        return
    if answer.outcome in ("succeeded", "failed"):
        _record(BankResult.of(answer), now, asked=True)


def _debit(order: RepaymentOrder) -> BankAnswer:
    card = customers.debit_card(order.customer_ref, card_id=order.card_ref)
    return bank().debit(
        order_no=order.order_no,
        amount=Decimal(order.amount),
        card_number=card.number,
        name=card.holder,
        agreement_no=order.agreement_no,
    )


@transaction.atomic
def _prepare(order_id: UUID, now: dt.datetime) -> tuple[str, RepaymentOrder]:
    order: RepaymentOrder = RepaymentOrder.objects.select_for_update().get(id=order_id)
    if order.state in (_State.PROCESSING, _State.UNKNOWN):
        return "query", order
    if order.state != _State.CREATED:
        return "nothing", order
    try:
        card = customers.debit_card(order.customer_ref)
    except CarloanError as gone:
        order.cancel()
        order.reason, order.finished_at = gone.detail[:300], now
        order.save()
        call_off(order, now=now)
        return "nothing", order
    order.card_ref, order.card_masked, order.agreement_no = card.id, card.masked_number, card.agreement_no
    order.process()
    order.sent_at = now
    order.save()
    return "send", order


@transaction.atomic
def _lose_sight(order_id: UUID, reason: str, now: dt.datetime, *, call: bool = False) -> None:
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
    return _record(BankResult(order_no, outcome, amount, bank_ref, reason), now, agreed=agreed)


@transaction.atomic
def _record(result: BankResult, now: dt.datetime, *, asked: bool = False, agreed: bool = False) -> str:
    order = RepaymentOrder.objects.select_for_update().filter(order_no=result.order_no).first()
    if order is None:
        note(kind=KIND, result=result, verdict="unknown_order", legal_entity_id=None, now=now)
        log.warning("debit_result_for_unknown_order", order_no=result.order_no)
        return "unknown_order"
    as_ordered = True
    if agreed and result.amount and order.state in (_State.PROCESSING, _State.UNKNOWN):
        as_ordered, order.amount = order.amount == result.amount, result.amount
    state = _State.SUCCEEDED if order.booked_as == SUSPENSE else order.state
    verdict = result_verdict(state=state, outcome=result.outcome, ordered=order.amount, reported=result.amount)
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


def _heed_misfit(order: RepaymentOrder, result: BankResult, verdict: str, now: dt.datetime, *, asked: bool) -> None:
    """A person looks. Money that came after the order had ended without any is held in suspense; another amount leaves all open."""
    if verdict == "wrong_amount" and order.state in (_State.PROCESSING, _State.UNKNOWN):
        _lose_sight(order.id, f"{AMOUNT_DIFFERS if asked else ''}the bank says {result.amount}", now, call=True)
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
    publish(RepaymentSucceeded(order_id=order.id, loan_id=order.loan_ref, customer_id=order.customer_ref, amount=order.amount))


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
    order.fail()
    order.reason = reason[:300]
    if order.due_date is not None and order.purpose == _Purpose.DUE:
        order.next_debit_date = debit_plan(order.legal_entity_id, order.business_date).next_debit(order.due_date, order.business_date)
    order.save()
    publish(
        RepaymentFailed(
            order_id=order.id,
            loan_id=order.loan_ref,
            customer_id=order.customer_ref,
            amount=order.amount,
            reason=order.reason,
            next_debit_date=order.next_debit_date,
        )
    )


@transaction.atomic
def cancel_order(*, order_id: UUID, reason: str, actor: Actor, now: dt.datetime) -> RepaymentOrder:
    """Take back an order that has not reached the bank. Raises a conflict once it has."""
    actor.require("disbursement.pay")
    if not reason.strip():
        raise BadInput(fields={"reason": [str(_("Please give a reason."))]})
    order = RepaymentOrder.objects.within(actor.data_scope).select_for_update().filter(id=order_id, state=_State.CREATED).first()
    if order is None:
        raise Conflict(_("This payment is on its way to the bank and cannot be taken back."))
    cancelled: RepaymentOrder = order
    cancelled.cancel()
    cancelled.reason, cancelled.finished_at = reason[:300], now
    cancelled.save()
    call_off(cancelled, now=now)
    return cancelled
