"""The life of one loan on the business day: paid out, debited, late once, prepaid, settled early, and every 分 agrees on all sides."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from apps.common import clock, outbox
from apps.disbursement import services as disbursement
from apps.disbursement.models import RepaymentOrder
from apps.disbursement.tests.factories import DAY, NOON, SYSTEM, staff
from apps.disbursement.tests.orders import AMOUNT, SignedOrder, a_signed_order
from apps.ledger import audit
from apps.ledger import selectors as ledger
from apps.loans import selectors as loans
from apps.messaging.models import Message
from apps.organisations import end_of_day
from apps.organisations.selectors import business_date
from apps.postloan import selectors
from apps.postloan.models import CollectionCase
from apps.reconciliation import services as reconciliation

pytestmark = pytest.mark.django_db


class Life:
    """A running loan with the hands that move it on."""

    def __init__(self, order: SignedOrder, sandbox) -> None:
        self.order, self.sandbox = order, sandbox
        self.loan_id = order.payment().loan_ref

    def reach(self, day: dt.date) -> None:
        """Morning of a day: the days before it are closed, its debits sent and answered."""
        clock.move_to(clock.beijing(day, 9, 30))
        end_of_day.run(entity_id=self.order.entity.id, to=day - dt.timedelta(days=1), actor=SYSTEM)
        self.settle_news()

    def settle_news(self) -> None:
        outbox.dispatch()
        while self.sandbox.deliver_callbacks():
            outbox.dispatch()

    def pay(self, purpose: str, **facts) -> RepaymentOrder:
        order = disbursement.pay_now(
            loan_id=self.loan_id, purpose=purpose, actor=staff(self.order.entity, "disbursement.pay"), now=clock.now(), **facts
        )
        self.settle_news()
        return RepaymentOrder.objects.get(id=order.id)

    def row(self, number: int):
        standing = loans.standing_of(loans.loan_of(self.loan_id), business_date(self.order.entity.id))
        return next(row for row in standing.schedule if row.no == number)

    def failing(self) -> list[str]:
        return [f"{check.name}: {check.first_offender} {check.figures}" for check in audit.run(self.order.entity.id) if not check.ok]


def test_one_loan_from_the_transfer_to_the_certificate(sandbox):
    clock.move_to(NOON)
    order = a_signed_order()
    disbursement.review_disbursement(
        disbursement_id=order.disbursement.id, outcome="approve", reason="", actor=staff(order.entity, "disbursement.review"), now=NOON
    )
    outbox.dispatch()
    sandbox.deliver_callbacks()
    life = Life(order, sandbox)
    life.settle_news()
    assert life.failing() == []

    life.reach(life.row(1).due_date)
    assert life.row(1).status == "paid"

    due = life.row(2).due_date
    sandbox.add_fault("bank", "debit", "insufficient_funds", times=2)
    life.reach(due)
    assert life.row(2).status == "due"
    life.reach(due + dt.timedelta(days=2))
    brief = loans.loan_brief(life.loan_id)
    assert (brief.state, brief.dpd) == ("overdue", 2)
    assert Message.objects.filter(template_code="overdue_reminder").count() == 1
    assert CollectionCase.objects.get().state == "open"
    late = life.pay("due")
    assert late.amount > life.row(2).principal + life.row(2).interest
    assert life.row(2).penalty > 0
    assert CollectionCase.objects.get().outcome == "cured"
    assert life.failing() == []

    life.reach(due + dt.timedelta(days=10))
    before = life.row(4).total
    assert life.pay("prepayment", amount=Decimal("20000.00"), mode="reduce").booked_as == "prepayment"
    assert life.row(4).total < before

    life.reach(due + dt.timedelta(days=12))
    assert life.pay("early_settlement").booked_as == "early_settlement"
    assert loans.loan_brief(life.loan_id).state == "settled"
    assert selectors.certificate_of(life.loan_id).document_ref is not None
    assert selectors.release_of(life.loan_id).state == "pending"
    assert life.failing() == []

    days = {DAY} | set(RepaymentOrder.objects.filter(state="succeeded").values_list("business_date", flat=True))
    outcomes = [reconciliation.reconcile(legal_entity_id=order.entity.id, day=day, actor=SYSTEM, now=clock.now()) for day in sorted(days)]
    assert [outcome.state for outcome in outcomes] == ["balanced"] * len(days)
    assert ledger.balance("1012", order.entity.id) == 0
    paid = sum(RepaymentOrder.objects.filter(state="succeeded").values_list("amount", flat=True), start=Decimal(0))
    assert ledger.balance("1002", order.entity.id) == Decimal("1000000.00") - AMOUNT + paid
    assert loans.settlement_facts(life.loan_id).paid_total == paid
    assert life.failing() == []
