"""The app's payments over HTTP: own loans only, once per key, two at a time give one."""

from __future__ import annotations

import threading
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from rest_framework.test import APIClient

from apps.common import clock, outbox
from apps.disbursement import services
from apps.disbursement.models import RepaymentOrder
from apps.disbursement.tests.factories import LoanInTests, a_loan
from apps.loans import selectors as loans
from apps.organisations.models import BusinessDay, User

pytestmark = pytest.mark.django_db


def on_its_due_day(loan: LoanInTests) -> LoanInTests:
    BusinessDay.objects.filter(legal_entity=loan.entity).delete()
    BusinessDay.objects.create(legal_entity=loan.entity, date=loan.first_due, opened_at=clock.beijing(loan.first_due))
    clock.move_to(clock.beijing(loan.first_due, 12))
    return loan


def app_of(loan: LoanInTests) -> APIClient:
    user, _created = User.objects.get_or_create(
        username=f"c-{loan.customer.id}",
        defaults={
            "kind": "customer",
            "roles": ["customer"],
            "legal_entity": loan.entity,
            "scope_kind": "customer",
            "scope_ref": loan.customer.id,
        },
    )
    client = APIClient()
    client.force_authenticate(user)
    return client


def pay(client: APIClient, loan: LoanInTests, key: str = "k1", **body: Any) -> Any:
    return client.post(
        f"/api/v1/me/loans/{loan.id}/repayments", {"purpose": "due", **body}, format="json", headers={"Idempotency-Key": key}
    )


@pytest.fixture
def loan() -> LoanInTests:
    return on_its_due_day(a_loan())


def test_a_payment_is_ordered_and_followed(loan, sandbox):
    app = app_of(loan)
    answer = pay(app, loan)
    assert answer.status_code == 202
    assert answer.json()["state"] == "created"
    assert answer.json()["amount"] == str(loans.amount_due(loan.id, loan.first_due).total)
    outbox.dispatch()
    sandbox.deliver_callbacks()
    found = app.get(f"/api/v1/me/repayments/{answer.json()['id']}")
    assert (found.status_code, found.json()["state"]) == (200, "succeeded")
    listed = app.get(f"/api/v1/me/loans/{loan.id}/repayments").json()["results"]
    assert [row["order_no"] for row in listed] == [found.json()["order_no"]]


def test_the_same_key_answers_the_same_and_pays_once(loan, sandbox):
    app = app_of(loan)
    first, again = pay(app, loan), pay(app, loan)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert first.json() == again.json()
    assert RepaymentOrder.objects.count() == 1
    assert pay(app, loan, purpose="early_settlement").status_code == 422


def test_a_key_is_asked_for(loan):
    answer = app_of(loan).post(f"/api/v1/me/loans/{loan.id}/repayments", {"purpose": "due"}, format="json")
    assert (answer.status_code, answer.json()["code"]) == (400, "idempotency_key_missing")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"purpose": "gift"}, 422, "bad_input"),
        ({"purpose": "prepayment"}, 422, "bad_input"),
        ({"purpose": "prepayment", "amount": "1.00", "mode": "reduce"}, 422, "wrong_amount"),
        ({"purpose": "due", "amount": "-1"}, 422, "bad_input"),
        ({"purpose": "due", "amount": "99999.00"}, 422, "wrong_amount"),
        ({"purpose": "early_settlement", "amount": "1.00"}, 422, "wrong_amount"),
    ],
)
def test_what_cannot_be_is_refused_in_words(loan, body, status, code):
    answer = pay(app_of(loan), loan, **body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert not RepaymentOrder.objects.exists()


def test_a_second_payment_under_another_key_waits(loan, sandbox):
    app = app_of(loan)
    pay(app, loan)
    answer = pay(app, loan, key="k2")
    assert (answer.status_code, answer.json()["code"]) == (409, "payment_under_way")


def test_a_stranger_sees_and_pays_nothing(loan, sandbox):
    order = services.pay_now(loan_id=loan.id, purpose="due", actor=loan.customer_actor, now=clock.now())
    stranger = app_of(a_loan(loan.entity))
    assert pay(stranger, loan).status_code == 404
    assert stranger.get(f"/api/v1/me/repayments/{order.id}").status_code == 404
    assert stranger.get(f"/api/v1/me/loans/{loan.id}/repayments").json()["results"] == []
    assert APIClient().get(f"/api/v1/me/repayments/{order.id}").status_code == 401


@pytest.mark.django_db(transaction=True)
def test_two_parallel_attempts_to_pay_one_instalment_give_one_payment(sandbox):
    loan = on_its_due_day(a_loan())
    barrier, statuses = threading.Barrier(2), []

    def attempt(key: str) -> None:
        try:
            app = app_of(loan)
            barrier.wait()
            statuses.append(pay(app, loan, key=key).status_code)
        finally:
            connection.close()

    app_of(loan)  # the user is there before the race
    threads = [threading.Thread(target=attempt, args=(key,)) for key in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [202, 409]
    order = RepaymentOrder.objects.get()
    outbox.dispatch()
    sandbox.deliver_callbacks()
    assert loans.payments_of(loan.entity.id) == {order.reference: order.amount}
    assert order.amount > Decimal(0)
