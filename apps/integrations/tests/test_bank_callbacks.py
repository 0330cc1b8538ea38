"""One debit and everything a bank can do wrong with its result; the money is booked once, or not at all."""

from __future__ import annotations

import pytest

from apps.common import clock, outbox
from apps.common.models import GatewayCall
from apps.disbursement import eod
from apps.disbursement import services as disbursement
from apps.disbursement.models import RepaymentOrder
from apps.disbursement.tests.factories import a_loan
from apps.loans import selectors as loans
from apps.organisations.models import BusinessDay

pytestmark = pytest.mark.django_db


@pytest.fixture
def loan(sandbox):
    loan = a_loan()
    BusinessDay.objects.filter(legal_entity=loan.entity).delete()
    BusinessDay.objects.create(legal_entity=loan.entity, date=loan.first_due, opened_at=clock.beijing(loan.first_due))
    clock.move_to(clock.beijing(loan.first_due, 12))
    return loan


def send(loan) -> RepaymentOrder:
    eod.order_debits(entity_id=loan.entity.id, day=loan.first_due, partition={}, now=clock.now())
    outbox.dispatch()
    return order_of(loan)


def order_of(loan) -> RepaymentOrder:
    return RepaymentOrder.objects.get(loan_ref=loan.id)


def outcomes() -> list[str]:
    return list(GatewayCall.objects.filter(gateway="bank", direction="in").order_by("id").values_list("outcome", flat=True))


def booked(loan) -> int:
    return len(loans.payments_of(loan.entity.id))


@pytest.mark.parametrize(
    ("fault", "statuses", "heard"),
    [
        ("duplicate", [200, 200], ["applied", "duplicate"]),
        ("out_of_order", [200, 200], ["applied", "progress"]),
    ],
)
def test_repeated_and_late_results_book_once(loan, sandbox, fault, statuses, heard):
    sandbox.add_fault("bank", "debit", fault)
    send(loan)
    assert sandbox.deliver_callbacks() == statuses
    assert outcomes() == heard
    assert (order_of(loan).state, booked(loan)) == ("succeeded", 1)


def test_a_wrong_amount_is_refused_and_visible_until_a_query_tells_the_truth(loan, sandbox):
    sandbox.add_fault("bank", "debit", "wrong_amount")
    order = send(loan)
    assert sandbox.deliver_callbacks() == [422]
    assert outcomes() == ["wrong_amount"]
    assert (order_of(loan).state, booked(loan)) == ("unknown", 0)
    disbursement.send_debit(order_id=order.id, now=clock.now())
    assert (order_of(loan).state, booked(loan)) == ("succeeded", 1)


def test_a_lost_callback_is_made_good_by_a_query(loan, sandbox):
    sandbox.add_fault("bank", "debit", "lost_callback")
    order = send(loan)
    assert sandbox.deliver_callbacks() == []
    assert (order_of(loan).state, booked(loan)) == ("processing", 0)
    disbursement.send_debit(order_id=order.id, now=clock.now())
    assert (order_of(loan).state, booked(loan)) == ("succeeded", 1)


def test_a_contradicting_result_changes_nothing(loan, sandbox):
    send(loan)
    (told,) = sandbox.take_callbacks()
    contrary = told.payload | {"status": "failed", "reason": "insufficient_funds"}
    assert [sandbox.post_callback("bank", payload) for payload in (told.payload, contrary)] == [200, 422]
    assert outcomes() == ["applied", "contradiction"]
    assert (order_of(loan).state, booked(loan)) == ("succeeded", 1)


def test_a_result_for_the_other_kind_of_order_finds_none(loan, sandbox):
    send(loan)
    (told,) = sandbox.take_callbacks()
    assert sandbox.post_callback("bank", told.payload | {"operation": "transfer"}) == 404
    assert booked(loan) == 0
