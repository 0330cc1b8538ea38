"""The customer's side over HTTP: read, take the file, sign."""

from __future__ import annotations

import datetime as dt
from typing import Any
from uuid import uuid4

import pytest
from rest_framework.test import APIClient

from apps.applications.tests.factories import person
from apps.common import clock, outbox
from apps.contracts.tests.factories import NOW, Order, an_accepted_order
from apps.customers.models import Customer
from apps.documents.models import DocumentDownload
from apps.organisations.models import User

pytestmark = pytest.mark.django_db


@pytest.fixture
def order(sandbox: Any, settings: Any, tmp_path: Any) -> Order:
    settings.ARCHIVE_DIR = tmp_path
    clock.move_to(NOW)
    return an_accepted_order()


def app_of(customer: Customer) -> APIClient:
    client = APIClient()
    client.force_authenticate(User.objects.get(id=customer.user_id))
    return client


def as_read(shown: dict[str, Any]) -> dict[str, str]:
    return {"cost_table_version": shown["cost_table"]["version"], "cost_table_sha256": shown["cost_table_sha256"]}


def test_a_customer_reads_signs_and_keeps_the_contract(order: Order) -> None:
    contract, app = order.prepared(), app_of(order.customer)
    url = f"/api/v1/me/contracts/{contract.id}"
    shown = app.get(url).json()
    assert shown["state"] == "signing"
    assert shown["cost_table"]["rows"][0]["name"] == "利息"
    assert shown["reading_seconds"] == 10
    unsigned = app.get(f"{url}/file")
    assert unsigned["Content-Type"] == "application/pdf"
    assert unsigned.content.startswith(b"%PDF-")

    order.look(NOW)
    clock.move_to(NOW + dt.timedelta(seconds=30))
    assert shown["cost_table_sha256"] == contract.cost_document.sha256
    body = {"seconds_read": 20, **as_read(shown)}
    assert app.post(f"{url}/sign", body, format="json").status_code == 400  # no key
    key = {"Idempotency-Key": "sign-1"}
    first = app.post(f"{url}/sign", body, format="json", headers=key)
    assert (first.status_code, first.json()["signing_confirmed"]) == (202, True)
    again = app.post(f"{url}/sign", body, format="json", headers=key)
    assert again["Idempotency-Replayed"] == "true"
    outbox.dispatch()
    assert app.get(url).json()["signed_at"]
    signed = app.get(f"{url}/file").content
    assert len(signed) > len(unsigned.content)
    listed = app.get("/api/v1/me/contracts").json()
    assert [row["state"] for row in listed] == ["archived"]
    papers = app.get("/api/v1/me/documents").json()["results"]
    assert {"cost_table", "contract", "signed_contract"} <= {paper["kind"] for paper in papers}
    mine = next(paper for paper in papers if paper["kind"] == "signed_contract")
    assert app.get(f"/api/v1/me/documents/{mine['id']}/file").content == signed
    assert DocumentDownload.objects.count() == 3


def test_too_early_and_without_liveness_are_problems_that_say_what_to_do(order: Order) -> None:
    contract, app = order.prepared(), app_of(order.customer)
    read = as_read(app.get(f"/api/v1/me/contracts/{contract.id}").json())
    url = f"/api/v1/me/contracts/{contract.id}/sign"
    blind = app.post(url, {"seconds_read": 30}, format="json", headers={"Idempotency-Key": "0"})
    assert blind.status_code == 422
    assert all(field in blind.content.decode() for field in ("cost_table_version", "cost_table_sha256"))
    other = app.post(url, {"seconds_read": 30, **read, "cost_table_sha256": "f" * 64}, format="json", headers={"Idempotency-Key": "1"})
    assert (other.status_code, other.json()["code"]) == (422, "other_version_read")
    early = app.post(url, {"seconds_read": 2, **read}, format="json", headers={"Idempotency-Key": "a"})
    assert (early.status_code, early.json()["code"]) == (422, "read_longer")
    order.forget_looks()
    clock.move_to(NOW + dt.timedelta(minutes=1))
    stale = app.post(url, {"seconds_read": 30, **read}, format="json", headers={"Idempotency-Key": "b"})
    assert (stale.status_code, stale.json()["code"]) == (409, "liveness_stale")


@pytest.mark.parametrize("path", ["", "/file"])
def test_another_customer_finds_nothing(order: Order, path: str) -> None:
    contract = order.prepared()
    other = app_of(person(order.shop.entity, serial=77))
    assert other.get(f"/api/v1/me/contracts/{contract.id}{path}").status_code == 404
    assert other.get("/api/v1/me/contracts").json() == []
    assert other.get(f"/api/v1/me/documents/{contract.unsigned_id}/file").status_code == 404
    assert other.get(f"/api/v1/me/contracts/{uuid4()}{path}").status_code == 404


def test_nobody_signed_out_and_no_consultant_comes_here(order: Order) -> None:
    contract = order.prepared()
    assert APIClient().get(f"/api/v1/me/contracts/{contract.id}").status_code == 401
    seller = APIClient()
    seller.force_authenticate(User.objects.get(id=order.shop.consultant.user_id))
    assert seller.get(f"/api/v1/me/contracts/{contract.id}").status_code == 403
