"""A customer's own loans over the API; the statement command."""

from __future__ import annotations

import datetime as dt
import io
import json
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command
from rest_framework.test import APIClient

from apps.common import clock
from apps.common.clock import beijing
from apps.loans.tests.factories import a_lender, a_loan, close_through, pay
from apps.organisations.models import User

pytestmark = pytest.mark.django_db
TODAY = dt.date(2025, 2, 20)


@pytest.fixture
def story():
    entity = a_lender()
    customer = uuid4()
    loan = a_loan(entity, borrower_ref=customer)
    close_through(entity, TODAY - dt.timedelta(days=1))
    clock.move_to(beijing(TODAY, 12))
    return loan, customer


def _client(customer, kind=User.Kind.CUSTOMER):
    whose = {"scope_kind": "customer", "scope_ref": customer} if kind == User.Kind.CUSTOMER else {}
    user = User.objects.create(username=uuid4().hex, kind=kind, password="!", **whose)
    client = APIClient()
    client.force_authenticate(user)
    return client


def test_a_customer_sees_the_loan_with_schedule_due_and_payoff(story):
    loan, customer = story
    client = _client(customer)
    listed = client.get("/api/v1/me/loans").json()["results"]
    assert [(row["number"], row["state"], row["due_total"]) for row in listed] == [(loan.number, "active", "5596.86")]
    answer = client.get(f"/api/v1/me/loans/{loan.id}").json()
    assert (len(answer["schedule"]), answer["annual_rate"], answer["due"]["total"]) == (24, "0.108000", "5596.86")
    assert answer["due"]["components"]["interest"] == "1455.78"
    assert answer["payoff"]["total"] == "121455.78"
    assert answer["schedule"][0] == {
        "no": 1, "due_date": "2025-02-20", "principal": "4141.08", "interest": "1455.78", "fee": "0.00", "penalty": "0.00",
        "total": "5596.86", "paid": "0.00", "left": "5596.86", "status": "due",
    }  # fmt: skip


def test_a_payoff_for_a_later_day(story):
    loan, customer = story
    client = _client(customer)
    assert client.get(f"/api/v1/me/loans/{loan.id}/payoff").json()["on"] == "2025-02-20"
    later = client.get(f"/api/v1/me/loans/{loan.id}/payoff?on=2025-02-21").json()
    # One day more: interest on what is not yet due, penalty on the instalment that is late by then.
    assert (later["interest"], later["due"]["penalty"]) == ("34.28", "1.84")
    for day in ("2025-02-19", "2025-12-31", "someday"):
        refused = client.get(f"/api/v1/me/loans/{loan.id}/payoff?on={day}")
        assert (refused.status_code, "on" in refused.json()["errors"]) == (422, True)


def test_after_midnight_the_business_day_is_quoted_until_the_next_one_opens(story):
    loan, customer = story
    client = _client(customer)
    before = client.get(f"/api/v1/me/loans/{loan.id}").json()
    clock.move_to(beijing(TODAY + dt.timedelta(days=1)))
    after = client.get(f"/api/v1/me/loans/{loan.id}").json()
    assert (after["due"], after["payoff"]) == (before["due"], before["payoff"])
    assert client.get(f"/api/v1/me/loans/{loan.id}/payoff").json()["on"] == "2025-02-20"


def test_somebody_else_s_loan_is_not_found(story):
    loan, _customer = story
    client = _client(uuid4())
    assert client.get("/api/v1/me/loans").json()["results"] == []
    assert client.get(f"/api/v1/me/loans/{loan.id}").status_code == 404
    assert client.get(f"/api/v1/me/loans/{loan.id}/payoff").status_code == 404
    assert _client(uuid4(), User.Kind.STAFF).get("/api/v1/me/loans").status_code == 403


def test_a_settled_loan_has_no_payoff(story):
    from apps.loans import services
    from apps.loans.tests.factories import SYSTEM

    loan, customer = story
    quote = services.payoff_quote(loan_id=loan.id, on=TODAY)
    services.settle_early(loan_id=loan.id, value_date=TODAY, amount=quote.total, reference="s", actor=SYSTEM, now=beijing(TODAY, 12))
    client = _client(customer)
    answer = client.get(f"/api/v1/me/loans/{loan.id}").json()
    assert (answer["state"], answer["due"], answer["payoff"]) == ("settled", None, None)
    assert {row["status"] for row in answer["schedule"]} == {"paid"}
    assert client.get(f"/api/v1/me/loans/{loan.id}/payoff").status_code == 409


def test_the_statement_tells_where_the_money_went(story):
    loan, _customer = story
    pay(loan, "5596.86", TODAY)
    out = io.StringIO()
    call_command("statement", loan=loan.number, format="json", stdout=out, stderr=io.StringIO())
    answer = json.loads(out.getvalue())
    assert answer["principal_outstanding"] == "115858.92"
    assert [(line["kind"], line["amount"], line["allocated"]) for line in answer["transactions"]] == [
        ("disbursement", "120000.00", {"principal": "120000.00"}),
        ("repayment", "5596.86", {"interest": "1455.78", "principal": "4141.08"}),
    ]
    call_command("statement", loan=loan.number, stdout=out, stderr=io.StringIO())
    with pytest.raises(CommandError) as refusal:
        call_command("statement", loan="LN0", stdout=out, stderr=io.StringIO())
    assert refusal.value.returncode == 2
