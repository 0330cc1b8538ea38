"""Extra fields 附加字段: defined by a lender's staff, kept of loans, found again (docs/rules/extra-fields.md)."""

from __future__ import annotations

import pytest
from django.apps import apps
from django.utils import translation
from rest_framework.test import APIClient

from apps.common.actors import Actor
from apps.common.clock import beijing
from apps.common.errors import BadInput, NotPermitted
from apps.loans import selectors, services
from apps.loans.models import LoanExtras
from apps.loans.selectors import LoanUnknown
from apps.loans.tests.factories import START, a_lender, a_loan
from apps.organisations import services as organisations
from apps.organisations.models import ExtraField
from apps.organisations.selectors import extra_fields
from apps.organisations.tests.factories import UserFactory

pytestmark = pytest.mark.django_db
NOW = beijing(START, 10)


def staff(entity, *roles):
    return Actor.of(UserFactory(legal_entity=entity, roles=list(roles)))


def define(entity, name, kind="text", actor=None, **more):
    facts = {"label_en": name.title(), "label_zh": "字段", "about": "loan", "name": name, "kind": kind} | more
    return organisations.define_extra_field(legal_entity_id=entity.id, actor=actor or staff(entity, "entity_admin"), now=NOW, **facts)


def keep(loan, actor=None, **values):
    return services.keep_extras(loan_id=loan.id, values=values, actor=actor or staff(loan.legal_entity, "finance"), now=NOW)


@pytest.fixture
def loan():
    entity = a_lender()
    define(entity, "plate", label_zh="车牌号")
    define(entity, "mileage", "number")
    define(entity, "inspected_on", "date")
    define(entity, "gps_fitted", "flag")
    define(entity, "colour", "choice", choices=["white", "black"], is_required=True)
    return a_loan(entity)


def test_values_are_checked_kept_and_found(loan):
    keep(loan, plate=" 浙A·12345 ", mileage="12000.50", inspected_on="2025-01-09", gps_fitted="yes", colour="black")
    kept = {extra.name: extra.value for extra in selectors.extras_of(loan)}
    assert kept == {"plate": "浙A·12345", "mileage": "12000.50", "inspected_on": "2025-01-09", "gps_fitted": True, "colour": "black"}
    with translation.override("zh-hans"):
        assert selectors.extras_of(loan)[0].label == "车牌号"
    keep(loan, colour="white")
    assert LoanExtras.objects.get(loan=loan).values == {"colour": "white"}, "what is left out is emptied"
    changes = apps.get_model("loans", "LoanExtrasEvent").objects.filter(pgh_label="update")
    assert changes.count() == 1, "every change is recorded"
    keep(loan, colour="white")
    assert changes.count() == 1


@pytest.mark.parametrize(
    ("values", "wrong"),
    [
        ({"plate": "x"}, "colour"),
        ({"colour": "green"}, "colour"),
        ({"colour": "white", "mileage": "NaN"}, "mileage"),
        ({"colour": "white", "mileage": "1e9"}, "mileage"),
        ({"colour": "white", "inspected_on": "2025-02-30"}, "inspected_on"),
        ({"colour": "white", "gps_fitted": "maybe"}, "gps_fitted"),
        ({"colour": "white", "plate": "x" * 201}, "plate"),
        ({"colour": "white", "unknown": "1"}, "unknown"),
    ],
)
def test_what_does_not_suit_a_field_is_refused_by_its_name(loan, values, wrong):
    with pytest.raises(BadInput) as refused:
        keep(loan, **values)
    assert list(refused.value.fields) == [wrong]
    assert not LoanExtras.objects.exists()


def test_loans_are_found_by_a_value(loan):
    keep(loan, plate="浙A·12345", mileage="12000.50", gps_fitted="yes", colour="black")

    def found(field, value, entity=loan.legal_entity, **who):
        client = APIClient()
        client.force_authenticate(UserFactory(legal_entity=entity, roles=["finance"], **who))
        answer = client.get("/api/v1/loans", {"field": field, "value": value})
        return answer.status_code, answer.json()

    (row,) = found("plate", " 浙A·12345 ")[1]
    assert (row["id"], row["number"], row["state"]) == (str(loan.id), loan.number, "active")
    assert [len(found(*asked)[1]) for asked in (("mileage", "12000.50"), ("gps_fitted", "yes"), ("plate", "浙A"))] == [1, 1, 0]
    assert found("colour", "green")[0] == found("moon", "x")[0] == found("plate", "")[0] == 422
    assert found("plate", "浙A·12345", kind="client") == (200, []), "a partner's system without a scope sees no loan"
    assert found("plate", "浙A·12345", entity=a_lender())[0] == 422, "another lender has no such field"


def test_only_the_lender_s_own_people_define_and_keep(loan):
    entity = loan.legal_entity
    with pytest.raises(NotPermitted):
        define(entity, "other", actor=staff(entity, "finance"))
    with pytest.raises(NotPermitted):
        define(entity, "other", actor=staff(a_lender(), "entity_admin"))
    with pytest.raises(NotPermitted):
        keep(loan, actor=staff(entity, "auditor"), colour="white")
    with pytest.raises(LoanUnknown):
        keep(loan, actor=staff(a_lender(), "finance"), colour="white")


def test_a_retired_field_is_asked_for_no_more_and_its_values_stay(loan):
    entity, admin = loan.legal_entity, staff(loan.legal_entity, "entity_admin")
    keep(loan, plate="浙A·1", colour="white")
    organisations.retire_extra_field(legal_entity_id=entity.id, about="loan", name="plate", actor=admin)
    assert "plate" not in {field.name for field in extra_fields(entity.id, "loan")}
    keep(loan, colour="black")
    assert LoanExtras.objects.get(loan=loan).values == {"plate": "浙A·1", "colour": "black"}
    define(entity, "plate", label_zh="牌照")
    assert {extra.name: extra.value for extra in selectors.extras_of(loan)}["plate"] == "浙A·1"


@pytest.mark.parametrize(
    ("facts", "wrong"),
    [
        ({"name": "Plate"}, "name"),
        ({"name": "x" * 33}, "name"),
        ({"kind": "picture"}, "kind"),
        ({"about": "moon"}, "about"),
        ({"label_zh": " "}, "label_zh"),
        ({"kind": "choice", "choices": ["one"]}, "choices"),
        ({"choices": ["one", "two"]}, "choices"),
    ],
)
def test_a_definition_that_makes_no_sense_is_refused(facts, wrong):
    entity = a_lender()
    with pytest.raises(BadInput) as refused:
        define(entity, **({"name": "field"} | facts))
    assert wrong in refused.value.fields
    assert not ExtraField.objects.exists()


def test_a_field_keeps_its_kind(loan):
    with pytest.raises(organisations.ExtraFieldStands):
        define(loan.legal_entity, "plate", "number")


def test_the_api_tells_and_keeps_them(loan):
    client = APIClient()
    client.force_authenticate(UserFactory(legal_entity=loan.legal_entity, roles=["finance"]))
    page = f"/api/v1/loans/{loan.id}/extras"
    told = client.put(page, {"values": {"colour": "black", "plate": "浙A·1"}}, format="json", HTTP_IDEMPOTENCY_KEY="k").json()
    assert [(field["name"], field["value"]) for field in told["fields_kept"]][:2] == [("plate", "浙A·1"), ("mileage", None)]
    assert client.get(page).json() == told
    refused = client.put(page, {"values": {"colour": "green"}}, format="json", HTTP_IDEMPOTENCY_KEY="l")
    assert (refused.status_code, list(refused.json()["errors"])) == (422, ["colour"])
    stranger = APIClient()
    stranger.force_authenticate(UserFactory(legal_entity=a_lender(), roles=["finance"]))
    assert stranger.get(page).status_code == 404
