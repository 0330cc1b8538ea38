"""Tasks and runs: claimed by one, done once, returned, timed out; versions that running orders stay on."""

from __future__ import annotations

import datetime as dt
import threading
from typing import Any

import pgtrigger
import pytest
from django.db import DatabaseError, connection, transaction

from apps.common.actors import Actor
from apps.common.errors import NotPermitted
from apps.common.models import OutboxMessage, new_id
from apps.common.scope import DataScope
from apps.flows import selectors, services
from apps.flows.models import RUN_EDGES, TASK_EDGES, VERSION_EDGES, FlowRun, FlowTask, FlowVersion
from apps.flows.services.runs import NoFlow
from apps.flows.services.versions import NotADraft
from apps.flows.tests.factories import FlowTaskFactory, FlowVersionFactory, approval, work
from apps.organisations.tests.factories import LegalEntityFactory, UserFactory

NOW = dt.datetime(2026, 3, 1, 4, tzinfo=dt.UTC)
SYSTEM = Actor.system("test")


@pytest.fixture
def entity(db):
    return LegalEntityFactory()


def reviewer(entity, roles=("credit_reviewer",)) -> Actor:
    return Actor.of(UserFactory(legal_entity=entity, roles=list(roles)))


def news(name: str) -> list[dict[str, Any]]:
    return [message.payload for message in OutboxMessage.objects.filter(name=f"flows.{name}").order_by("id")]


def open_task(entity, **more):
    facts = {"subject_kind": "application", "subject_ref": new_id(), "activity": "credit_review", "permission": "applications.review"}
    return services.open_task(**(facts | {"legal_entity_id": entity.id, "due_at": None, "actor": SYSTEM, "now": NOW} | more))


def complete(task, actor, outcome="approve", **more):
    return services.complete_task(task_id=task.id, outcome=outcome, reason="looked at it", actor=actor, now=NOW, **more)


class TestTasks:
    def test_opening_tells_of_it(self, entity):
        task = open_task(entity, due_at=NOW + dt.timedelta(minutes=30))
        (told,) = news("FlowTaskOpened")
        assert (told["task_id"], told["permission"]) == (str(task.id), "applications.review")
        assert isinstance(task.opened_at, dt.datetime)

    def test_opening_again_returns_the_open_one(self, entity):
        ref = new_id()
        assert open_task(entity, subject_ref=ref).id == open_task(entity, subject_ref=ref).id
        assert len(news("FlowTaskOpened")) == 1

    def test_after_it_is_done_another_may_be_opened(self, entity):
        ref = new_id()
        first = open_task(entity, subject_ref=ref)
        complete(first, reviewer(entity))
        assert open_task(entity, subject_ref=ref).id != first.id

    def test_claiming_takes_it_from_the_others(self, entity):
        task = open_task(entity)
        one, other = reviewer(entity), reviewer(entity)
        services.claim_task(task_id=task.id, actor=one, now=NOW)
        services.claim_task(task_id=task.id, actor=one, now=NOW)  # again: nothing changes
        with pytest.raises(services.TaskTaken):
            services.claim_task(task_id=task.id, actor=other, now=NOW)
        with pytest.raises(services.TaskNotYours):
            complete(task, other)
        assert [view.id for view in selectors.my_tasks(one)] == [task.id]
        assert selectors.open_tasks(other) == []
        assert [view.id for view in selectors.team_tasks(other)] == [task.id]

    def test_handed_back_it_waits_for_the_others_again(self, entity):
        task = open_task(entity)
        one, other, admin = reviewer(entity), reviewer(entity), reviewer(entity, ["entity_admin"])
        services.claim_task(task_id=task.id, actor=one, now=NOW)
        with pytest.raises(services.TaskNotYours):
            services.hand_back_task(task_id=task.id, actor=other, now=NOW)
        services.hand_back_task(task_id=task.id, actor=one, now=NOW)
        services.claim_task(task_id=task.id, actor=other, now=NOW)
        services.hand_back_task(task_id=task.id, actor=admin, now=NOW, reason="on leave")
        assert selectors.open_tasks(one)[0].state == "waiting"

    def test_completing_claims_an_unclaimed_task_and_tells(self, entity):
        done = complete(open_task(entity), reviewer(entity))
        assert (done.state, done.outcome, done.reason, done.ended_at) == ("done", "approve", "looked at it", NOW)
        assert done.claimed_by_id is not None
        assert news("FlowTaskCompleted")[0]["outcome"] == "approve"

    def test_a_done_task_cannot_be_done_again(self, entity):
        task, actor = open_task(entity), reviewer(entity)
        complete(task, actor)
        with pytest.raises(services.NoSuchTask):
            complete(task, actor)
        assert len(news("FlowTaskCompleted")) == 1

    def test_completing_by_subject(self, entity):
        task, actor = open_task(entity), reviewer(entity)
        arguments = {"subject_kind": "application", "subject_ref": task.subject_ref, "activity": "credit_review"}
        deed = {"outcome": "approve", "reason": "", "actor": actor, "now": NOW}
        assert services.complete_subject_task(**arguments, **deed).state == "done"
        assert services.complete_subject_task(**arguments, **deed) is None

    @pytest.mark.parametrize("roles", [[], ["collector"], ["auditor"], ["disbursement_reviewer"]])
    def test_without_its_permission_nobody_takes_it(self, entity, roles):
        task, actor = open_task(entity), reviewer(entity, roles)
        assert selectors.open_tasks(actor) == []
        with pytest.raises(NotPermitted):
            services.claim_task(task_id=task.id, actor=actor, now=NOW)
        with pytest.raises(NotPermitted):
            complete(task, actor)

    def test_another_entity_sees_nothing_of_it(self, entity):
        task, stranger = open_task(entity), reviewer(LegalEntityFactory())
        assert selectors.open_tasks(stranger) == []
        for deed in (lambda: services.claim_task(task_id=task.id, actor=stranger, now=NOW), lambda: complete(task, stranger)):
            with pytest.raises(services.NoSuchTask):
                deed()
        with pytest.raises(NotPermitted):
            open_task(entity, actor=stranger)

    def test_a_machines_task_is_not_for_people(self, entity):
        task = open_task(entity, permission="")
        with pytest.raises(NotPermitted):
            complete(task, reviewer(entity))
        assert complete(task, SYSTEM, "done").state == "done"

    def test_cancelling_takes_all_open_tasks_of_a_subject(self, entity):
        ref = new_id()
        open_task(entity, subject_ref=ref)
        open_task(entity, subject_ref=ref, activity="phone_check")
        other = open_task(entity)
        cancel = {"subject_kind": "application", "subject_ref": ref, "actor": SYSTEM, "now": NOW}
        assert services.cancel_tasks(activity="phone_check", **cancel) == 1
        assert services.cancel_tasks(**cancel) == 1
        assert services.cancel_tasks(**cancel) == 0
        assert selectors.task_for("application", ref, "credit_review") is None
        assert selectors.task_for("application", other.subject_ref, "credit_review").id == other.id
        assert [view.state for view in selectors.tasks_of("application", ref)] == ["cancelled", "cancelled"]

    def test_the_workbench_shows_the_most_urgent_first(self, entity, django_assert_num_queries):
        actor = reviewer(entity)
        late = open_task(entity, due_at=NOW - dt.timedelta(hours=1))
        never = open_task(entity)
        soon = open_task(entity, due_at=NOW + dt.timedelta(hours=1))
        with django_assert_num_queries(1):
            listed = selectors.open_tasks(actor)
        assert [view.id for view in listed] == [late.id, soon.id, never.id]
        assert [view.is_overdue(NOW) for view in listed] == [True, False, False]
        assert selectors.next_task(actor).id == late.id
        assert selectors.count_open(actor) == {"credit_review": 3}

    def test_a_user_may_ask_as_well_as_an_actor(self, entity):
        user = UserFactory(legal_entity=entity, roles=["credit_reviewer"])
        task = open_task(entity)
        services.claim_task(task_id=task.id, actor=Actor.of(user), now=NOW)
        assert [view.id for view in selectors.my_tasks(user)] == [task.id]
        assert [view.id for view in selectors.open_tasks(user)] == [task.id]

    def test_overdue_is_told_once(self, entity):
        task = open_task(entity, due_at=NOW)
        open_task(entity, due_at=NOW + dt.timedelta(hours=2))
        later = NOW + dt.timedelta(minutes=1)
        assert services.sweep_overdue(actor=SYSTEM, now=later) == 1
        assert services.sweep_overdue(actor=SYSTEM, now=later) == 0
        assert [told["task_id"] for told in news("FlowTaskOverdue")] == [str(task.id)]
        assert selectors.task_for("application", task.subject_ref, "credit_review") is not None


@pytest.mark.django_db(transaction=True)
def test_of_many_who_claim_at_once_one_gets_it():
    entity = LegalEntityFactory()
    task = open_task(entity)
    actors = [reviewer(entity) for _ in range(6)]
    start, results = threading.Barrier(len(actors)), []

    def try_it(actor: Actor) -> None:
        start.wait()
        try:
            services.claim_task(task_id=task.id, actor=actor, now=NOW)
            results.append("mine")
        except services.TaskTaken:
            results.append("taken")
        finally:
            connection.close()

    threads = [threading.Thread(target=try_it, args=[actor]) for actor in actors]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == ["mine"] + ["taken"] * (len(actors) - 1)


class TestRuns:
    def start(self, entity, *activities, facts=None, ref=None):
        version = FlowVersionFactory(legal_entity=entity, definition={"activities": list(activities)})
        services.publish_version(version_id=version.id, actor=SYSTEM, now=NOW)
        return services.start_run(
            flow_code="some_flow",
            legal_entity_id=entity.id,
            subject_kind="application",
            subject_ref=ref or new_id(),
            facts=facts or {},
            actor=SYSTEM,
            now=NOW,
        )

    def open_of(self, run_id) -> list[str]:
        return list(FlowTask.objects.filter(run_id=run_id, state__in=["waiting", "claimed"]).values_list("activity", flat=True))

    def task(self, run_id) -> FlowTask:
        return FlowTask.objects.get(run_id=run_id, state__in=["waiting", "claimed"])

    def test_it_leads_from_activity_to_activity_to_the_end(self, entity):
        run_id = self.start(entity, work("screening", sla_minutes=5), approval("review"))
        first = self.task(run_id)
        assert first.due_at == NOW + dt.timedelta(minutes=5)
        complete(first, SYSTEM, "done")
        assert self.open_of(run_id) == ["review"]
        complete(self.task(run_id), reviewer(entity))
        run = FlowRun.objects.get(id=run_id)
        assert (run.state, run.outcome, run.ended_at) == ("ended", "approve", NOW)
        assert run.facts == {"screening": "done", "review": "approve"}
        assert news("FlowRunEnded")[0]["outcome"] == "approve"

    def test_conditions_see_the_facts_of_the_start_and_of_the_tasks(self, entity):
        run_id = self.start(entity, work("screening"), approval("review", when="grade == 'D'"), approval("second"), facts={"grade": "A"})
        complete(self.task(run_id), SYSTEM, "done", facts={"grade": "D"})
        assert self.open_of(run_id) == ["review"]

    def test_a_return_goes_back_and_a_rejection_ends(self, entity):
        returned = approval("review", on={"approve": "next", "reject": "end", "return": "screening"})
        run_id = self.start(entity, work("screening"), returned)
        complete(self.task(run_id), SYSTEM, "done")
        complete(self.task(run_id), reviewer(entity), "return")
        assert self.open_of(run_id) == ["screening"]
        complete(self.task(run_id), SYSTEM, "done")
        complete(self.task(run_id), reviewer(entity), "reject")
        assert FlowRun.objects.get(id=run_id).outcome == "reject"

    def test_an_outcome_the_flow_does_not_know_changes_nothing(self, entity):
        run_id = self.start(entity, approval("review"))
        with pytest.raises(services.OutcomeUnknown):
            complete(self.task(run_id), reviewer(entity), "shrug")
        assert self.task(run_id).state == "waiting"

    def test_starting_twice_gives_the_same_run(self, entity):
        ref = new_id()
        run_id = self.start(entity, approval("review"), ref=ref)
        again = services.start_run(
            flow_code="some_flow", legal_entity_id=entity.id, subject_kind="application", subject_ref=ref, facts={}, actor=SYSTEM, now=NOW
        )
        assert again == run_id
        assert FlowTask.objects.filter(run_id=run_id).count() == 1

    def test_a_running_order_stays_on_its_version(self, entity):
        run_id = self.start(entity, approval("review"), approval("second"))
        newer = services.create_version(
            legal_entity_id=entity.id, code="some_flow", definition={"activities": [approval("other")]}, actor=SYSTEM, now=NOW
        )
        services.publish_version(version_id=newer.id, actor=SYSTEM, now=NOW)
        complete(self.task(run_id), reviewer(entity))
        assert self.open_of(run_id) == ["second"]
        assert self.open_of(self.start_other(entity)) == ["other"]

    def start_other(self, entity, product_code=""):
        return services.start_run(
            flow_code="some_flow",
            legal_entity_id=entity.id,
            subject_kind="application",
            subject_ref=new_id(),
            facts={},
            product_code=product_code,
            actor=SYSTEM,
            now=NOW,
        )

    def test_a_products_own_flow_goes_before_the_entitys(self, entity):
        self.start(entity, approval("review"))
        own = services.create_version(
            legal_entity_id=entity.id,
            code="some_flow",
            product_code="CAR-01",
            definition={"activities": [approval("own")]},
            actor=SYSTEM,
            now=NOW,
        )
        services.publish_version(version_id=own.id, actor=SYSTEM, now=NOW)
        assert self.open_of(self.start_other(entity, "CAR-01")) == ["own"]
        assert self.open_of(self.start_other(entity, "CAR-02")) == ["review"]

    def test_without_a_published_flow_nothing_starts(self, entity):
        with pytest.raises(NoFlow):
            self.start_other(entity)

    def test_a_time_out_leads_where_the_flow_says(self, entity):
        timed = approval("review", sla_minutes=10, on={"approve": "next", "reject": "end", "timeout": "second"})
        run_id = self.start(entity, timed, approval("second"))
        services.sweep_overdue(actor=SYSTEM, now=NOW + dt.timedelta(minutes=11))
        assert self.open_of(run_id) == ["second"]
        assert FlowTask.objects.get(run_id=run_id, activity="review").outcome == "timeout"

    def test_a_run_that_cannot_go_on_does_not_stop_the_sweep(self, entity):
        timed = approval("review", sla_minutes=10, on={"approve": "next", "reject": "end", "timeout": "second"})
        run_id = self.start(entity, timed, approval("second"))
        late = open_task(entity, due_at=NOW + dt.timedelta(minutes=10, seconds=30))
        broken = FlowVersion.objects.get(id=FlowRun.objects.get(id=run_id).version_id)
        with pgtrigger.ignore():
            FlowVersion.objects.filter(id=broken.id).update(definition={"activities": "none"})
        for _ in range(2):
            services.sweep_overdue(actor=SYSTEM, now=NOW + dt.timedelta(minutes=11))
        assert [told["task_id"] for told in news("FlowTaskOverdue")] == [str(late.id)]
        assert self.open_of(run_id) == ["review"]
        with pgtrigger.ignore():
            FlowVersion.objects.filter(id=broken.id).update(definition=broken.definition)
        assert services.sweep_overdue(actor=SYSTEM, now=NOW + dt.timedelta(minutes=12)) == 1
        assert self.open_of(run_id) == ["second"]

    def test_a_task_that_is_to_wait_only_becomes_overdue(self, entity):
        timed = approval("review", sla_minutes=10, on={"approve": "next", "reject": "end", "timeout": "wait"})
        run_id = self.start(entity, timed)
        services.sweep_overdue(actor=SYSTEM, now=NOW + dt.timedelta(minutes=11))
        assert self.open_of(run_id) == ["review"]

    def test_a_run_that_is_cancelled_takes_its_tasks_along(self, entity):
        ref = new_id()
        run_id = self.start(entity, approval("review"), ref=ref)
        cancel = {"subject_kind": "application", "subject_ref": ref, "reason": "withdrawn", "actor": SYSTEM, "now": NOW}
        assert services.cancel_run(**cancel) is True
        assert services.cancel_run(**cancel) is False
        assert self.open_of(run_id) == []
        assert FlowRun.objects.get(id=run_id).state == "cancelled"


class TestVersions:
    def test_publishing_checks_the_definition(self, entity):
        version = FlowVersionFactory(legal_entity=entity, definition={"activities": [approval("a", permission="moon.walk")]})
        with pytest.raises(services.FlowInvalid) as refusal:
            services.publish_version(version_id=version.id, actor=SYSTEM, now=NOW)
        assert "moon.walk" in refusal.value.fields["definition"][0]

    def test_one_version_is_published_and_an_older_one_may_come_back(self, entity):
        first = FlowVersionFactory(legal_entity=entity)
        second = services.create_version(legal_entity_id=entity.id, code=first.code, definition=first.definition, actor=SYSTEM, now=NOW)
        assert second.version == first.version + 1
        for version in (first, second, first):
            services.publish_version(version_id=version.id, actor=SYSTEM, now=NOW)
        assert selectors.published_version(flow_code=first.code, legal_entity_id=entity.id).id == first.id
        assert FlowVersion.objects.get(id=second.id).state == "retired"

    def test_only_drafts_are_edited(self, entity):
        version = FlowVersionFactory(legal_entity=entity)
        services.edit_version(version_id=version.id, definition={"activities": [approval("b")]}, actor=SYSTEM, now=NOW)
        services.publish_version(version_id=version.id, actor=SYSTEM, now=NOW)
        with pytest.raises(NotADraft):
            services.edit_version(version_id=version.id, definition={}, actor=SYSTEM, now=NOW)

    def test_an_entity_edits_its_own_flows_only(self, entity):
        version = FlowVersionFactory(legal_entity=LegalEntityFactory())
        admin = reviewer(entity, ["entity_admin"])
        with pytest.raises(services.versions.NoSuchFlow):
            services.publish_version(version_id=version.id, actor=admin, now=NOW)
        with pytest.raises(NotPermitted):
            services.create_version(legal_entity_id=version.legal_entity_id, code="x", definition={}, actor=admin, now=NOW)
        with pytest.raises(NotPermitted):
            services.create_version(legal_entity_id=entity.id, code="x", definition={}, actor=reviewer(entity), now=NOW)

    def test_shipped_flows_are_installed_once(self, entity):
        installed = services.install_shipped_flows(legal_entity_id=entity.id, actor=SYSTEM, now=NOW)
        assert [(version.code, version.state) for version in installed] == [("car_loan", "published"), ("disbursement_review", "published")]
        assert services.install_shipped_flows(legal_entity_id=entity.id, actor=SYSTEM, now=NOW) == []

    @pytest.mark.parametrize(("outcome", "following"), [("approve", "contract"), ("review", "credit_review"), (None, "credit_review")])
    def test_the_shipped_car_loan_flow_asks_a_person_unless_the_machine_is_sure(self, entity, outcome, following):
        services.install_shipped_flows(legal_entity_id=entity.id, actor=SYSTEM, now=NOW)
        ref = new_id()
        run_id = services.start_run(
            flow_code="car_loan", legal_entity_id=entity.id, subject_kind="application", subject_ref=ref, facts={}, actor=SYSTEM, now=NOW
        )
        screening = selectors.task_for("application", ref, "screening")
        complete(screening, SYSTEM, "done", facts={"outcome": outcome} if outcome else None)
        assert FlowTask.objects.get(run_id=run_id, state="waiting").activity == following


EVERY_STATE_FIELD = [(FlowVersion, VERSION_EDGES), (FlowRun, RUN_EDGES), (FlowTask, TASK_EDGES)]


@pytest.mark.parametrize(("model", "edges"), EVERY_STATE_FIELD)
def test_the_databases_edges_equal_the_python_transitions(model, edges):
    field = model._meta.get_field("state")
    python = {(source.source, source.target) for source in field.get_all_transitions(model)}
    assert python == {(source, target) for source, targets in edges.items() for target in targets}


@pytest.mark.django_db
def test_the_database_refuses_an_illegal_change_of_state():
    task = FlowTaskFactory()
    with pytest.raises(DatabaseError), transaction.atomic():
        FlowTask.objects.filter(id=task.id).update(state="done")


@pytest.mark.django_db
@pytest.mark.parametrize("model", [FlowVersion, FlowTask])
def test_rows_are_scoped_to_their_entity(model):
    row = {FlowVersion: FlowVersionFactory, FlowTask: FlowTaskFactory}[model]()
    assert model.objects.within(DataScope("entity", row.legal_entity_id)).exists()
    assert not model.objects.within(DataScope("entity", new_id())).exists()
    assert not model.objects.within(DataScope("customer", new_id())).exists()
