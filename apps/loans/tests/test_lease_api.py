"""Vehicle leases over the API, on the loan page, and on the customer's statement."""

from __future__ import annotations

import json
from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import call_command
from rest_framework.test import APIClient

from apps.common import clock
from apps.common.clock import beijing
from apps.loans import selectors, services
from apps.loans.selectors.lease import tax_rows
from apps.loans.tests.factories import START, SYSTEM, a_lender, a_loan
from apps.loans.tests.test_lease import TERMS, a_lease, do
from apps.organisations.tests.factories import UserFactory

pytestmark = pytest.mark.django_db
D = Decimal


@pytest.fixture
def entity():
    clock.move_to(beijing(START, 10))
    return a_lender()


def client_of(entity, *roles):
    client = APIClient()
    client.force_authenticate(UserFactory(legal_entity=entity, roles=list(roles or ("finance",))))
    return client


def test_a_loan_becomes_a_lease_and_its_car_gets_its_number(entity):
    loan, client = a_loan(entity, TERMS, is_lease=True), client_of(entity)
    at = f"/api/v1/loans/{loan.id}/lease"
    assert client.get(at).json()["code"] == "lease_unknown"
    agreed = {"kind": "direct", "vehicle_name": "汉 EV", "deposit": "8000.00", "offsets_deposit": True, "purchase_price": "100.00"}
    for _ in range(2):
        answer = client.post(at, agreed, format="json")
        assert answer.status_code == 200, answer.json()
    assert client.post(at, agreed | {"deposit": "9000.00"}, format="json").json()["code"] == "lease_stands"
    assert client.post(at, {"kind": "direct", "deposit": "-1"}, format="json").status_code == 422
    told = client.post(f"{at}/car", {"vehicle": "LSVAA4182E2184847", "on": str(START)}, format="json").json()
    assert (told["vehicle"], told["title"], told["is_mortgaged"], told["deposit_held"]) == ("LSVAA4182E2184847", "lessor", False, "0.00")
    assert told["is_finance_lease"] is True


def test_a_stranger_sees_no_lease(entity):
    loan = a_lease(entity)
    assert client_of(a_lender()).get(f"/api/v1/loans/{loan.id}/lease").status_code == 404
    assert client_of(entity, "collector").get(f"/api/v1/loans/{loan.id}/lease").status_code == 403


def test_output_tax_of_the_instalments_adds_up(entity):
    loan = a_lease(entity)
    rows = tax_rows(selectors.state_on(loan.id, START), D("0.13"))
    assert [(row.interest, row.net, row.tax) for row in rows] == [
        (D("1200.00"), D("1061.95"), D("138.05")),
        (D("800.00"), D("707.96"), D("92.04")),
        (D("400.00"), D("353.98"), D("46.02")),
    ]
    assert sum(row.tax for row in rows) == D("276.11")


def test_the_statement_shows_the_deposit(entity):
    loan = a_lease(entity, deposit=D("10000.00"))
    do(loan, "lease_deposit", amount="10000.00", means="cash")
    out = StringIO()
    call_command("statement", "--loan", loan.number, "--format", "json", stdout=out)
    moves = [{"date": "2025-01-10", "event": "deposit_received", "amount": "10000.00"}]
    assert json.loads(out.getvalue())["deposit"] == {"opening": "0.00", "moves": moves, "closing": "10000.00"}
    told = client_of(entity).get(f"/api/v1/loans/{loan.id}/lease").json()
    assert told["deposit_moves"] == [{"on": "2025-01-10", "event": "deposit_received", "amount": "10000.00", "held": "10000.00"}]


def test_a_lease_gives_back_its_terms_only_once_it_is_one(entity):
    loan = a_loan(entity)
    assert selectors.lease_view(loan, START) is None
    services.agree_lease(loan_id=loan.id, terms=services.LeaseTerms(kind="leaseback"), actor=SYSTEM, now=beijing(START, 11))
    view = selectors.lease_view(loan, START)
    assert view is not None
    assert view.is_customers
