"""The sandbox's own manners: signatures, faults, callbacks. No database."""

from __future__ import annotations

import json
import subprocess
import threading
import time
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from asn1crypto import algos, tsp

from apps.integrations.sandbox.parties.timestamp import Rejection
from apps.integrations.sandbox.personas import PERSONAS, card_number_for, id_number_for, is_card_number, is_id_number, persona_by_rule
from apps.integrations.sandbox.server import running
from apps.integrations.sandbox.wire import send_signed
from apps.integrations.signatures import signed_headers, verified_nonce

GOOD = id_number_for("good")


def raw(url: str, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None) -> tuple[int, bytes]:
    request = urllib.request.Request(url + path, data=body or None, method=method, headers=headers or {})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def code_of(answer: tuple[int, bytes]) -> tuple[int, str]:
    return answer[0], json.loads(answer[1]).get("code", "")


class TestSignature:
    path = "/sms/messages?phone=13800000000"

    def test_unsigned_is_refused(self, sandbox):
        assert code_of(raw(sandbox.url, "GET", self.path)) == (401, "unsigned")

    def test_another_secret_is_refused(self, sandbox):
        headers = signed_headers("other", method="GET", path=self.path, body=b"")
        assert code_of(raw(sandbox.url, "GET", self.path, headers=headers)) == (401, "bad_signature")

    def test_another_path_is_refused(self, sandbox):
        headers = signed_headers(sandbox.server.secret, method="GET", path="/sms/messages?phone=13900000000", body=b"")
        assert code_of(raw(sandbox.url, "GET", self.path, headers=headers)) == (401, "bad_signature")

    @pytest.mark.parametrize("age_s", [301, -301])
    def test_a_stale_or_future_time_is_refused(self, sandbox, age_s):
        headers = signed_headers(sandbox.server.secret, method="GET", path=self.path, body=b"", timestamp=int(time.time()) - age_s)
        assert code_of(raw(sandbox.url, "GET", self.path, headers=headers)) == (401, "stale")

    def test_a_replay_is_refused(self, sandbox):
        headers = signed_headers(sandbox.server.secret, method="GET", path=self.path, body=b"")
        assert raw(sandbox.url, "GET", self.path, headers=headers)[0] == 200
        assert code_of(raw(sandbox.url, "GET", self.path, headers=headers)) == (401, "replayed")

    def test_every_signed_part_counts(self):
        signed = {"method": "POST", "path": "/a?b=1", "body": b"x"}
        headers = signed_headers("s", **signed)
        assert verified_nonce("s", headers=headers, **signed) == headers["X-Carloan-Nonce"]


class TestPersonas:
    @pytest.mark.parametrize("persona", PERSONAS)
    def test_an_id_number_names_its_persona(self, persona):
        number = id_number_for(persona, serial=7)
        assert is_id_number(number)
        assert persona_by_rule(number) == persona

    def test_one_changed_sign_is_no_id_number(self):
        assert not is_id_number(GOOD[:-2] + ("0" if GOOD[-2] != "0" else "1") + GOOD[-1])

    def test_card_numbers_pass_luhn_and_differ(self):
        cards = {card_number_for(serial) for serial in range(50)}
        assert len(cards) == 50
        assert all(is_card_number(card) for card in cards)

    def test_unknown_personas_and_faults_are_refused(self, sandbox):
        with pytest.raises(RuntimeError, match="unknown_persona"):
            sandbox.set_persona(GOOD, "saint")
        with pytest.raises(RuntimeError, match="unknown_operation"):
            sandbox.add_fault("bank", "rob", "error")


class TestCallbacks:
    """Real HTTP to a receiver that fails at first."""

    @pytest.fixture
    def receiver(self):
        received: list[tuple[dict, dict]] = []
        answers = [404, 500]

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                received.append((dict(self.headers), {"path": self.path, "body": body}))
                self.send_response(answers.pop(0) if answers else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args):
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        server.received = received
        server.url = f"http://127.0.0.1:{server.server_address[1]}"
        yield server
        server.shutdown()
        server.server_close()

    def test_a_callback_is_signed_and_repeated_until_200(self, receiver, settings):
        with running(callback_base=receiver.url, callback_delay_s=0.0) as box:
            check = {"check_id": "c1", "name": "王小明", "id_number": GOOD, "video_ref": "v"}
            assert box.call("POST", "/identity/liveness-checks", check)["status"] == "accepted"
            deadline = time.monotonic() + 8
            while len(receiver.received) < 3 and time.monotonic() < deadline:
                time.sleep(0.05)
            time.sleep(0.3)
        assert len(receiver.received) == 3
        nonces = set()
        for headers, request in receiver.received:
            nonces.add(verified_nonce(settings.SANDBOX_SECRET, method="POST", headers=headers, **request))
            assert request["path"] == "/callbacks/identity/"
            assert json.loads(request["body"])["result"] == "passed"
        assert len(nonces) == 3


class TestFaults:
    def send(self, sandbox, message_id="m1"):
        message = {"message_id": message_id, "phone": "13800000000", "text": "您好"}
        return send_signed(sandbox.server.secret, "POST", f"{sandbox.url}/sms/messages", payload=message)

    def test_unavailable_has_no_effect_and_error_has(self, sandbox):
        sandbox.add_fault("sms", "send", "unavailable")
        sandbox.add_fault("sms", "send", "error")
        assert self.send(sandbox)[0] == 503
        assert sandbox.messages("13800000000") == []
        assert self.send(sandbox)[0] == 500
        assert len(sandbox.messages("13800000000")) == 1
        assert self.send(sandbox)[0] == 202
        assert len(sandbox.messages("13800000000")) == 1

    @pytest.mark.parametrize(
        ("fault", "statuses"),
        [("duplicate", ["delivered", "delivered"]), ("lost_callback", []), ("out_of_order", ["delivered", "sent"])],
    )
    def test_callback_faults(self, sandbox, fault, statuses):
        sandbox.add_fault("sms", "send", fault)
        self.send(sandbox)
        assert [callback.payload["status"] for callback in sandbox.take_callbacks()] == statuses

    def test_a_fault_may_name_its_order(self, sandbox):
        sandbox.add_fault("sms", "send", "unavailable", reference="m2")
        assert self.send(sandbox, "m1")[0] == 202
        assert self.send(sandbox, "m2")[0] == 503


class TestIdentity:
    def check(self, sandbox, kind="id", **fields):
        fields = {"check_id": "c1", "name": "王小明", "id_number": GOOD} | fields
        return sandbox.call("POST", f"/identity/{kind}-checks", fields)["result"]

    def test_names_belong_to_numbers(self, sandbox):
        assert self.check(sandbox) == "match"
        assert self.check(sandbox, check_id="c2", name="李四") == "mismatch"
        assert self.check(sandbox, check_id="c3", id_number="110101199003070019") == "not_found"

    def test_cards_belong_to_people(self, sandbox):
        card = {"card_number": card_number_for(1), "phone": "13800000000"}
        assert self.check(sandbox, "card", **card) == "match"
        other = {"name": "李四", "id_number": id_number_for("good", serial=3)}
        assert self.check(sandbox, "card", check_id="c2", **card, **other) == "mismatch"
        assert self.check(sandbox, "card", check_id="c3", card_number="6222020000000000001", phone="13800000000") == "not_found"


class TestTimestamp:
    def query(self, digest: bytes = b"\x07" * 32, algorithm: str = "sha256") -> bytes:
        imprint = {"hash_algorithm": algos.DigestAlgorithm({"algorithm": algorithm}), "hashed_message": digest}
        return tsp.TimeStampReq({"version": 1, "message_imprint": imprint, "nonce": 42, "cert_req": True}).dump()

    def stamp(self, sandbox, body: bytes, at: str = "2027-03-01T10:00:00%2B08:00"):
        path = f"/timestamp?at={at}"
        headers = signed_headers(sandbox.server.secret, method="POST", path=path, body=body)
        return raw(sandbox.url, "POST", path, body, {"Content-Type": "application/timestamp-query", **headers})

    def test_openssl_believes_the_stamp(self, sandbox, tmp_path):
        document = tmp_path / "document"
        document.write_bytes(b"contract")
        query, reply, root = tmp_path / "q.tsq", tmp_path / "r.tsr", tmp_path / "root.pem"
        subprocess.run(["openssl", "ts", "-query", "-data", document, "-sha256", "-cert", "-out", query], check=True, capture_output=True)
        status, answer = self.stamp(sandbox, query.read_bytes())
        assert status == 200
        reply.write_bytes(answer)
        root.write_bytes(raw(sandbox.url, "GET", "/timestamp/certificate")[1])
        verify = ["openssl", "ts", "-verify", "-queryfile", query, "-in", reply, "-CAfile", root]
        verified = subprocess.run(verify, capture_output=True, text=True, check=False)
        assert verified.returncode == 0, verified.stderr
        token = tsp.TimeStampResp.load(answer)["time_stamp_token"]["content"]["encap_content_info"]["content"].parsed
        assert token["gen_time"].native.isoformat() == "2027-03-01T02:00:00+00:00"

    @pytest.mark.parametrize(
        ("body", "failure"),
        [(b"nonsense", "bad_data_format"), ("short", "bad_data_format"), ("sha1", "bad_alg")],
    )
    def test_bad_queries_are_rejected(self, sandbox, body, failure):
        queries = {"short": self.query(b"\x07" * 20), "sha1": self.query(b"\x07" * 20, "sha1")}
        answer = Rejection.load(self.stamp(sandbox, queries.get(body, body))[1], strict=True)
        assert answer["status"]["status"].native == "rejection"
        assert answer["status"]["fail_info"].native == {failure}
