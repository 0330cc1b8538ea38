"""Stories of decisions: asked, queried, decided, repeated, timed out, replayed; flows published by somebody else."""

from __future__ import annotations

import copy
import datetime as dt
import json
import time
from typing import Any
from uuid import UUID

import pytest
from django.db import DatabaseError, connection, transaction

from apps.common import outbox
from apps.common.crypto import blind_index
from apps.common.errors import BadInput
from apps.common.models import GatewayCall, OutboxMessage
from apps.customers.models import Consent, LoginRecord
from apps.customers.tests.factories import ContactFactory
from apps.organisations.tests.factories import LegalEntityFactory
from apps.risk import selectors, services
from apps.risk.domain.samples import sample_values
from apps.risk.models import (
    REQUEST_EDGES,
    VERSION_EDGES,
    BureauQuery,
    BureauReport,
    Decision,
    DecisionFlowVersion,
    DecisionRequest,
    Link,
    ListEntry,
    ListHit,
)
from apps.risk.services import deciding, evaluation, versions
from apps.risk.services.bureau import BureauSilent
from apps.risk.tests.factories import NOW, SYSTEM, order_facts, person, ready_entity, staff

pytestmark = pytest.mark.django_db
THIN, FRAUD, INDEBTED = 910, 920, 930  # serials whose ID numbers play these parts at the sandbox


@pytest.fixture
def entity() -> Any:
    row = LegalEntityFactory()
    ready_entity(row.id)
    return row


def ask(customer: Any, *, reference: str = "application:1:1", now: dt.datetime = NOW, **change: Any) -> UUID:
    return services.request_decision(
        flow_code="car_loan",
        legal_entity_id=customer.legal_entity_id,
        subject_ref=customer.id,
        subject=order_facts(**change),
        reference=reference,
        actor=SYSTEM,
        now=now,
    )


def decide(customer: Any, *, now: dt.datetime = NOW, **options: Any) -> Decision:
    request_id = ask(customer, now=now, **options)
    services.make_decision(request_id=request_id, now=now)
    return Decision.objects.get(request_id=request_id)


def news(name: str) -> list[dict[str, Any]]:
    return list(OutboxMessage.objects.filter(name=name).order_by("id").values_list("payload", flat=True))


class TestDecisions:
    @pytest.mark.parametrize(
        ("serial", "outcome", "code"),
        [(1, "approve", ""), (THIN, "review", "BU-001"), (FRAUD, "decline", "BU-008"), (INDEBTED, "decline", "BU-009")],
    )
    def test_every_outcome_is_reached_by_a_person(self, sandbox: Any, entity: Any, serial: int, outcome: str, code: str) -> None:
        decision = decide(person(entity, serial))
        assert decision.outcome == outcome
        assert not code or code in decision.reasons

    def test_the_answer_is_told_with_grade_limit_and_rate(self, sandbox: Any, entity: Any) -> None:
        decision = decide(person(entity))
        assert news("risk.DecisionMade") == [
            {
                "reference": "application:1:1",
                "decision_id": str(decision.id),
                "outcome": "approve",
                "grade": decision.grade,
                "limit": str(decision.limit),
                "annual_rate": str(decision.annual_rate),
                "reasons": [],
            }
        ]
        assert decision.grade in ("A", "B", "C", "D")
        assert decision.limit >= 100_000
        assert decision.flow_version.version == 1
        assert set(decision.flow_version.reads) <= set(decision.features)

    def test_asking_and_deciding_twice_changes_nothing(self, sandbox: Any, entity: Any) -> None:
        customer = person(entity)
        first = decide(customer)
        assert ask(customer) == first.request_id
        services.make_decision(request_id=first.request_id, now=NOW)
        assert Decision.objects.count() == DecisionRequest.objects.count() == 1
        assert BureauQuery.objects.count() == BureauReport.objects.count() == 1
        assert len(news("risk.DecisionMade")) == 1

    def test_the_outbox_carries_it(self, sandbox: Any, entity: Any) -> None:
        ask(person(entity))
        outbox.dispatch()
        assert Decision.objects.get().outcome == "approve"

    def test_a_decision_replays_to_the_same(self, sandbox: Any, entity: Any) -> None:
        for serial in (1, THIN, FRAUD, INDEBTED):
            decision = decide(person(entity, serial), reference=f"application:{serial}:1")
            stored, again = services.replay(decision_id=decision.id)
            assert (again.outcome, list(again.reasons), again.score) == (stored.outcome, stored.reasons, stored.score)

    def test_nothing_personal_lies_open(self, sandbox: Any, entity: Any) -> None:
        customer = person(entity)
        decide(customer)
        with connection.cursor() as cursor:
            cursor.execute("SELECT raw FROM risk_bureaureport")
            raw = cursor.fetchone()[0]
            cursor.execute("SELECT inputs, features::text FROM risk_decision")
            inputs, features = cursor.fetchone()
        for text in (raw, inputs, features):
            assert customer.id_number not in text
            assert customer.name not in text
        assert json.loads(BureauReport.objects.get().raw)["person"]["id_number"] == customer.id_number

    def test_decisions_and_reports_cannot_be_changed(self, sandbox: Any, entity: Any) -> None:
        decide(person(entity))
        for model in (Decision, BureauReport, BureauQuery, Link):
            for deed in (lambda rows: rows.update(created_at=NOW), lambda rows: rows.delete()):
                with pytest.raises(DatabaseError), transaction.atomic():
                    deed(model.objects.all())

    def test_the_review_page_sees_texts_and_the_report_in_short(self, sandbox: Any, entity: Any) -> None:
        view = selectors.decision_view(decide(person(entity, INDEBTED)).id)
        assert {hit.code for hit in view.hits} >= {"BU-009"}
        assert all(hit.text for hit in view.hits)
        assert view.bureau is not None
        assert view.bureau.reason_code == "02"
        assert len(view.bureau.worst_months) == 24
        assert view.bureau.overdue == sum(line.overdue_amount for line in view.bureau.accounts)
        assert next(feature for feature in view.features if feature.name == "age").points is not None


class TestBureau:
    def test_without_consent_nobody_is_asked_and_nobody_approved(self, sandbox: Any, entity: Any) -> None:
        customer = person(entity)
        customer.consents.filter(kind="credit_query").update(withdrawn_at=NOW)
        decision = decide(customer)
        assert (decision.outcome, decision.reasons) == ("review", ["IN-001", "BQ-001"])
        assert BureauQuery.objects.get().outcome == "not_authorised"
        assert not GatewayCall.objects.filter(gateway="bureau").exists()

    @pytest.mark.parametrize("change", [{"authorisation_no": ""}, {"authorisation_document": None}, {"authorisation_document": "None"}])
    def test_without_a_written_authorisation_neither(self, sandbox: Any, entity: Any, change: dict[str, Any]) -> None:
        assert decide(person(entity), **change).outcome == "review"
        assert BureauQuery.objects.get().outcome == "not_authorised"

    def test_a_young_report_is_used_again_and_an_old_one_not(self, sandbox: Any, entity: Any) -> None:
        customer = person(entity)
        first = decide(customer)
        second = decide(customer, reference="application:1:2", now=NOW + dt.timedelta(days=14))
        third = decide(customer, reference="application:1:3", now=NOW + dt.timedelta(days=16))
        assert first.report_id == second.report_id != third.report_id
        assert list(BureauQuery.objects.order_by("at").values_list("outcome", flat=True)) == ["answered", "reused", "answered"]

    def test_another_lender_s_report_is_never_used(self, sandbox: Any, entity: Any) -> None:
        other = LegalEntityFactory()
        services.install_shipped_flows(legal_entity_id=other.id, actor=SYSTEM, now=NOW)
        here, there = person(entity), person(other)
        assert here.id_number == there.id_number
        assert decide(here).report_id != decide(there, reference="application:2:1").report_id

    def test_a_silent_bureau_is_asked_again_and_in_the_end_a_person_decides(self, sandbox: Any, entity: Any) -> None:
        sandbox.add_fault("bureau", "query", "unavailable", times=50)
        request_id = ask(person(entity))
        for _ in range(2):
            with pytest.raises(BureauSilent):
                services.make_decision(request_id=request_id, now=NOW)
        services.make_decision(request_id=request_id, now=NOW)
        decision = Decision.objects.get()
        assert (decision.outcome, decision.reasons) == ("review", ["IN-001", "BQ-002"])
        assert decision.report is None
        assert "bureau_status" in {gap["field"] for gap in decision.gaps}

    def test_a_refusal_is_a_review(self, sandbox: Any, entity: Any) -> None:
        sandbox.add_fault("bureau", "query", "refused")
        decision = decide(person(entity))
        assert (decision.outcome, decision.reasons) == ("review", ["IN-001", "BQ-003"])

    @pytest.mark.parametrize("raw", [{}, {"no_record": True}, [], "report", {"accounts": "many"}])
    def test_an_unreadable_report_is_kept_and_is_a_review(self, entity: Any, raw: Any, settings: Any) -> None:
        class Odd:
            def query(self, **_: Any) -> Any:
                return raw

        from apps.common import gateways

        gateways.gateway.cache_clear()
        settings.GATEWAYS = settings.GATEWAYS | {"bureau": f"{__name__}.odd"}
        globals()["odd"] = Odd
        try:
            decision = decide(person(entity))
        finally:
            gateways.gateway.cache_clear()
        assert (decision.outcome, decision.reasons) == ("review", ["IN-001", "BQ-004"])
        assert json.loads(decision.report.raw) == raw

    def test_a_report_about_somebody_else_is_declined(self, sandbox: Any, entity: Any) -> None:
        customer = person(entity)
        first = decide(customer)
        raw = json.loads(first.report.raw)
        raw["person"]["name"] = "别人"
        BureauReport.objects.create(
            legal_entity=entity,
            person_hash=first.report.person_hash,
            query_id=UUID(int=7),
            reason_code="02",
            report_no="X",
            fetched_at=NOW + dt.timedelta(minutes=1),
            no_record=False,
            readable=True,
            raw=json.dumps(raw),
        )
        second = decide(customer, reference="application:1:2", now=NOW + dt.timedelta(minutes=2))
        assert second.outcome == "decline"
        assert "AF-003" in second.reasons


class TestNeverSilence:
    def test_a_request_without_result_in_time_goes_to_a_person(self, entity: Any) -> None:
        request_id = ask(person(entity))
        assert services.time_out_requests(actor=SYSTEM, now=NOW + dt.timedelta(minutes=4)) == 0
        assert services.time_out_requests(actor=SYSTEM, now=NOW + dt.timedelta(minutes=5)) == 1
        assert services.time_out_requests(actor=SYSTEM, now=NOW + dt.timedelta(minutes=6)) == 0
        decision = Decision.objects.get(request_id=request_id)
        assert (decision.outcome, decision.reasons) == ("review", ["TO-001"])
        assert [message["outcome"] for message in news("risk.DecisionMade")] == ["review"]

    def test_a_result_after_the_time_changes_nothing(self, sandbox: Any, entity: Any) -> None:
        request_id = ask(person(entity))
        services.time_out_requests(actor=SYSTEM, now=NOW + dt.timedelta(minutes=5))
        services.make_decision(request_id=request_id, now=NOW + dt.timedelta(minutes=6))
        assert Decision.objects.get().reasons == ["TO-001"]
        assert len(news("risk.DecisionMade")) == 1

    def test_without_a_live_flow_everything_is_a_review(self, sandbox: Any, entity: Any) -> None:
        services.retire_version(version_id=DecisionFlowVersion.objects.get().id, actor=SYSTEM, now=NOW)
        assert decide(person(entity)).reasons == ["SY-001"]

    def test_a_slow_evaluation_never_approves(self, entity: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        version = DecisionFlowVersion.objects.get()
        flow = evaluation.flow_of(version)

        class Slow:
            def decide(self, values: Any) -> Any:
                time.sleep(0.02)
                return flow.decide(values)

        good = sample_values(flow.reads, "good")
        assert evaluation.evaluate(version, good, limit_ms=60_000)[0].outcome == "approve"
        monkeypatch.setattr(evaluation, "flow_of", lambda _: Slow())
        verdict, spent = evaluation.evaluate(version, good, limit_ms=10)
        assert (verdict.outcome, verdict.reasons) == ("review", ("SY-003",))
        assert spent >= 20

    def test_a_definition_damaged_in_the_database_never_approves(self, sandbox: Any, entity: Any) -> None:
        version = DecisionFlowVersion.objects.get()
        damaged = DecisionFlowVersion(id=version.id, digest="damaged", definition={})
        evaluation._flow.cache_clear()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(evaluation, "flow_of", lambda _: evaluation.Flow(damaged.definition))
            assert decide(person(entity)).reasons == ["SY-002"]


class TestSignals:
    def test_three_people_on_one_device_are_fraud(self, sandbox: Any, entity: Any) -> None:
        outcomes = []
        for serial in range(3):
            customer = person(entity, serial)
            customer.contacts.all().delete()
            for number in range(2):
                ContactFactory(customer=customer, serial=serial * 10 + number)
            LoginRecord.objects.create(customer=customer, at=NOW, device_hash="d" * 64)
            outcomes.append(decide(customer, reference=f"application:{serial}:1"))
        assert [decision.outcome for decision in outcomes] == ["approve", "review", "decline"]
        assert [decision.reasons for decision in outcomes] == [[], ["AF-005"], ["AF-004"]]

    def test_a_shared_contact_is_seen(self, sandbox: Any, entity: Any) -> None:
        assert decide(person(entity, 1)).outcome == "approve"
        second = decide(person(entity, 2), reference="application:2:1")
        assert (second.outcome, second.reasons) == ("review", ["AF-007"])

    def test_lists_hit_are_logged(self, sandbox: Any, entity: Any) -> None:
        customer = person(entity)
        entry = services.add_list_entry(
            legal_entity_id=entity.id,
            colour="black",
            kind="id_number",
            value=customer.id_number.lower(),
            reason="court record",
            source="manual",
            actor=staff(entity.id, "risk_analyst"),
            now=NOW,
        )
        assert customer.id_number not in (entry.masked, entry.value_hash)
        decision = decide(customer)
        assert (decision.outcome, decision.reasons[0]) == ("decline", "AF-001")
        assert ListHit.objects.get().entry_id == entry.id

    @pytest.mark.parametrize("kind", ["phone", "id_number", "card_number", "device"])
    def test_an_entry_hits_however_it_was_typed(self, sandbox: Any, entity: Any, kind: str) -> None:
        customer = person(entity)
        LoginRecord.objects.create(customer=customer, at=NOW, device_hash=blind_index("device-1", purpose="device"))
        phone, card = customer.phone, customer.cards.get().number
        typed = {
            "phone": f"+86 {phone[:3]}-{phone[3:7]}-{phone[7:]}",
            "id_number": f" {customer.id_number[:6]} {customer.id_number[6:]}",
            "card_number": f"{card[:4]} {card[4:8]}-{card[8:]}",
            "device": " device-1",
        }
        services.add_list_entry(
            legal_entity_id=entity.id, colour="black", kind=kind, value=typed[kind], reason="x", source="y", actor=SYSTEM, now=NOW
        )
        assert decide(customer).reasons[0] == "AF-001"

    @pytest.mark.parametrize(
        ("kind", "value"), [("phone", "12345"), ("id_number", "110101199003071230"), ("card_number", "6222"), ("company", "某某公司")]
    )
    def test_what_would_never_hit_is_not_taken(self, entity: Any, kind: str, value: str) -> None:
        with pytest.raises(BadInput):
            services.add_list_entry(
                legal_entity_id=entity.id, colour="black", kind=kind, value=value, reason="x", source="y", actor=SYSTEM, now=NOW
            )
        assert not ListEntry.objects.exists()

    def test_without_the_consent_to_device_data_a_person_decides(self, sandbox: Any, entity: Any) -> None:
        """Three people on one device would be declined; who keeps their device data to themselves is only looked at."""
        for serial in range(3):
            LoginRecord.objects.create(customer=person(entity, serial), at=NOW, device_hash="d" * 64)
        customer = person(entity, 5)
        LoginRecord.objects.create(customer=customer, at=NOW, device_hash="d" * 64)
        customer.contacts.all().delete()
        for number in range(2):
            ContactFactory(customer=customer, serial=700 + number)
        Consent.objects.filter(customer=customer, kind="data_collection").update(withdrawn_at=NOW)
        decision = decide(customer)
        assert (decision.outcome, decision.reasons) == ("review", ["IN-001"])
        assert [gap["field"] for gap in decision.gaps] == ["device_applicants"]
        assert not Link.objects.filter(kind="device", customer_ref=customer.id).exists()

    def test_an_ended_entry_hits_no_more(self, sandbox: Any, entity: Any) -> None:
        customer = person(entity)
        analyst = staff(entity.id, "risk_analyst")
        entry = services.add_list_entry(
            legal_entity_id=entity.id, colour="grey", kind="phone", value=customer.phone, reason="x", source="y", actor=analyst, now=NOW
        )
        later = NOW + dt.timedelta(days=3)
        services.end_list_entry(entry_id=entry.id, actor=analyst, now=later)
        assert decide(customer, now=later).outcome == "approve"

    def test_a_value_stands_once_on_a_list(self, entity: Any) -> None:
        analyst = staff(entity.id, "risk_analyst")
        values = {"colour": "black", "kind": "phone", "value": "13812345678", "reason": "x", "source": "y", "actor": analyst, "now": NOW}
        services.add_list_entry(legal_entity_id=entity.id, **values)
        with pytest.raises(Exception, match="on the list|名单"):
            services.add_list_entry(legal_entity_id=entity.id, **values)
        assert ListEntry.objects.count() == 1


class TestVersions:
    @pytest.fixture
    def definition(self) -> dict[str, Any]:
        return copy.deepcopy(DecisionFlowVersion.objects.get().definition)

    def draft(self, entity: Any, definition: dict[str, Any], author: Any) -> DecisionFlowVersion:
        for node in definition["nodes"]:
            if node["id"] == "score":
                node["content"]["expressions"][0]["value"] = "101 + sum(map(score_hits, #.points))"
        cases = DecisionFlowVersion.objects.get(version=1).test_cases
        return services.create_version(
            flow_code="car_loan", legal_entity_id=entity.id, definition=definition, test_cases=cases, actor=author, now=NOW
        )

    def test_the_shipped_flow_goes_live_once(self, entity: Any) -> None:
        version = DecisionFlowVersion.objects.get()
        assert (version.state, version.author, version.publisher) == ("live", "system:risk.shipped", "system:tests")
        assert services.install_shipped_flows(legal_entity_id=entity.id, actor=SYSTEM, now=NOW) == 0

    def test_nobody_publishes_own_work(self, entity: Any, definition: dict[str, Any]) -> None:
        maker = staff(entity.id, "risk_analyst", name="maker", user_id=UUID(int=1))
        checker = staff(entity.id, "risk_analyst", name="checker", user_id=UUID(int=2))
        version = self.draft(entity, definition, maker)
        services.check_version(version_id=version.id, actor=maker, now=NOW)
        services.submit_version(version_id=version.id, actor=maker, now=NOW)
        with pytest.raises(versions.OwnVersion):
            services.publish_version(version_id=version.id, actor=maker, now=NOW)
        with pytest.raises(versions.OwnVersion):
            services.start_gray(version_id=version.id, share_bp=100, actor=maker, now=NOW)
        services.publish_version(version_id=version.id, actor=checker, now=NOW)
        states = dict(DecisionFlowVersion.objects.values_list("version", "state"))
        assert states == {1: "retired", 2: "live"}

    def test_a_published_version_decides_at_once_and_rolls_back(self, sandbox: Any, entity: Any, definition: dict[str, Any]) -> None:
        customer = person(entity)
        before = decide(customer)
        maker = staff(entity.id, "risk_analyst", name="maker", user_id=UUID(int=1))
        version = self.draft(entity, definition, maker)
        services.check_version(version_id=version.id, actor=maker, now=NOW)
        services.submit_version(version_id=version.id, actor=maker, now=NOW)
        services.publish_version(version_id=version.id, actor=SYSTEM, now=NOW)
        after = decide(customer, reference="application:1:2")
        assert (after.flow_version.version, after.score) == (2, before.score + 1)
        services.publish_version(version_id=before.flow_version_id, actor=SYSTEM, now=NOW)
        again = decide(customer, reference="application:1:3")
        assert (again.flow_version.version, again.score) == (1, before.score)

    def test_a_gray_version_takes_its_share_and_the_same_person_always_falls_alike(self, entity: Any, definition: dict[str, Any]) -> None:
        maker = staff(entity.id, "risk_analyst", name="maker", user_id=UUID(int=1))
        version = self.draft(entity, definition, maker)
        services.check_version(version_id=version.id, actor=maker, now=NOW)
        services.submit_version(version_id=version.id, actor=maker, now=NOW)
        services.start_gray(version_id=version.id, share_bp=2_500, actor=SYSTEM, now=NOW)

        def chosen(key: str) -> int:
            found = evaluation.version_for(flow_code="car_loan", legal_entity_id=entity.id, key=key)
            return found.version if found else 0

        choices = [chosen(str(number)) for number in range(400)]
        assert 60 < choices.count(2) < 140
        assert choices == [chosen(str(number)) for number in range(400)]

    def test_a_flow_with_mistakes_never_becomes_a_version(self, entity: Any, definition: dict[str, Any]) -> None:
        definition["nodes"].append({"id": "js", "type": "functionNode", "name": "js", "content": {"source": "x"}})
        with pytest.raises(versions.FlowNotSound):
            self.draft(entity, definition, SYSTEM)

    def test_a_failing_test_case_keeps_it_a_draft(self, entity: Any, definition: dict[str, Any]) -> None:
        version = self.draft(entity, definition, SYSTEM)
        cases = copy.deepcopy(version.test_cases)
        cases[0]["outcome"] = "decline"
        services.change_version(version_id=version.id, definition=definition, test_cases=cases, actor=SYSTEM, now=NOW)
        with pytest.raises(versions.FlowNotSound):
            services.check_version(version_id=version.id, actor=SYSTEM, now=NOW)
        assert DecisionFlowVersion.objects.get(id=version.id).state == "draft"

    def test_a_definition_is_frozen_outside_draft_even_for_sql(self, entity: Any) -> None:
        with pytest.raises(DatabaseError), transaction.atomic():
            DecisionFlowVersion.objects.update(definition={})

    def test_staff_of_another_lender_see_no_version(self, entity: Any) -> None:
        stranger = staff(LegalEntityFactory().id, "risk_analyst")
        with pytest.raises(versions.NoSuchVersion):
            services.retire_version(version_id=DecisionFlowVersion.objects.get().id, actor=stranger, now=NOW)


class TestStates:
    def test_the_version_s_edges_are_those_of_the_law(self) -> None:
        assert {state: set(targets) for state, targets in VERSION_EDGES.items()} == {
            "draft": {"tested"},
            "tested": {"submitted", "draft"},
            "submitted": {"gray", "live", "draft"},
            "gray": {"live", "retired"},
            "live": {"retired"},
            "retired": {"live"},
        }

    @pytest.mark.parametrize(("model", "edges"), [(DecisionFlowVersion, VERSION_EDGES), (DecisionRequest, REQUEST_EDGES)])
    def test_python_and_database_agree(self, model: Any, edges: dict[str, tuple[str, ...]]) -> None:
        field = model._meta.get_field("state")
        python = {(t.source, t.target) for t in field.get_all_transitions(model)}
        assert python == {(source, target) for source, targets in edges.items() for target in targets}

    def test_the_database_refuses_other_edges(self, entity: Any) -> None:
        for state in ("draft", "tested", "submitted", "gray"):
            with pytest.raises(DatabaseError), transaction.atomic():
                DecisionFlowVersion.objects.update(state=state)

    def test_waiting_requests_end_once(self, sandbox: Any, entity: Any) -> None:
        decide(person(entity))
        for state in ("waiting", "timed_out"):
            with pytest.raises(DatabaseError), transaction.atomic():
                DecisionRequest.objects.update(state=state)


def test_subjects_have_a_limit(entity: Any) -> None:
    with pytest.raises(deciding.SubjectTooLarge):
        ask(person(entity), note="x" * 30_000)
