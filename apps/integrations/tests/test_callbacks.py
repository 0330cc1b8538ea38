"""Callbacks: who is believed, and what the sender is answered."""

from __future__ import annotations

import datetime as dt
import time
from decimal import Decimal
from urllib.parse import parse_qsl
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client

from apps.common import clock, outbox
from apps.common.actors import Actor
from apps.common.gateways import gateway
from apps.common.models import GatewayCall
from apps.customers import selectors as customers_selectors
from apps.customers import services as customers
from apps.disbursement.gateways import BankAnswer
from apps.integrations import parties
from apps.integrations.models import CallbackNonce
from apps.integrations.notices import BankNotice
from apps.integrations.sandbox.personas import card_number_for, id_number_for
from apps.integrations.signatures import SignatureRefused
from apps.messaging import services as messaging
from apps.messaging.models import Receipt
from apps.organisations.tests.factories import LegalEntityFactory

SYSTEM = Actor.system("test")
PHONE = "13812345678"

pytestmark = pytest.mark.django_db


def result(**changes):
    return {"operation": "transfer", "order_no": "T1", "amount": "1.00", "status": "succeeded", "bank_ref": "B1", "reason": ""} | changes


class TestTrust:
    def test_an_unsigned_callback_is_refused(self):
        assert Client().post("/callbacks/bank/", data="{}", content_type="application/json").status_code == 401

    def test_another_secret_is_refused_and_leaves_no_row(self, sandbox):
        assert sandbox.post_callback("bank", result(), secret="other") == 401
        assert not GatewayCall.objects.exists()

    @pytest.mark.parametrize("age_s", [301, -301])
    def test_a_stale_callback_is_refused(self, sandbox, age_s):
        assert sandbox.post_callback("bank", result(), timestamp=int(time.time()) - age_s) == 401

    def test_nonces_are_forgotten_when_their_signatures_are_stale(self, sandbox):
        old = CallbackNonce.objects.create(party="bank", nonce="a" * 32)
        CallbackNonce.objects.filter(id=old.id).update(seen_at=dt.datetime.now(dt.UTC) - dt.timedelta(seconds=601))
        sandbox.post_callback("bank", result())
        assert not CallbackNonce.objects.filter(id=old.id).exists()

    def test_only_post(self):
        assert Client().get("/callbacks/bank/").status_code == 405

    @pytest.mark.parametrize(
        "payload", [{}, result(operation="rob"), result(status="perhaps"), result(amount="much"), result(amount="NaN")]
    )
    def test_nonsense_is_a_definite_no(self, sandbox, payload):
        assert sandbox.post_callback("bank", payload) == 422
        assert GatewayCall.objects.latest("id").outcome == "unreadable"


def outcomes(party: str) -> list[str]:
    """What became of the callbacks of a party, oldest first."""
    return list(GatewayCall.objects.filter(gateway=party, direction="in").order_by("id").values_list("outcome", flat=True))


@pytest.fixture
def lender(db):
    clock.move_to(clock.beijing(dt.date(2026, 3, 2), 10))
    lender = LegalEntityFactory()
    customers.install_consent_texts(legal_entity_id=lender.id, actor=SYSTEM, now=clock.now())
    return lender


class TestSms:
    @pytest.fixture
    def message(self, lender):
        queued = messaging.send(
            template="login_code",
            phone=PHONE,
            variables={"code": "482913", "minutes": 10},
            legal_entity_id=lender.id,
            dedupe_key="m",
            actor=SYSTEM,
            now=clock.now(),
        )
        outbox.dispatch()
        return queued

    def state(self, message) -> str:
        return type(message).objects.get(id=message.id).state

    def test_a_report_is_applied_once(self, sandbox, message):
        report = sandbox.take_callbacks()[0].payload
        assert self.state(message) == "sent"
        assert [sandbox.post_callback("sms", report) for _ in range(3)] == [200, 200, 200]
        assert outcomes("sms") == ["applied", "duplicate", "duplicate"]
        assert self.state(message) == "delivered"

    def test_out_of_order_and_contradicting_reports_change_nothing(self, sandbox, message):
        report = sandbox.take_callbacks()[0].payload
        stale, contrary = report | {"status": "sent"}, report | {"status": "failed", "reason": "off"}
        assert [sandbox.post_callback("sms", told) for told in (report, stale, contrary)] == [200, 200, 422]
        assert outcomes("sms") == ["applied", "progress", "contradiction"]
        assert self.state(message) == "delivered"

    def test_a_report_on_an_unknown_message_is_asked_for_again(self, sandbox):
        assert sandbox.post_callback("sms", {"message_id": str(uuid4()), "status": "delivered"}) == 404


class TestRepetition:
    """The same signed bytes once more: after a failure of ours, after an answer of ours that was lost, or by somebody who listened."""

    @pytest.fixture
    def report(self, sandbox, lender):
        message = messaging.send(
            template="login_code",
            phone=PHONE,
            variables={"code": "482913", "minutes": 10},
            legal_entity_id=lender.id,
            dedupe_key="m",
            actor=SYSTEM,
            now=clock.now(),
        )
        outbox.dispatch()
        return sandbox.take_callbacks()[0].payload | {"message_id": str(message.id)}

    @pytest.fixture
    def signing(self):
        return {"nonce": uuid4().hex, "timestamp": int(time.time())}

    def delivered(self, report) -> int:
        return Receipt.objects.filter(message_id=report["message_id"], status="delivered").count()

    def test_a_result_that_met_an_error_of_the_database_is_applied_when_it_comes_again(self, sandbox, report, signing):
        with connection.cursor() as cursor:
            cursor.execute(
                "CREATE FUNCTION no_receipts() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'disk full'; END $$;"
                "CREATE TRIGGER no_receipts BEFORE INSERT ON messaging_receipt FOR EACH ROW EXECUTE FUNCTION no_receipts()"
            )
            assert sandbox.post_callback("sms", report, **signing) == 500
            cursor.execute("DROP TRIGGER no_receipts ON messaging_receipt")
        assert sandbox.post_callback("sms", report, **signing) == 200
        assert outcomes("sms") == ["defect", "applied"]
        assert self.delivered(report) == 1

    def test_a_repetition_after_a_lost_answer_is_told_the_same_and_does_nothing(self, sandbox, report, signing):
        assert [sandbox.post_callback("sms", report, **signing) for _ in range(3)] == [200] * 3
        assert outcomes("sms") == ["applied", "replayed", "replayed"]
        assert self.delivered(report) == 1
        assert CallbackNonce.objects.count() == 1

    def test_a_definite_no_stays_one(self, sandbox, report, signing):
        sandbox.post_callback("sms", report)
        contrary = report | {"status": "failed", "reason": "off"}
        assert [sandbox.post_callback("sms", contrary, **signing) for _ in range(2)] == [422, 422]
        assert outcomes("sms") == ["applied", "contradiction", "replayed"]

    def test_a_used_nonce_does_not_carry_other_bytes(self, sandbox, report, signing):
        sandbox.post_callback("sms", report | {"status": "sent"}, **signing)
        assert sandbox.post_callback("sms", report, **signing) == 401
        assert outcomes("sms") == ["progress", "replayed"]
        assert self.delivered(report) == 0

    def test_what_came_too_early_is_looked_at_again(self, sandbox, signing):
        assert [sandbox.post_callback("bank", result(), **signing) for _ in range(2)] == [404, 404]
        assert outcomes("bank") == ["unknown_order", "unknown_order"]
        assert not CallbackNonce.objects.exists()


class TestIdentity:
    """A person registers with a code that travels through the sandbox, and is checked by it."""

    @pytest.fixture
    def person(self, sandbox, lender):
        now = clock.now()
        customers.request_login_code(phone=PHONE, legal_entity_id=lender.id, ip=None, actor=SYSTEM, now=now)
        outbox.dispatch()
        code = sandbox.code_for(PHONE)
        signed_in = customers.sign_in(phone=PHONE, code=code, legal_entity_id=lender.id, device_id="d", now=now)
        for text in customers_selectors.consent_texts(lender.id, on=clock.local_date(now)):
            consent = {"customer_id": signed_in.customer_id, "kind": text.kind, "version": text.version}
            customers.give_consent(**consent, actor=SYSTEM, now=now)
        sandbox.take_callbacks()
        self.start(signed_in.customer_id, "id_authenticity", name="王小明", id_number=id_number_for("good"))
        return signed_in.customer_id

    def start(self, customer_id, kind, **facts):
        check = customers.start_identity_check(customer_id=customer_id, kind=kind, actor=SYSTEM, now=clock.now(), **facts)
        outbox.dispatch()
        return check

    def states(self, customer_id) -> dict[str, str]:
        return {check.kind: check.state for check in customers_selectors.identity_checks(customer_id)}

    def test_liveness_is_applied_once_and_out_of_order_answers_change_nothing(self, sandbox, person):
        self.start(person, "liveness", video_ref="v1")
        assert self.states(person) == {"id_authenticity": "passed", "liveness": "pending"}
        answer = sandbox.take_callbacks()[0].payload
        told = [answer | {"result": "processing"}, answer, answer, answer | {"result": "failed"}, answer | {"result": "processing"}]
        assert [sandbox.post_callback("identity", payload) for payload in told] == [200] * 5
        assert outcomes("identity") == ["progress", "applied", "duplicate", "superseded", "progress"]
        assert self.states(person)["liveness"] == "passed"

    def test_a_lost_callback_is_asked_for(self, sandbox, person):
        sandbox.add_fault("identity", "check_liveness", "lost_callback")
        self.start(person, "liveness", video_ref="v1")
        assert sandbox.take_callbacks() == []
        clock.move_to(clock.now() + dt.timedelta(hours=1))
        customers.sweep_identity_checks(now=clock.now())
        assert self.states(person)["liveness"] == "passed"

    def test_a_face_that_is_not_alive_fails(self, sandbox, person):
        self.start(person, "liveness", video_ref="fail-1")
        assert sandbox.deliver_callbacks() == [200]
        assert self.states(person)["liveness"] == "failed"

    def test_all_checks_verify_the_person(self, sandbox, person):
        self.start(person, "liveness", video_ref="v1")
        card = card_number_for(1)
        customers.bind_card(customer_id=person, card_number=card, phone=PHONE, actor=SYSTEM, now=clock.now(), debit_agreed=True)
        outbox.dispatch()
        sandbox.deliver_callbacks()
        assert set(self.states(person).values()) == {"passed"}
        assert not any(secret in str(list(GatewayCall.objects.values())) for secret in (PHONE, card, "王小明", id_number_for("good")))

    def test_an_answer_to_an_unknown_check_is_asked_for_again(self, sandbox):
        assert sandbox.post_callback("identity", {"check_id": str(uuid4()), "result": "passed", "score": "98"}) == 404


class TestBank:
    @pytest.mark.parametrize("operation", ["transfer", "debit"])
    def test_a_result_for_an_unknown_order_is_asked_for_again(self, sandbox, operation):
        assert sandbox.post_callback("bank", result(operation=operation)) == 404
        call = GatewayCall.objects.latest("id")
        assert (call.direction, call.operation, call.reference, call.outcome) == ("in", f"{operation}_result", "T1", "unknown_order")
        assert call.request["fields"]["amount"] == "1.00"


@pytest.mark.django_db(transaction=True)
def test_a_callback_comes_by_itself_over_http(sandbox, lender, live_server, settings):
    settings.CALLBACK_URL = live_server.url
    queued = messaging.send(
        template="login_code",
        phone=PHONE,
        variables={"code": "482913", "minutes": 10},
        legal_entity_id=lender.id,
        dedupe_key="m",
        actor=SYSTEM,
        now=clock.now(),
    )
    outbox.dispatch()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and "applied" not in outcomes("sms"):
        time.sleep(0.05)
    assert type(queued).objects.get(id=queued.id).state == "delivered"


class OtherBank:
    """A bank with a protocol of its own: a key in a header, orders in a form, results in words of its own."""

    def check_callback(self, *, path, body, headers):
        if headers.get("X-Bank-Key") != parties.secret("bank"):
            raise SignatureRefused("bad_key")
        return headers.get("X-Bank-Serial")

    def read_callback(self, body):
        told = dict(parse_qsl(body.decode(), strict_parsing=True))
        outcome = {"OK": "succeeded", "NO": "failed"}[told["end"]]
        amount = Decimal(told["fen"]) / 100 if outcome == "succeeded" else None
        return BankNotice("transfer", BankAnswer(told["our_no"], outcome, amount=amount, bank_ref=told["their_no"]))


class TestAnotherProvider:
    """A party's own adapter reads its callbacks; nothing else changes."""

    @pytest.fixture(autouse=True)
    def wired(self, settings):
        settings.GATEWAYS = settings.GATEWAYS | {"bank": f"{__name__}.OtherBank"}
        settings.GATEWAY_SECRETS = {"bank": "what they gave us"}
        gateway.cache_clear()
        yield
        gateway.cache_clear()

    def post(self, body, key="what they gave us"):
        headers = {"X-Bank-Key": key, "X-Bank-Serial": uuid4().hex}
        return Client(headers=headers).post("/callbacks/bank/", data=body, content_type="application/x-www-form-urlencoded").status_code

    def test_its_words_reach_the_order_in_ours(self):
        assert self.post("our_no=PF1-01&end=OK&fen=10000000&their_no=B1") == 404  # no such order here: it shall tell us again
        call = GatewayCall.objects.get()
        assert (call.operation, call.reference, call.outcome) == ("transfer_result", "PF1-01", "unknown_order")

    def test_its_own_proof_is_asked_for(self):
        assert self.post("our_no=PF1-01&end=OK&fen=1&their_no=B1", key="guessed") == 401

    @pytest.mark.parametrize("body", ["", "our_no=PF1-01&end=PERHAPS", "our_no=PF1-01"])
    def test_what_it_cannot_read_changes_nothing(self, body):
        assert self.post(body) == 422
        assert GatewayCall.objects.get().outcome == "unreadable"
