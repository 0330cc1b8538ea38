"""The customer's side of an order over HTTP."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from django.contrib import admin
from django.test import RequestFactory
from rest_framework.test import APIClient

from apps.applications.models import Application, ApplicationEvent, Offer
from apps.applications.tests.factories import Shop, person
from apps.customers.models import Customer
from apps.organisations.models import User
from apps.organisations.tests.factories import UserFactory

pytestmark = pytest.mark.django_db
THIN, FRAUD = 910, 920


def phone_of(customer: Customer) -> APIClient:
    client = APIClient()
    client.force_authenticate(User.objects.get(id=customer.user_id))
    return client


def test_offers_are_read_and_one_is_taken_once(sandbox: Any, shop: Shop) -> None:
    customer = person(shop.entity)
    application, phone = shop.decided(customer), phone_of(customer)
    listed = phone.get("/api/v1/me/applications").json()["results"]
    assert [(row["id"], row["state"]) for row in listed] == [(str(application.id), "offered")]
    offers = phone.get(f"/api/v1/me/applications/{application.id}/offers").json()
    best = offers[0]
    assert best["rank"] == 1
    assert best["cost_table"]["rows"]
    assert len(best["schedule"]) == best["installments"]
    assert best["reasons"]
    url, body = f"/api/v1/me/applications/{application.id}/accept", {"offer_id": best["id"]}
    assert phone.post(url, body, format="json").status_code == 400
    key = {"Idempotency-Key": "k1"}
    first = phone.post(url, body, format="json", headers=key)
    assert (first.status_code, first.json()["state"], first.json()["chosen_offer_id"]) == (200, "accepted", best["id"])
    second = phone.post(url, body, format="json", headers=key)
    assert (second.status_code, second.headers["Idempotency-Replayed"]) == (200, "true")
    other = phone.post(url, {"offer_id": offers[1]["id"]}, format="json", headers=key)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    detail = phone.get(f"/api/v1/me/applications/{application.id}").json()
    assert [step["to_state"] for step in detail["steps"]] == ["draft", "submitted", "screening", "offered", "accepted"]


def test_a_declined_customer_reads_why_in_plain_words(sandbox: Any, shop: Shop) -> None:
    customer = person(shop.entity, FRAUD)
    application = shop.decided(customer)
    detail = phone_of(customer).get(f"/api/v1/me/applications/{application.id}").json()
    assert detail["state"] == "declined"
    assert detail["reasons"]
    assert not any(code in text for text in detail["reasons"] for code in ("BU-", "AF-"))


def test_a_customer_withdraws(sandbox: Any, shop: Shop) -> None:
    customer = person(shop.entity, THIN)
    application = shop.decided(customer)
    url = f"/api/v1/me/applications/{application.id}/withdraw"
    assert phone_of(customer).post(url, {}, format="json").status_code == 422
    answer = phone_of(customer).post(url, {"reason": "another car"}, format="json")
    assert (answer.status_code, answer.json()["state"]) == (200, "withdrawn")


def test_others_see_and_do_nothing(sandbox: Any, shop: Shop) -> None:
    application = shop.decided(person(shop.entity))
    stranger = phone_of(person(shop.entity, 7))
    base = f"/api/v1/me/applications/{application.id}"
    assert stranger.get("/api/v1/me/applications").json()["results"] == []
    for url in (base, f"{base}/offers"):
        assert stranger.get(url).status_code == 404
    body = {"offer_id": str(uuid4())}
    assert stranger.post(f"{base}/accept", body, format="json", headers={"Idempotency-Key": "x"}).status_code == 404
    assert stranger.post(f"{base}/withdraw", {"reason": "x"}, format="json").status_code == 404
    staff = APIClient()
    staff.force_authenticate(shop.reviewer())
    assert staff.get(base).status_code == 403
    assert APIClient().get(base).status_code == 401
    assert Application.objects.get().state == "offered"


def test_the_back_office_pages_open_for_the_lender_s_staff_only(sandbox: Any, shop: Shop) -> None:
    application = shop.decided(person(shop.entity))
    reviewer, stranger = shop.reviewer(), UserFactory(roles=["credit_reviewer"])
    for model in (Application, ApplicationEvent, Offer):
        page = admin.site._registry[model]
        for user, count in ((reviewer, model.objects.count()), (stranger, 0)):
            request = RequestFactory().get("/")
            request.user = user
            user.is_verified = lambda: True
            assert page.get_queryset(request).count() == count
            body = page.changelist_view(request).render().content.decode()
            assert (application.number in body) is bool(count)
