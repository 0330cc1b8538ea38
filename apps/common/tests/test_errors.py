import json

import pytest
from django.db import IntegrityError, OperationalError
from django.http import Http404
from django_fsm import TransitionNotAllowed
from rest_framework import exceptions as drf

from apps.common import errors


def test_a_problem_document_names_kind_case_and_way_out():
    error = errors.BadInput("Check the amount.", fields={"amount": ["too small"]}, least=100)
    document = errors.problem(error, instance="/api/v1/x", request_id="r1")
    assert json.loads(json.dumps(document)) == {
        "type": "urn:carloan:error:bad_input",
        "title": str(errors.BadInput.title),
        "status": 422,
        "detail": "Check the amount.",
        "code": "bad_input",
        "instance": "/api/v1/x",
        "request_id": "r1",
        "errors": {"amount": ["too small"]},
        "facts": {"least": "100"},
    }


def caused(error: Exception, sqlstate: str) -> Exception:
    cause = Exception()
    cause.sqlstate = sqlstate  # type: ignore[attr-defined]
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("raised", "status", "code"),
    [
        (errors.Conflict(), 409, "conflict"),
        (Http404(), 404, "not_found"),
        (TransitionNotAllowed("x"), 409, "conflict"),
        (drf.NotAuthenticated(), 401, "not_authenticated"),
        (drf.Throttled(wait=3), 429, "throttled"),
        (drf.MethodNotAllowed("PUT"), 405, "method_not_allowed"),
        (caused(OperationalError(), "55P03"), 409, "busy"),
        (caused(IntegrityError(), "23505"), 409, "conflict"),
    ],
)
def test_failures_of_the_frameworks_take_the_same_shape(raised: Exception, status: int, code: str):
    anticipated = errors.anticipate(raised)
    assert anticipated is not None
    assert (anticipated.status, anticipated.code) == (status, code)


def test_nested_field_errors_get_paths():
    error = errors.anticipate(drf.ValidationError({"contacts": [{}, {"phone": ["wrong"]}], "name": ["empty"]}))
    assert isinstance(error, errors.BadInput)
    assert error.fields == {"contacts[1].phone": ["wrong"], "name": ["empty"]}


@pytest.mark.parametrize("defect", [ValueError("x"), KeyError("x"), caused(IntegrityError(), "23503")])
def test_a_defect_of_ours_is_not_dressed_up(defect: Exception):
    assert errors.anticipate(defect) is None


@pytest.mark.django_db
def test_an_unknown_api_address_and_health_answer(client):
    assert client.get("/healthz").json() == {"status": "ok"}
    ready = client.get("/readyz").json()
    assert ready["checks"]["database"] == "ok"
    assert ready["checks"]["migrations"] == "ok"
    assert client.get("/metrics").status_code == 200
