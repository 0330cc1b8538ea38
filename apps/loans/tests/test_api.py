"""A customer's own loans over the API."""

from __future__ import annotations

import datetime as dt
from uuid import uuid4

import pytest
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


def test_a_customer_reads_the_statement_page_by_page(story):
    loan, customer = story
    client = _client(customer)
    pay(loan, "5600.00", TODAY)
    whole = client.get(f"/api/v1/me/loans/{loan.id}/statement").json()
    assert (whole["first"], whole["last"], whole["count"], whole["page"]) == ("2025-01-10", "2025-02-20", 2, 1)
    assert [line["kind"] for line in whole["lines"]] == ["disbursement", "repayment"]
    assert whole["lines"][1] == {
        "on": "2025-02-20", "kind": "repayment", "transaction_id": whole["lines"][1]["transaction_id"], "amount": "5600.00",
        "moved": {"fee": "0.00", "penalty": "0.00", "compound": "0.00", "interest": "-1455.78", "principal": "-4141.08"},
        "credit": "3.14", "principal_after": "115858.92", "credit_after": "3.14", "is_reversed": False,
    }  # fmt: skip
    # The close of the due day has one day of the next period's interest in it.
    assert (whole["closing"]["principal"], whole["closing"]["interest"], whole["closing_credit"]) == ("115858.92", "34.28", "3.14")
    second = client.get(f"/api/v1/me/loans/{loan.id}/statement?page=2&page_size=1").json()
    assert second == {**whole, "page": 2, "lines": whole["lines"][1:]}
    february = client.get(f"/api/v1/me/loans/{loan.id}/statement?first=2025-02-01&last=2025-02-28").json()
    assert (february["opening"]["interest"], february["count"]) == ("781.15", 1)


def test_a_statement_of_no_period_or_of_somebody_else_is_refused(story):
    loan, customer = story
    client = _client(customer)
    for query in ("first=2025-02-02&last=2025-02-01", "last=2025-01-09", "first=2025-02-29", "page=0", "page_size=201", "page=x"):
        assert client.get(f"/api/v1/me/loans/{loan.id}/statement?{query}").status_code == 422, query
    assert _client(uuid4()).get(f"/api/v1/me/loans/{loan.id}/statement").status_code == 404
