"""One class per port; it runs against every adapter of that port."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from uuid import uuid4

import pytest
from asn1crypto import algos, tsp
from django.conf import settings as django_settings
from django.utils.module_loading import import_string

from apps.common import clock
from apps.common.gateways import GatewayRefused, GatewayUnknown, gateway
from apps.common.models import GatewayCall
from apps.integrations.bank.sandbox import SandboxBank
from apps.integrations.bureau.sandbox import SandboxBureau
from apps.integrations.identity.sandbox import SandboxIdentity
from apps.integrations.sandbox.personas import PERSONAS, card_number_for, id_number_for
from apps.integrations.sms.sandbox import SandboxSms
from apps.integrations.timestamp.sandbox import SandboxTimestamp

NAME, PHONE, CARD = "王小明", "13812345678", card_number_for(1)
GOOD = id_number_for("good")
DAY = dt.date(2026, 3, 2)

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("port", sorted(django_settings.GATEWAYS))
def test_settings_name_an_adapter_for_every_port(port):
    assert isinstance(gateway(port), import_string(django_settings.GATEWAYS[port]))


def recorded() -> str:
    return str(list(GatewayCall.objects.values("request", "response", "reference", "operation")))


@pytest.mark.parametrize("adapter", [SandboxSms()], ids=["sandbox"])
class TestSms:
    def test_a_message_arrives_once_however_often_it_is_sent(self, adapter, sandbox):
        message_id = uuid4()
        references = {adapter.send(message_id=message_id, phone=PHONE, text="【车贷通】验证码 482913") for _ in range(2)}
        assert len(references) == 1
        (message,) = sandbox.messages(PHONE)
        assert message["text"] == "【车贷通】验证码 482913"
        assert PHONE not in recorded()
        assert "482913" not in recorded()

    def test_a_bad_number_is_refused(self, adapter, sandbox):
        with pytest.raises(GatewayRefused, match="bad_phone"):
            adapter.send(message_id=uuid4(), phone="12", text="x")


@pytest.mark.parametrize("adapter", [SandboxIdentity()], ids=["sandbox"])
class TestIdentity:
    def test_authenticity(self, adapter, sandbox):
        assert adapter.check_id(check_id=uuid4(), name=NAME, id_number=GOOD).outcome == "passed"
        answer = adapter.check_id(check_id=uuid4(), name="李四", id_number=GOOD)
        assert (answer.outcome, answer.reason) == ("failed", "name_differs")

    def test_card_of_the_person(self, adapter, sandbox):
        answer = adapter.check_card(check_id=uuid4(), name=NAME, id_number=GOOD, card_number=CARD, phone=PHONE)
        assert answer.outcome == "passed"
        assert answer.raw["bank_name"] == "中国工商银行"
        answer = adapter.check_card(check_id=uuid4(), name=NAME, id_number=GOOD, card_number=CARD, phone="13900000000")
        assert answer.outcome == "failed"

    def test_liveness_is_accepted_and_answered_by_callback_or_query(self, adapter, sandbox):
        check_id = uuid4()
        for _ in range(2):
            assert adapter.check_liveness(check_id=check_id, name=NAME, id_number=GOOD, video_ref="v1").outcome == "accepted"
        (callback,) = sandbox.take_callbacks()
        assert callback.payload["check_id"] == str(check_id)
        answer = adapter.query(check_id=check_id)
        assert (answer.outcome, answer.score) == ("passed", Decimal(98))

    def test_records_keep_no_personal_data(self, adapter, sandbox):
        adapter.check_card(check_id=uuid4(), name=NAME, id_number=GOOD, card_number=CARD, phone=PHONE)
        assert not any(secret in recorded() for secret in (NAME, GOOD, CARD, PHONE))


@pytest.mark.parametrize("adapter", [SandboxBureau()], ids=["sandbox"])
class TestBureau:
    def query(self, adapter, persona="good", **changes):
        facts = {"query_id": uuid4(), "name": NAME, "id_number": id_number_for(persona), "reason_code": "02", "authorisation_no": "A1"}
        facts["queried_at"] = clock.now()
        return adapter.query(**facts | changes)

    @pytest.mark.parametrize("persona", PERSONAS)
    def test_every_persona_has_a_complete_report(self, adapter, sandbox, persona):
        report = self.query(adapter, persona)
        assert {"report_no", "query_time", "person", "accounts", "queries", "public", "no_record"} <= set(report)
        assert report["no_record"] == (persona == "thin")
        assert all(isinstance(account["amount"], int) for account in report["accounts"])
        assert dt.datetime.fromisoformat(report["query_time"]).tzinfo

    def test_the_same_query_gets_the_same_report(self, adapter, sandbox):
        query_id = uuid4()
        assert self.query(adapter, query_id=query_id) == self.query(adapter, query_id=query_id)

    def test_no_authorisation_no_answer(self, adapter, sandbox):
        with pytest.raises(GatewayRefused, match="not_authorised"):
            self.query(adapter, authorisation_no="")

    def test_the_record_holds_no_report(self, adapter, sandbox):
        self.query(adapter)
        assert NAME not in recorded()
        assert "N" * 12 not in recorded()


@pytest.mark.parametrize("adapter", [SandboxBank()], ids=["sandbox"])
class TestBank:
    @pytest.fixture(autouse=True)
    def on_a_day(self, db):
        clock.move_to(clock.beijing(DAY, 10))

    def transfer(self, adapter, order_no="T1", amount="100000.00"):
        payee = {"payee_name": "上海某汽车销售有限公司", "payee_account": "310000001234567890", "payee_bank": "中国银行"}
        return adapter.transfer(order_no=order_no, amount=Decimal(amount), remark="车款", **payee)

    def debit(self, adapter, order_no="D1", amount="3210.55", card_number=CARD):
        return adapter.debit(order_no=order_no, amount=Decimal(amount), card_number=card_number, name=NAME, agreement_no="A1")

    def test_a_transfer_moves_money_once(self, adapter, sandbox):
        assert [self.transfer(adapter).outcome for _ in range(2)] == ["processing", "processing"]
        answer = adapter.query_transfer(order_no="T1")
        assert (answer.outcome, answer.amount) == ("succeeded", Decimal("100000.00"))
        (line,) = adapter.statement(day=DAY).lines
        assert (line.direction, line.amount, line.serial, line.order_no) == ("out", Decimal("100000.00"), answer.bank_ref, "T1")
        assert len(sandbox.take_callbacks()) == 1

    def test_one_number_with_two_amounts_is_refused(self, adapter, sandbox):
        self.transfer(adapter)
        with pytest.raises(GatewayRefused, match="order_conflict"):
            self.transfer(adapter, amount="1.00")

    def test_an_order_never_received_is_not_found(self, adapter, sandbox):
        assert adapter.query_transfer(order_no="nobody").outcome == "not_found"
        assert adapter.query_debit(order_no="nobody").outcome == "not_found"

    def test_an_order_without_an_answer_is_not_sent_again_and_a_query_tells(self, adapter, sandbox, calls):
        sandbox.add_fault("bank", "debit", "error")
        with pytest.raises(GatewayUnknown):
            self.debit(adapter)
        assert calls("bank") == [("debit", "unknown")]
        assert adapter.query_debit(order_no="D1").outcome == "succeeded"

    def test_a_debit_without_money_fails_with_its_reason_and_moves_nothing(self, adapter, sandbox):
        sandbox.add_fault("bank", "debit", "insufficient_funds")
        self.debit(adapter)
        answer = adapter.query_debit(order_no="D1")
        assert (answer.outcome, answer.reason, answer.bank_ref) == ("failed", "insufficient_funds", "")
        assert adapter.statement(day=DAY).lines == ()

    def test_who_pays_late_has_money_on_the_third_day(self, adapter, sandbox):
        person = {"name": NAME, "id_number": id_number_for("pays_late"), "card_number": CARD, "phone": PHONE}
        SandboxIdentity().check_card(check_id=uuid4(), **person)
        outcomes = []
        for days in range(4):
            clock.move_to(clock.beijing(DAY + dt.timedelta(days=days), 10))
            self.debit(adapter, order_no=f"D{days}")
            outcomes.append(adapter.query_debit(order_no=f"D{days}").outcome)
        assert outcomes == ["failed", "failed", "failed", "succeeded"]

    def test_the_statement_of_a_day_adds_up(self, adapter, sandbox):
        self.transfer(adapter)
        self.debit(adapter)
        self.debit(adapter, order_no="D2", amount="0.45")
        clock.move_to(clock.beijing(DAY + dt.timedelta(days=1), 10))
        self.debit(adapter, order_no="D3")
        statement = adapter.statement(day=DAY)
        assert statement.total_in == Decimal("3211.00") == sum(line.amount for line in statement.lines if line.direction == "in")
        assert statement.total_out == Decimal("100000.00")
        assert {clock.local_date(line.occurred_at) for line in statement.lines} == {DAY}

    def test_records_keep_no_personal_data(self, adapter, sandbox):
        self.transfer(adapter)
        self.debit(adapter)
        adapter.statement(day=DAY)
        assert not any(secret in recorded() for secret in (NAME, CARD, "上海某汽车销售有限公司", "310000001234567890"))


@pytest.mark.parametrize("adapter", [SandboxTimestamp()], ids=["sandbox"])
class TestTimestamp:
    def query(self, algorithm="sha256", digest=b"\x07" * 32) -> bytes:
        imprint = {"hash_algorithm": algos.DigestAlgorithm({"algorithm": algorithm}), "hashed_message": digest}
        return tsp.TimeStampReq({"version": 1, "message_imprint": imprint, "nonce": 42, "cert_req": True}).dump()

    def test_the_stamp_attests_the_projects_moment(self, adapter, sandbox):
        clock.move_to(clock.beijing(DAY, 10))
        token = tsp.TimeStampResp.load(adapter.stamp(self.query()))["time_stamp_token"]
        info = token["content"]["encap_content_info"]["content"].parsed
        assert clock.local_date(info["gen_time"].native) == DAY
        assert info["nonce"].native == 42

    def test_a_weak_hash_is_refused(self, adapter, sandbox):
        with pytest.raises(GatewayRefused, match="bad_alg"):
            adapter.stamp(self.query("sha1", b"\x07" * 20))

    def test_the_certificate_is_published(self, adapter, sandbox):
        assert adapter.certificate().startswith(b"-----BEGIN CERTIFICATE-----")

    def test_a_broken_answer_is_unknown(self, adapter, sandbox):
        sandbox.add_fault("timestamp", "stamp", "unreadable", times=3)
        with pytest.raises(GatewayUnknown):
            adapter.stamp(self.query())
