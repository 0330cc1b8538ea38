from __future__ import annotations

import pytest
from rest_framework.test import APIClient

from apps.common.actors import Actor
from apps.customers import services
from apps.customers.models import BankCard, IdentityCheck
from apps.customers.tests.factories import NOW, CustomerFactory, VerifiedCustomerFactory, card_number, give_all_consents, id_number
from apps.integrations.tests.support import otp_in
from apps.messaging.models import Message
from apps.organisations.tests.factories import LegalEntityFactory, UserFactory

pytestmark = pytest.mark.django_db
PHONE = "13812345678"


@pytest.fixture(autouse=True)
def _no_throttle_left_over():
    from django.core.cache import cache

    cache.clear()


def client_of(person) -> APIClient:
    api = APIClient()
    api.force_authenticate(person.user)
    return api


def sign_in(lender, **more):
    api = APIClient()
    sent = api.post("/api/v1/auth/codes", {"phone": PHONE, "lender": lender.code}, format="json")
    assert (sent.status_code, sent.json()) == (202, {"expires_in_s": 300, "resend_after_s": 60})
    code = otp_in(Message.objects.latest("created_at").text)
    body = {"phone": PHONE, "code": code, "device_id": "d-1", "device_name": "Mate 70", "lender": lender.code}
    return api, api.post("/api/v1/auth/token", body | more, format="json")


def test_a_customer_signs_in_with_a_code_and_uses_the_token():
    api, answer = sign_in(LegalEntityFactory())
    tokens = answer.json()
    assert answer.status_code == 200
    assert tokens["registered"] is True
    api.credentials(HTTP_AUTHORIZATION=f"Bearer {tokens['access']}")
    me = api.get("/api/v1/me").json()
    assert (me["id"], me["state"], me["phone"]) == (tokens["customer_id"], "registered", "138****5678")
    assert (me["profile"], me["contacts"], me["passed_checks"], me["consents"]) == (None, [], [], [])


def test_a_refresh_token_serves_once():
    _, answer = sign_in(LegalEntityFactory())
    api, refresh = APIClient(), answer.json()["refresh"]
    first = api.post("/api/v1/auth/token/refresh", {"refresh": refresh}, format="json")
    assert first.status_code == 200
    assert first.json()["refresh"] != refresh
    again = api.post("/api/v1/auth/token/refresh", {"refresh": refresh}, format="json")
    assert (again.status_code, again.json()["code"]) == (401, "token_invalid")


def test_a_wrong_code_is_a_problem_that_counts():
    lender = LegalEntityFactory()
    api, answer = sign_in(lender, code="000000")
    if answer.status_code == 200:  # one in a million
        return
    assert (answer.status_code, answer["content-type"]) == (422, "application/problem+json")
    assert (answer.json()["code"], answer.json()["facts"]) == ("login_code_wrong", {"attempts_left": "4"})


def test_codes_asked_for_too_soon_are_refused():
    lender = LegalEntityFactory()
    api, _ = sign_in(lender)
    answer = api.post("/api/v1/auth/codes", {"phone": PHONE, "lender": lender.code}, format="json")
    assert (answer.status_code, answer.json()["code"]) == (429, "login_code_too_soon")


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [({"phone": "123"}, 422, "phone"), ({}, 422, "phone"), ({"phone": PHONE, "lender": "NONE"}, 404, None)],
)
def test_a_code_for_nobody_is_a_problem(body, status, field):
    LegalEntityFactory()
    answer = APIClient().post("/api/v1/auth/codes", body, format="json")
    assert answer.status_code == status
    if field:
        assert list(answer.json()["errors"]) == [field]


def test_consents_are_read_given_listed_and_withdrawn():
    person = CustomerFactory()
    services.install_consent_texts(legal_entity_id=person.legal_entity_id, actor=Actor.system("tests"), now=NOW)
    api = client_of(person)
    texts = APIClient().get("/api/v1/consents/texts", {"lender": person.legal_entity.code}).json()
    assert len(texts) == 5
    text = texts[0]
    given = api.post("/api/v1/me/consents", {"kind": text["kind"], "version": text["version"], "device_id": "d"}, format="json")
    assert given.status_code == 201
    assert api.get("/api/v1/me/consents").json()[0]["id"] == given.json()["id"]
    old = api.post("/api/v1/me/consents", {"kind": text["kind"], "version": 9}, format="json")
    assert (old.status_code, old.json()["code"]) == (409, "consent_text_outdated")
    assert api.post("/api/v1/me/consents/withdraw", {"kind": text["kind"]}, format="json").status_code == 200
    assert api.post("/api/v1/me/consents/withdraw", {"kind": text["kind"]}, format="json").status_code == 404


def test_profile_and_contacts_are_told_and_shown_masked():
    person = CustomerFactory()
    give_all_consents(person)
    api = client_of(person)
    work = {"employer": "某某公司", "monthly_income": "12000.00", "employed_since": "2023-09-15", "education": "bachelor"}
    assert api.put("/api/v1/me/profile", work, format="json").status_code == 200
    contact = api.post("/api/v1/me/contacts", {"name": "李梅", "phone": "13987654321", "relation": "spouse"}, format="json")
    assert (contact.status_code, contact.json()["name"], contact.json()["phone"]) == (201, "李*", "139****4321")
    me = api.get("/api/v1/me").json()
    assert (me["profile"]["monthly_income"], len(me["contacts"]), me["profile_complete"]) == ("12000.00", 1, False)
    assert "13987654321" not in str(me)
    assert api.delete(f"/api/v1/me/contacts/{contact.json()['id']}").status_code == 204
    bad = api.put("/api/v1/me/profile", work | {"monthly_income": "much"}, format="json")
    assert (bad.status_code, list(bad.json()["errors"])) == (422, ["monthly_income"])


def test_identity_is_started_polled_and_refused_in_words():
    person = CustomerFactory()
    api = client_of(person)
    body = {"kind": "id_authenticity", "name": "王小明", "id_number": id_number(9)}
    missing = api.post("/api/v1/me/identity-checks", body, format="json")
    assert (missing.status_code, missing.json()["code"]) == (409, "consent_missing")
    assert missing.json()["facts"] == {"kinds": "privacy, identity_check"}
    give_all_consents(person)
    started = api.post("/api/v1/me/identity-checks", body, format="json")
    assert (started.status_code, started.json()["state"]) == (202, "pending")
    assert api.get("/api/v1/me/identity-checks").json()[0]["id"] == started.json()["id"]
    early = api.post("/api/v1/me/liveness", {"video_ref": "v"}, format="json")
    assert (early.status_code, early.json()["code"]) == (409, "identity_first")
    services.record_identity_result(check_id=started.json()["id"], outcome="failed", score=None, raw={}, now=NOW)
    wrong = api.post("/api/v1/me/identity-checks", body | {"id_number": "110101199003071230"}, format="json")
    assert (wrong.status_code, list(wrong.json()["errors"])) == (422, ["id_number"])


def test_a_card_is_bound_chosen_and_removed():
    person = VerifiedCustomerFactory()
    api, first = client_of(person), BankCard.objects.get()
    started = api.post("/api/v1/me/cards", {"card_number": card_number(77), "phone": "13812340000", "debit_agreed": True}, format="json")
    assert started.status_code == 202
    services.record_identity_result(check_id=started.json()["id"], outcome="passed", score=None, raw={}, now=NOW)
    cards = api.get("/api/v1/me/cards").json()
    assert [card["is_default"] for card in cards] == [True, False]
    second = cards[1]["id"]
    assert card_number(77) not in str(cards)
    assert api.delete(f"/api/v1/me/cards/{first.id}").status_code == 409
    assert api.post(f"/api/v1/me/cards/{second}/debit-agreement").json()["agreement_no"].startswith("DK")
    assert api.post(f"/api/v1/me/cards/{second}/default").json()["is_default"] is True
    assert api.delete(f"/api/v1/me/cards/{first.id}").status_code == 204
    assert len(api.get("/api/v1/me/cards").json()) == 1


def test_a_card_without_an_agreement_is_no_default():
    person = VerifiedCustomerFactory()
    api = client_of(person)
    started = api.post("/api/v1/me/cards", {"card_number": card_number(77), "phone": "13812340000"}, format="json")
    services.record_identity_result(check_id=started.json()["id"], outcome="passed", score=None, raw={}, now=NOW)
    refused = api.post(f"/api/v1/me/cards/{api.get('/api/v1/me/cards').json()[1]['id']}/default")
    assert (refused.status_code, refused.json()["code"]) == (409, "debit_not_agreed")


def test_liveness_before_signing_is_a_new_check_each_time():
    api = client_of(VerifiedCustomerFactory())
    started = api.post("/api/v1/me/liveness", {"purpose": "signing", "video_ref": "v-9"}, format="json")
    assert (started.status_code, started.json()["purpose"], started.json()["state"]) == (202, "signing", "pending")


MINE = ("me", "me/consents", "me/identity-checks", "me/cards")


@pytest.mark.parametrize("path", MINE)
def test_nobody_else_gets_in(path):
    assert APIClient().get(f"/api/v1/{path}").status_code == 401
    assert client_of(type("Row", (), {"user": UserFactory(roles=["auditor"])})).get(f"/api/v1/{path}").status_code == 403


def test_a_customer_finds_nothing_of_another():
    mine, other = VerifiedCustomerFactory(), VerifiedCustomerFactory()
    api = client_of(mine)
    card = other.cards.get()
    assert api.post(f"/api/v1/me/cards/{card.id}/default").status_code == 404
    assert api.delete(f"/api/v1/me/contacts/{other.contacts.first().id}").status_code == 404
    checks = {row["id"] for row in api.get("/api/v1/me/identity-checks").json()}
    assert checks == {str(row.id) for row in IdentityCheck.objects.filter(customer=mine)}


@pytest.mark.parametrize("path", MINE)
def test_pages_cost_a_bounded_number_of_queries(path, django_assert_max_num_queries):
    api = client_of(VerifiedCustomerFactory())
    with django_assert_max_num_queries(9):
        assert api.get(f"/api/v1/{path}").status_code == 200
