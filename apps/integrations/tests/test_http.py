"""The one client against a real server: what each failure says of the effect, retries, circuit, records."""

from __future__ import annotations

import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest
from django.db import transaction

from apps.common.gateways import GatewayMisconfigured, GatewayRefused, GatewayUnavailable, GatewayUnknown
from apps.common.models import GatewayCall
from apps.integrations import http

PHONE = "13812345678"
MESSAGE = {"message_id": "m1", "phone": PHONE, "text": "验证码 123456"}

pytestmark = pytest.mark.django_db


def send(*, repeatable: bool = False, **changes) -> http.Answer:
    return http.call(http.Call("sms", "send", "POST", "/sms/messages", "m1", MESSAGE | changes, repeatable=repeatable))


@pytest.fixture
def impatient(settings):
    settings.GATEWAY_TIMEOUT_S = {"connect": 1.0, "read": 0.2}


class TestFailures:
    def test_an_answer(self, sandbox, calls):
        assert send().fields["status"] == "accepted"
        assert calls("sms") == [("send", "answered")]

    def test_a_definite_no_carries_the_partys_words_and_is_not_repeated(self, sandbox, calls):
        with pytest.raises(GatewayRefused) as refusal:
            send(phone="12", repeatable=True)
        assert refusal.value.code == "bad_phone"
        assert calls("sms") == [("send", "refused")]

    def test_no_connection_is_without_effect_and_repeated(self, settings, calls):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            settings.SANDBOX_URL = f"http://127.0.0.1:{free.getsockname()[1]}"
            with pytest.raises(GatewayUnavailable):
                send()
        assert calls("sms") == [("send", "unavailable")] * http.ATTEMPTS

    def test_503_is_repeated_where_a_repetition_is_the_same_request(self, sandbox, calls):
        sandbox.add_fault("sms", "send", "unavailable", times=2)
        send(repeatable=True)
        assert calls("sms") == [("send", "unavailable")] * 2 + [("send", "answered")]
        assert len(sandbox.messages(PHONE)) == 1

    def test_500_is_unknown_and_not_repeated_unless_repeatable(self, sandbox, calls):
        sandbox.add_fault("sms", "send", "error")
        with pytest.raises(GatewayUnknown):
            send()
        assert calls("sms") == [("send", "unknown")]

    def test_500_is_repeated_where_a_repetition_is_the_same_request(self, sandbox, calls):
        sandbox.add_fault("sms", "send", "error", times=2)
        send(repeatable=True)
        assert calls("sms") == [("send", "unknown")] * 2 + [("send", "answered")]
        assert len(sandbox.messages(PHONE)) == 1

    def test_a_time_out_is_unknown(self, sandbox, impatient, calls):
        sandbox.add_fault("sms", "send", "slow", seconds=0.6)
        started = time.monotonic()
        with pytest.raises(GatewayUnknown):
            send()
        assert time.monotonic() - started < 0.55
        assert calls("sms") == [("send", "unknown")]

    def test_a_wrong_secret_is_without_effect_and_not_repeated(self, sandbox, settings, calls):
        settings.GATEWAY_SECRETS = {"sms": "another"}
        with pytest.raises(GatewayMisconfigured, match="401 bad_signature"):
            send(repeatable=True)
        assert calls("sms") == [("send", "not_let_in")]

    def test_another_address_per_party(self, sandbox, settings):
        url, settings.SANDBOX_URL = settings.SANDBOX_URL, "http://127.0.0.1:1"
        settings.GATEWAY_URLS = {"sms": url}
        assert send().status == 202


class Echo(BaseHTTPRequestHandler):
    """A party that answers with the status that the path names, and counts."""

    asked: ClassVar[list[int]] = []

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        status = int(self.path.strip("/"))
        self.asked.append(status)
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def echo(settings):
    Echo.asked.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Echo) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        settings.GATEWAY_URLS = {"bank": f"http://127.0.0.1:{server.server_address[1]}"}
        yield Echo.asked
        server.shutdown()


# What each status says of the effect: of an order of money, and of a request that may be repeated; and how often each is sent.
STATUSES = [
    *[(status, GatewayRefused, 1, GatewayRefused, 1) for status in (400, 404, 405, 409, 410, 413, 415, 422, 451)],
    *[(status, GatewayMisconfigured, 1, GatewayMisconfigured, 1) for status in (401, 403, 407)],
    *[(status, GatewayUnknown, 1, GatewayUnknown, 3) for status in (301, 302, 408, 425, 500, 501, 502, 504, 520, 599)],
    *[(status, GatewayUnknown, 1, GatewayUnavailable, 3) for status in (429, 503)],
]


@pytest.mark.parametrize(("status", "of_money", "sent_of_money", "of_others", "sent_of_others"), STATUSES)
def test_what_a_status_says_of_the_effect(echo, status, of_money, sent_of_money, of_others, sent_of_others):
    for repeatable, failure, sent in ((False, of_money, sent_of_money), (True, of_others, sent_of_others)):
        echo.clear()
        with pytest.raises(failure) as told:
            http.call(http.Call("bank", "transfer", "POST", f"/{status}", "T1", {"order_no": "T1"}, repeatable=repeatable))
        assert type(told.value) is failure
        assert len(echo) == sent


class TestCircuit:
    def test_it_opens_after_failures_in_a_row_and_closes_again(self, sandbox, settings, calls):
        settings.GATEWAY_BREAKER = {"failures": 2, "rest_s": 0.3}
        sandbox.add_fault("sms", "send", "error", times=2)
        for _ in range(2):
            with pytest.raises(GatewayUnknown):
                send()
        with pytest.raises(http.CircuitOpen):
            send()
        assert calls("sms")[-1] == ("send", "circuit_open")
        time.sleep(0.35)
        assert send().status == 202

    def test_refusals_do_not_open_it(self, sandbox, settings):
        settings.GATEWAY_BREAKER = {"failures": 2, "rest_s": 30}
        for _ in range(3):
            with pytest.raises(GatewayRefused):
                send(phone="12")
        assert send().status == 202

    def test_parties_have_circuits_of_their_own(self, sandbox, settings):
        settings.GATEWAY_BREAKER = {"failures": 1, "rest_s": 30}
        sandbox.add_fault("sms", "send", "error")
        with pytest.raises(GatewayUnknown):
            send()
        assert http.call(http.Call("timestamp", "certificate", "GET", "/timestamp/certificate")).status == 200


class TestRecords:
    def test_a_record_keeps_no_personal_data(self, sandbox):
        send()
        record = GatewayCall.objects.get()
        assert record.request == {"message_id": "m1", "phone": "138****5678", "text": "***"}
        assert record.http_status == 202
        assert record.milliseconds is not None
        assert record.reference == "m1"

    def test_a_call_inside_a_transaction_is_a_defect(self, sandbox):
        with pytest.raises(http.CalledInsideTransaction), transaction.atomic():
            send()
        assert sandbox.messages(PHONE) == []

    @pytest.mark.django_db(transaction=True)
    def test_a_record_survives_the_callers_failure(self, sandbox):
        with pytest.raises(ZeroDivisionError):
            send()
            1 / 0
        assert GatewayCall.objects.count() == 1
