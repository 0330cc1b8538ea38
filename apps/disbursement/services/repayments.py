"""Payments in: ordered by the business day (`debiting`), by customers or by staff; one open order per loan, booked once.

An order is written down before the bank hears of it. `send_debit` runs outside any transaction; whoever finds an order that was noted
as sent asks the bank first.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from apps.common.actors import Actor
from apps.common.errors import BadInput, CarloanError, Conflict, NotFound
from apps.common.gateways import GatewayRefused, GatewayUnknown
from apps.common.money import ZERO
from apps.customers import selectors as customers
from apps.disbursement.gateways import BankAnswer, bank
from apps.disbursement.models import RepaymentOrder
from apps.disbursement.services.debiting import create_orders, order_row
from apps.disbursement.services.notices import BankResult
from apps.disbursement.services.results import ACTOR, lose_sight, record
from apps.disbursement.services.unresolved import call_off
from apps.loans import selectors as loans_read
from apps.loans import services as loans
from apps.organisations import selectors as organisations

_State = RepaymentOrder.State
_Purpose = RepaymentOrder.Purpose
_Origin = RepaymentOrder.Origin


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
            lose_sight(order_id, str(refusal), now, call=True)
            return
        answer = BankAnswer(order.order_no, "failed", reason=f"{refusal.code} {refusal.message}")
    except GatewayUnknown as lost:
        lose_sight(order_id, str(lost), now)
        return
    if answer.outcome in ("succeeded", "failed"):
        record(BankResult.of(answer), now, asked=True)


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
