"""Counter operations over the API: what there is, previews, proposals, and batches whose items are answered one by one."""

from __future__ import annotations

import datetime as dt

import pytest
from rest_framework.test import APIClient

from apps.common import clock
from apps.common.clock import beijing
from apps.common.models import ChangeRequest
from apps.loans.models import LoanTransaction
from apps.loans.services import OPERATIONS
from apps.loans.tests.factories import a_lender, a_loan, pay
from apps.organisations.tests.factories import UserFactory

pytestmark = pytest.mark.django_db
TODAY = dt.date(2025, 4, 30)
WAIVER = {"operation": "waiver", "data": {"value_date": "2025-04-30", "penalty": "20.31"}}


@pytest.fixture
def late():
    """The loan of the worked examples on 2025-04-30, its third instalment ten days late."""
    clock.move_to(beijing(TODAY, 10))
    loan = a_loan(a_lender(first_day=TODAY))
    pay(loan, "5596.86", dt.date(2025, 2, 20))
    pay(loan, "5596.86", dt.date(2025, 3, 20))
    return loan


def client_of(entity, role="finance"):
    client = APIClient()
    client.force_authenticate(UserFactory(legal_entity=entity, roles=[role]))
    return client


def test_every_operation_is_listed_with_its_fields(late):
    listed = client_of(late.legal_entity).get("/api/v1/loan-operations").json()
    assert {operation["name"] for operation in listed} == set(OPERATIONS)
    assert all(operation["fields_asked"][0]["name"] == "value_date" for operation in listed)


def test_a_preview_writes_nothing(late):
    answer = client_of(late.legal_entity).post(f"/api/v1/loans/{late.id}/operations/preview", WAIVER, format="json")
    assert answer.status_code == 200
    assert answer.json()["before"]["outstanding"]["penalty"] == "20.31"
    assert answer.json()["after"]["outstanding"]["penalty"] == "0.00"
    assert not LoanTransaction.objects.filter(kind="waiver").exists()
    assert not ChangeRequest.objects.exists()


def test_a_proposal_is_made_once(late):
    client, page = client_of(late.legal_entity), f"/api/v1/loans/{late.id}/operations"
    asked = {**WAIVER, "reason": "goodwill", "reference": "crm-1"}
    first = client.post(page, asked, format="json", HTTP_IDEMPOTENCY_KEY="k-1")
    assert (first.status_code, first.json()["state"], first.json()["amount"]) == (201, "proposed", "20.31")
    again = client.post(page, asked, format="json", HTTP_IDEMPOTENCY_KEY="k-2")
    assert again.json()["id"] == first.json()["id"]
    assert ChangeRequest.objects.count() == 1


def test_a_batch_answers_each_by_itself(late):
    client = client_of(late.legal_entity)
    items = [
        {**WAIVER, "loan": late.number, "reason": "r", "reference": "b-1"},
        {**WAIVER, "loan": "LN7", "reason": "r", "reference": "b-2"},
        {"operation": "refund", "data": {"value_date": "2025-04-30", "amount": "5.00", "means": "cash"}, "loan": late.number,
         "reason": "r", "reference": "b-3"},
        {"operation": "waiver", "data": {"value_date": "2025-04-30", "penalty": "-1"}, "loan": late.number, "reason": "r",
         "reference": "b-4"},
    ]  # fmt: skip
    answer = client.post("/api/v1/loan-operations/batch", {"items": items}, format="json", HTTP_IDEMPOTENCY_KEY="b").json()
    assert (answer["proposed"], answer["refused"]) == (1, 3)
    assert [(item["error"] or {}).get("code") for item in answer["items"]] == [None, "loan_unknown", "loan_amount_refused", "bad_input"]
    again = client.post("/api/v1/loan-operations/batch", {"items": items}, format="json", HTTP_IDEMPOTENCY_KEY="c").json()
    assert again["items"][0]["proposal"]["id"] == answer["items"][0]["proposal"]["id"]
    assert ChangeRequest.objects.count() == 1


def test_who_may_not_is_refused(late):
    for role in ("collector", "auditor"):
        assert client_of(late.legal_entity, role).get("/api/v1/loan-operations").status_code == 403
    stranger = client_of(a_lender(first_day=TODAY))
    assert stranger.post(f"/api/v1/loans/{late.id}/operations/preview", WAIVER, format="json").status_code == 404
