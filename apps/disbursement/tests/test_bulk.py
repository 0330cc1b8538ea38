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
from apps.disbursement.models import BankNotice, RepaymentOrder, RepaymentOrderEvent
from apps.disbursement.services import repayments
from apps.disbursement.services.notices import BankResult
from apps.disbursement.tests.factories import LoanInTests, a_customer, a_lender, a_loan
from apps.disbursement.tests.test_repayments import reach
from apps.loans import selectors as loans
from apps.loans.models import Loan

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


class TestResultsOfAFile:
    @pytest.fixture
    def group(self) -> list[LoanInTests]:
        group = some_loans(4)
        statements(group, group[0].first_due)
        for order in RepaymentOrder.objects.all():
            repayments._prepare(order.id, clock.now())
        return group

    def orders(self, group: list[LoanInTests]) -> list[RepaymentOrder]:
        rows = {row.loan_ref: row for row in RepaymentOrder.objects.all()}
        return [rows[loan.id] for loan in group]

    def test_each_ends_as_it_would_by_itself(self, group):
        paid, failed, other, again = self.orders(group)
        told = [
            BankResult(paid.order_no, "succeeded", paid.amount, "B1"),
            BankResult(failed.order_no, "failed", None, "B2", "insufficient_funds"),
            BankResult(other.order_no, "succeeded", other.amount - 1, "B3"),
            BankResult(again.order_no, "failed", None, "B4", "card_closed"),
            BankResult(again.order_no, "failed", None, "B4", "card_closed"),
            BankResult("R404", "failed", None),
        ]
        assert services.record_debit_results(results=told, now=clock.now()) == [
            *("apply", "apply", "wrong_amount", "apply", "duplicate", "unknown_order")
        ]
        paid, failed, other, again = self.orders(group)
        assert (paid.state, paid.booked_as, paid.bank_ref, paid.finished_at is None) == ("succeeded", "repayment", "B1", False)
        assert (failed.state, failed.reason) == ("failed", "insufficient_funds")
        assert failed.next_debit_date == group[1].first_due + dt.timedelta(days=1)
        assert (other.state, again.state) == ("unknown", "failed")
        assert loans.payments_of(group[0].entity.id) == {paid.reference: paid.amount}
        assert list(BankNotice.objects.order_by("id").values_list("order_no", "verdict")) == [
            *((row.order_no, "apply") for row in (paid, failed, again)),
            *((other.order_no, "wrong_amount"), (again.order_no, "duplicate"), ("R404", "unknown_order")),
        ]
        names = OutboxDelivery.objects.values_list("message__name", flat=True)
        assert "loans.RepaymentRecorded" in names

    def test_the_same_file_again_changes_nothing(self, group):
        told = [BankResult(order.order_no, "succeeded", order.amount, "B") for order in self.orders(group)]
        assert services.record_debit_results(results=told, now=clock.now()) == ["apply"] * 4
        assert services.record_debit_results(results=told, now=clock.now()) == ["duplicate"] * 4
        assert len(loans.payments_of(group[0].entity.id)) == 4

    def test_failures_take_as_many_statements_for_many_as_for_few(self, group):
        def taken(orders: list[RepaymentOrder]) -> int:
            told = [BankResult(order.order_no, "failed", None, "B", "insufficient_funds") for order in orders]
            with CaptureQueriesContext(connection) as asked:
                assert services.record_debit_results(results=told, now=clock.now()) == ["apply"] * len(orders)
            return len(asked)

        one, *others = self.orders(group)
        assert taken([one]) == taken(others)

    def test_a_loan_that_cannot_be_worked_out_leaves_its_order_open_and_the_others_booked(self, group):
        Loan.objects.filter(id=group[0].id).update(terms={**Loan.objects.get(id=group[0].id).terms, "installments": 0})
        told = [BankResult(order.order_no, "succeeded", order.amount, "B") for order in self.orders(group)]
        assert services.record_debit_results(results=told, now=clock.now()) == ["not_recorded", *["apply"] * 3]
        assert [order.state for order in self.orders(group)] == ["processing", *["succeeded"] * 3]
