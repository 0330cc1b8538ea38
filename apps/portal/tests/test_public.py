"""Pages without log-in: verification, calculator, the customer's way into the app; and signing in."""

from __future__ import annotations

import re

import pytest
from django.test import Client
from django.urls import reverse

from apps.common.models import new_id
from apps.organisations.models import LegalEntity
from apps.organisations.tests.factories import LegalEntityFactory
from apps.organisations.tests.support import code_now, sign_in
from apps.portal import order_page
from apps.portal.tests.factories import NOON
from apps.portal.tests.support import VERIFY, check, verdict

pytestmark = pytest.mark.django_db


def test_what_is_no_signed_paper_is_not_valid(visitor):
    assert verdict(check(visitor, b"%PDF-1.7 nothing")) == "false"
    missing = check(visitor, None)
    assert (missing.status_code, verdict(missing)) == (422, "")
    assert "Choose a PDF file of at most 20 MB." in missing.content.decode()
    assert 'id="unknown"' in visitor.get(VERIFY, {"number": "HT-NONE"}).content.decode()
    assert 'id="unknown"' not in visitor.get(VERIFY).content.decode()


def test_a_file_that_is_too_large_is_not_read(visitor, settings):
    settings.UPLOAD_MAX_BYTES = 10
    assert check(visitor, b"%PDF-1.7 nothing").status_code == 422


def test_the_calculator_tells_payment_and_full_cost(floor, visitor):
    asked = {"principal": "120000", "annual_rate": "10.8", "installments": "36", "method": "equal_installment"}
    text = visitor.get("/calculator/", asked).content.decode()
    assert all(figure in text for figure in ("3,917.29", "10.80%", "21,022.45", "141,022.45"))
    part = visitor.get("/calculator/", asked, headers={"HX-Request": "true"}).content.decode()
    assert "<html" not in part
    wrong = visitor.get("/calculator/", asked | {"annual_rate": "101"}, headers={"HX-Request": "true"})
    assert wrong.status_code == 422
    assert 'id="id_annual_rate_error"' in wrong.content.decode()


@pytest.mark.parametrize(("kind", "rate", "cap"), [("licensed", "30", "24"), ("unlicensed", "20", "12")])
def test_the_calculator_refuses_what_is_above_the_lenders_cap_of_the_day(floor, visitor, kind, rate, cap):
    LegalEntity.objects.filter(id=floor.shop.entity.id).update(lender_type=kind)
    asked = {"principal": "120000", "annual_rate": rate, "installments": "36", "method": "equal_installment"}
    refused = visitor.get("/calculator/", asked)
    assert refused.status_code == 422
    assert re.search(rf"{rate}\.00 %, above the cap of {cap}\.?0* %", refused.content.decode())
    assert 'id="h-quote"' not in refused.content.decode()


def test_the_calculator_asks_for_the_lender_where_there_are_several(floor, visitor):
    other = LegalEntityFactory()
    asked = {"principal": "120000", "annual_rate": "10.8", "installments": "36", "method": "equal_installment"}
    assert visitor.get("/calculator/", asked).status_code == 422
    assert 'name="lender"' in visitor.get("/calculator/").content.decode()
    assert "3,917.29" in visitor.get("/calculator/", asked | {"lender": str(floor.shop.entity.id)}).content.decode()
    assert str(other.id) in visitor.get("/calculator/").content.decode()


def test_the_code_for_the_customers_phone_says_nothing_of_the_order(floor, seller, visitor, settings):
    settings.PUBLIC_URL = "https://car.example"
    order = floor.order("offered")
    page = order_page.build(order_page.glance(floor.seller, order.id), now=NOON)
    assert page.handover_url == f"https://car.example/app/orders/{order.id}/"
    text = visitor.get(reverse("portal:app_order", args=[order.id])).content.decode()
    assert f"carloan://orders/{order.id}" in text
    assert order.number not in text
    other = visitor.get(reverse("portal:app_order", args=[new_id()]))
    assert other.status_code == 200  # nobody learns which orders exist
    assert "carloan://register" in visitor.get(reverse("portal:app")).content.decode()


def test_no_page_asks_another_host_or_breaks_the_policy(visitor):
    for path in ("/login/", "/calculator/", VERIFY, "/app/", "/nowhere/"):
        response = visitor.get(path)
        text = response.content.decode()
        assert re.findall(r"""(?:src|href|action)=["']?(?:https?:)?//""", text) == []
        assert re.findall(r"<[^>]+\s(?:style|on\w+)=|<script(?![^>]+src)", text) == []
        assert "default-src 'self'" in response.headers["Content-Security-Policy"]


def test_unknown_addresses_get_a_kind_page(visitor):
    response = visitor.get("/nowhere/")
    assert response.status_code == 404
    assert "There is no such page." in response.content.decode()


def test_the_portal_can_be_installed(visitor):
    manifest = visitor.get("/manifest.webmanifest").json()
    assert (manifest["display"], manifest["start_url"]) == ("standalone", "/orders/")


def test_each_is_led_to_the_own_pages(floor, client, browser_of):
    assert client.get("/").url == "/login/"
    assert browser_of(floor.seller).get("/").url == "/orders/"


def test_signing_in_leads_back_to_the_wanted_page_of_ours_only(floor, visitor):
    user = floor.seller
    sign_in(Client(), user)  # makes the device
    form = {"username": user.username, "password": "wrong", "otp_token": "000000", "next": "/orders/new/"}
    refused = visitor.post("/login/", form)
    assert refused.status_code == 422
    assert "is not right" in refused.content.decode()
    form |= {"password": "correct horse battery", "otp_token": code_now()}
    assert visitor.post("/login/", form).url == "/orders/new/"
    assert visitor.post("/logout/").url == "/login/"
    form |= {"otp_token": code_now(steps_ahead=1), "next": "https://evil.example/"}
    assert visitor.post("/login/", form).url == "/orders/"
