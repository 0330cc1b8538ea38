"""The business day's debits for many loans at once: as many statements for fifty loans as for five, the same rule for each."""

from __future__ import annotations

import datetime as dt

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.common import clock
from apps.common.models import OutboxDelivery
from apps.customers.models import BankCard
from apps.disbursement import eod, services
from apps.disbursement.models import RepaymentOrder, RepaymentOrderEvent
from apps.disbursement.tests.factories import LoanInTests, a_customer, a_lender, a_loan
from apps.disbursement.tests.test_repayments import reach
from apps.loans import selectors as loans

pytestmark = pytest.mark.django_db


def some_loans(count: int) -> list[LoanInTests]:
    lender = a_lender()
    return [a_loan(lender) for _ in range(count)]


def statements(group: list[LoanInTests], day: dt.date) -> int:
    """How many statements the debits of these loans take; each loan gets one."""
    reach(group[0], day)
    with CaptureQueriesContext(
        connection,
    ) as asked:
        result = eod.order_debits(entity_id=group[0].entity.id, day=day, partition={}, now=clock.beijing(day, 1))
    assert (result.done, result.set_aside) == (len(group), [])
    return len(asked)


def test_many_loans_take_as_many_statements_as_few():
    few, many = some_loans(3), some_loans(12)
    assert statements(few, few[0].first_due) == statements(many, many[0].first_due)


def test_each_order_is_what_its_loan_owes_and_has_its_news_and_its_audit():
    group = some_loans(3)
    statements(group, group[0].first_due)
    orders = {order.loan_ref: order for order in RepaymentOrder.objects.all()}
    assert {loan.id: orders[loan.id].amount for loan in group} == {
        loan.id: loans.amount_due(loan.id, loan.first_due).total for loan in group
    }
    assert len({order.order_no for order in orders.values()}) == 3
    told = OutboxDelivery.objects.filter(message__name="disbursement.RepaymentOrdered").order_by("id")
    assert {row.message.payload["order_id"] for row in told} == {str(order.id) for order in orders.values()}
    assert sorted(RepaymentOrderEvent.objects.filter(pgh_label="insert").values_list("id", flat=True)) == sorted(
        order.id for order in orders.values()
    )


def test_an_open_payment_a_missing_card_and_a_missing_name_leave_the_others_alone():
    lender = a_lender()
    paying, bare, nameless, good = a_loan(lender), a_loan(lender, customer=a_customer(lender, card=False)), a_loan(lender), a_loan(lender)
    now = reach(good, good.first_due)
    services.pay_now(loan_id=paying.id, purpose="due", actor=paying.customer_actor, now=now)
    type(nameless.customer).objects.filter(id=nameless.customer.id).update(name="")
    result = eod.order_debits(entity_id=lender.id, day=good.first_due, partition={}, now=now)
    assert result.done == 1
    assert dict(result.set_aside) == {
        loans.loan_brief(bare.id).number: "The customer has no bank card with a debit agreement. Ask the customer to bind one.",
        loans.loan_brief(nameless.id).number: "The customer has not proved an ID number yet.",
    }
    assert set(RepaymentOrder.objects.values_list("loan_ref", "origin")) == {(paying.id, "customer"), (good.id, "batch")}


def test_the_debit_goes_to_the_default_card():
    (loan,) = some_loans(1)
    statements([loan], loan.first_due)
    assert RepaymentOrder.objects.get().card_ref == BankCard.objects.get(customer=loan.customer, is_default=True).id
