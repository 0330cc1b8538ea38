from __future__ import annotations

import pytest
from rest_framework.test import APIClient

from apps.organisations.tests.factories import LegalEntityFactory
from apps.products.tests.factories import VehicleModelFactory, install_rules, shipped_products

pytestmark = pytest.mark.django_db
CALCULATOR = "/api/v1/calculator"
LOAN = {"principal": "120000.00", "annual_rate": "10.8", "installments": 36}


@pytest.fixture
def api():
    return APIClient()


@pytest.fixture
def lender():
    return LegalEntityFactory()


def test_everybody_finds_cars_by_typing(api):
    VehicleModelFactory(trim="长续航版")
    answer = api.get("/api/v1/vehicles", {"search": "远岚 e5"})
    assert answer.status_code == 200
    assert answer.json()[0]["name"] == "远岚 E5 2026款 长续航版"
    assert answer.json()[0]["guide_price"] == "152800.00"
    assert api.get("/api/v1/vehicles", {"search": "没有的车"}).json() == []
    refused = api.get("/api/v1/vehicles", {"limit": "1000"})
    assert (refused.status_code, refused["content-type"]) == (422, "application/problem+json")


def test_everybody_sees_the_products_on_sale(api, lender, settings):
    shipped_products(lender)
    products = api.get("/api/v1/products", {"lender": lender.code}).json()
    assert [product["code"] for product in products] == ["cash", "lease_back", "lease_direct"]
    option = next(o for o in products[1]["options"] if o["code"] == "H24")
    assert (option["annual_rate_from"], option["annual_rate_to"], option["fee_rate"]) == ("8.40", "14.00", "1.50")
    assert api.get("/api/v1/products", {"lender": "NONE"}).status_code == 404


def test_one_lender_needs_no_name_and_two_do(api, lender):
    assert api.get("/api/v1/products").status_code == 200
    LegalEntityFactory()
    assert api.get("/api/v1/products").status_code == 404


def test_everybody_may_calculate(api, lender):
    install_rules()
    quote = api.post(CALCULATOR, LOAN, format="json").json()
    assert (quote["installment"], quote["last_installment"], quote["total_cost"]) == ("3917.29", "3917.30", "21022.45")
    assert (quote["apr_irr"], quote["effective_rate"]) == ("10.80", "11.35")
    assert len(quote["schedule"]) == 36
    fee = api.post(CALCULATOR, LOAN | {"annual_rate": "9.6", "installments": 24, "fee_upfront": "1800"}, format="json").json()
    assert (fee["installment"], fee["apr_irr"]) == ("5515.26", "11.11")
    balloon = api.post(CALCULATOR, LOAN | {"annual_rate": "11.4", "method": "balloon", "balloon": "36000"}, format="json").json()
    assert balloon["installment"] == "3107.99"


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"annual_rate": "24.5"}, "rate_above_cap", None),
        ({"principal": "-1"}, "quote_refused", "principal"),
        ({"principal": "many"}, "bad_input", "principal"),
        ({"installments": 0}, "bad_input", "installments"),
        ({"installments": 5000}, "bad_input", "installments"),
        ({"method": "magic"}, "bad_input", "method"),
        ({"fee_upfront": "130000"}, "quote_refused", "fee_upfront"),
        ({"first_due": "2020-01-01"}, "quote_refused", "first_due"),
    ],
)
def test_what_cannot_be_calculated_is_a_problem_with_its_field(api, lender, changes, code, field):
    install_rules()
    answer = api.post(CALCULATOR, LOAN | changes, format="json")
    assert (answer.status_code, answer["content-type"]) == (422, "application/problem+json")
    problem = answer.json()
    assert problem["code"] == code
    if field:
        assert list(problem["errors"]) == [field]
    else:
        assert problem["facts"] == {"apr_irr": "24.50", "cap": "24.00"}
