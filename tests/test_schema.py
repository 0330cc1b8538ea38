"""The published interface: a valid document without warnings, guarded where it should be, keys where money moves."""

from __future__ import annotations

import re
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema

from apps.common.errors import PROBLEM_JSON
from apps.common.idempotency import HEADER

METHODS = {"get", "post", "put", "patch", "delete"}
# What anybody may ask without signing in. Everything else under /api/v1/ wants a token.
PUBLIC = {
    "POST /api/v1/auth/codes",
    "POST /api/v1/auth/token",
    "POST /api/v1/auth/token/refresh",
    "POST /api/v1/calculator",
    "GET /api/v1/consents/texts",
    "GET /api/v1/products",
    "GET /api/v1/vehicles",
}
# What creates an obligation or moves money: safe to repeat by a key.
KEYED = {
    "POST /api/v1/me/applications/{application_id}/accept",
    "POST /api/v1/me/contracts/{contract_id}/sign",
    "POST /api/v1/me/loans/{loan_id}/repayments",
    "POST /api/v1/loans/{loan_id}/operations",
    "POST /api/v1/loan-operations/batch",
    "POST /api/v1/loan-owners/pools",
    "POST /api/v1/loan-owners/settlements",
}


def document() -> tuple[dict[str, Any], dict[str, Any]]:
    """The document and what its maker complained of: {kind of complaint: {text: count}}."""
    GENERATOR_STATS.reset()
    with GENERATOR_STATS.silence():
        made: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)
        complaints = {"warnings": dict(GENERATOR_STATS._warn_cache), "errors": dict(GENERATOR_STATS._error_cache)}
    return made, complaints


DOCUMENT, COMPLAINTS = document()
OPERATIONS = {
    f"{method.upper()} {path}": operation
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
    if method in METHODS
}


def test_the_document_is_openapi_3_1_and_valid_without_warnings():
    assert DOCUMENT["openapi"].startswith("3.1.")
    validate_schema(DOCUMENT)
    assert COMPLAINTS == {"warnings": {}, "errors": {}}


@pytest.mark.django_db
def test_the_document_and_its_reader_are_served(client):
    schema = client.get("/api/schema/?format=json")
    assert schema.status_code == 200
    assert schema.json()["paths"].keys() == DOCUMENT["paths"].keys()
    assert client.get("/api/docs/").status_code == 200


def test_operations_have_one_name_each():
    names = [operation["operationId"] for operation in OPERATIONS.values()]
    assert len(names) == len(set(names))


def test_the_public_operations_are_those_of_the_table():
    assert {name for name, operation in OPERATIONS.items() if not any(operation.get("security", []))} == PUBLIC


@pytest.mark.django_db
@pytest.mark.parametrize("name", sorted(OPERATIONS.keys() - PUBLIC))
def test_a_stranger_is_asked_to_sign_in(name):
    method, path = name.split(" ")
    address = re.sub(r"\{\w+\}", str(uuid4()), path)
    answer = Client().generic(method, address, data="{}", content_type="application/json", headers={HEADER: "k"})
    assert (answer.status_code, answer["Content-Type"], answer.json()["code"]) == (401, PROBLEM_JSON, "not_authenticated")


def test_what_moves_money_wants_a_key():
    keyed = {name for name, operation in OPERATIONS.items() if any(each["name"] == HEADER for each in operation.get("parameters", []))}
    assert keyed == KEYED


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_every_refusal_is_a_problem_document(name):
    refusals = {code: response for code, response in OPERATIONS[name]["responses"].items() if int(code) >= 400}
    assert all(set(response["content"]) == {PROBLEM_JSON} for response in refusals.values()), refusals
    assert ("401" in refusals and "403" in refusals) or name in PUBLIC
