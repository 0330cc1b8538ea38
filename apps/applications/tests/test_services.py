"""Stories of orders: entered, screened, reviewed, offered, accepted, ended."""

from __future__ import annotations

import dataclasses
import datetime as dt
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import DatabaseError, transaction

from apps.applications import selectors, services
from apps.applications.handlers import on_decision_made
from apps.applications.models import EDGES, Application, ApplicationEvent, Offer, State
from apps.applications.services import creation, offers, records, screening
from apps.applications.tests.factories import NOW, PDF, SYSTEM, Shop, again, customer_actor, names, person, states
from apps.common import clock, outbox
from apps.common.actors import Actor
from apps.common.errors import NotPermitted
from apps.common.models import OutboxMessage
from apps.customers.models import Customer
from apps.customers.tests.factories import ContactFactory
from apps.dealers.tests.factories import ConsultantFactory
from apps.flows import selectors as flows
from apps.organisations.models import User
from apps.risk import services as risk
from apps.risk.events import DecisionMade
from apps.risk.models import Decision, DecisionFlowVersion, DecisionRequest

pytestmark = pytest.mark.django_db
THIN, FRAUD, INDEBTED = 910, 920, 930


class TestCreation:
    def test_an_order_is_opened_by_the_customer_s_id_number(self, shop: Shop) -> None:
        customer = person(shop.entity)
        application = shop.enter(customer)
        assert (application.state, application.customer_id) == ("draft", customer.id)
        assert (application.shop_id, application.dealer_id) == (shop.consultant.shop_id, shop.consultant.shop.dealer_id)
        assert application.requested_amount == application.vehicle_price - application.down_payment
        assert application.number.startswith("CL20260302-")
        assert application.created_by_id == shop.consultant.user_id

    def test_an_unknown_id_number_is_told(self, shop: Shop) -> None:
        with pytest.raises(creation.CustomerUnknown):
            shop.enter(person(shop.entity), id_number="110101199003079999")

    def test_a_customer_of_another_lender_is_unknown(self, shop: Shop) -> None:
        stranger = person(ConsultantFactory().shop.dealer.legal_entity)
        with pytest.raises(creation.CustomerUnknown):
            shop.enter(stranger)

    def test_an_unverified_customer_cannot_apply(self, shop: Shop) -> None:
        customer = person(shop.entity, state=Customer.State.REGISTERED)
        with pytest.raises(creation.CustomerNotVerified):
            shop.enter(customer)

    def test_a_missing_consent_is_named(self, shop: Shop) -> None:
        customer = person(shop.entity)
        customer.consents.filter(kind="credit_query").update(withdrawn_at=NOW)
        with pytest.raises(creation.ConsentMissing, match="credit_query"):
            shop.enter(customer)

    def test_one_open_application_per_customer_also_for_sql(self, shop: Shop) -> None:
        customer = person(shop.entity)
        first = shop.enter(customer)
        with pytest.raises(creation.AlreadyOpen):
            shop.enter(customer)
        copy = again(first)
        copy.id, copy.number = uuid4(), "CL-2"
        with pytest.raises(DatabaseError), transaction.atomic():
            copy.save(force_insert=True)

    def test_after_a_decline_the_customer_waits(self, sandbox: Any, shop: Shop) -> None:
        customer = person(shop.entity, FRAUD)
        assert shop.decided(customer).state == "declined"
        with pytest.raises(creation.CoolingOff):
            shop.enter(customer, now=NOW + dt.timedelta(days=29))
        assert shop.enter(customer, now=NOW + dt.timedelta(days=31)).state == "draft"

    @pytest.mark.parametrize(
        "wish",
        [
            {"price": Decimal(0)},
            {"price": Decimal("NaN")},
            {"down_payment": Decimal(-1)},
            {"down_payment": Decimal(200_000)},
            {"term": 0},
            {"term": 121},
            {"lease_type": "rent"},
        ],
    )
    def test_an_impossible_wish_is_refused(self, shop: Shop, wish: dict[str, Any]) -> None:
        with pytest.raises(creation.BadWish):
            shop.enter(person(shop.entity), **wish)

    def test_a_consultant_opens_orders_for_nobody_else(self, shop: Shop) -> None:
        colleague = ConsultantFactory(shop=shop.consultant.shop)
        manager = ConsultantFactory(shop=shop.consultant.shop, is_manager=True)
        customer = person(shop.entity)
        with pytest.raises(NotPermitted):
            shop.enter(customer, actor=Actor.of(User.objects.get(id=colleague.user_id)))
        assert shop.enter(customer, actor=Actor.of(User.objects.get(id=manager.user_id))).consultant_id == shop.consultant.id

    def test_staff_without_the_portal_cannot(self, shop: Shop) -> None:
        with pytest.raises(NotPermitted):
            shop.enter(person(shop.entity), actor=Actor.of(shop.reviewer()))


class TestScreening:
    def test_without_the_authorisation_nothing_is_submitted(self, shop: Shop) -> None:
        application = shop.enter(person(shop.entity))
        with pytest.raises(screening.AuthorisationMissing):
            services.submit(application_id=application.id, actor=shop.seller, now=NOW)
        assert not DecisionRequest.objects.exists()

    def test_submission_starts_the_promise_and_asks_the_machine(self, shop: Shop) -> None:
        application = shop.submit(person(shop.entity))
        assert application.state == "screening"
        assert application.sla_due_at == NOW + dt.timedelta(minutes=60)
        request = DecisionRequest.objects.get()
        assert request.reference == f"application:{application.id}:1"
        assert request.subject["amount"] == int(application.requested_amount * 100)
        assert names()[:2] == ["applications.ApplicationStateChanged", "applications.ApplicationSubmitted"]

    def test_a_good_customer_gets_offers_with_all_costs(self, sandbox: Any, shop: Shop) -> None:
        application = shop.decided(person(shop.entity))
        assert application.state == "offered"
        plans = selectors.offers_in_full(application.id)
        assert len(plans) >= 3
        assert [plan["rank"] for plan in plans] == list(range(1, len(plans) + 1))
        assert all(plan["principal"] <= application.approved_limit for plan in plans)
        assert all(plan["cost_table"].rows and plan["apr_irr"] > 0 for plan in plans)
        assert states(application) == ["draft", "submitted", "screening", "offered"]

    def test_a_thin_file_comes_before_a_person(self, sandbox: Any, shop: Shop) -> None:
        application = shop.decided(person(shop.entity, THIN))
        assert (application.state, application.reasons) == ("manual_review", ["BU-001"])
        task = flows.task_for("application", application.id, "credit_review")
        assert task is not None
        assert (task.permission, task.due_at) == ("applications.review", application.sla_due_at)

    @pytest.mark.parametrize("serial", [FRAUD, INDEBTED])
    def test_fraud_and_debt_are_declined_with_plain_words(self, sandbox: Any, shop: Shop, serial: int) -> None:
        application = shop.decided(person(shop.entity, serial))
        assert application.state == "declined"
        assert selectors.plain_reasons(application)
        assert "applications.ApplicationDeclined" in names()

    def test_the_machine_s_answer_counts_once(self, sandbox: Any, shop: Shop) -> None:
        application = shop.decided(person(shop.entity))
        before = (Offer.objects.count(), ApplicationEvent.objects.count(), OutboxMessage.objects.count())
        decision = Decision.objects.get()
        news = DecisionMade(
            reference=decision.request.reference,
            decision_id=decision.id,
            outcome="decline",
            grade="E",
            limit=None,
            annual_rate=None,
            reasons=["AF-001"],
        )
        for reference in (news.reference, f"application:{application.id}:9", f"application:{uuid4()}:1", "line:1:1", "x"):
            on_decision_made(dataclasses.replace(news, reference=reference), now=NOW)
        assert again(application).state == "offered"
        assert (Offer.objects.count(), ApplicationEvent.objects.count(), OutboxMessage.objects.count()) == before

    def test_a_time_out_comes_before_a_person(self, shop: Shop) -> None:
        application = shop.submit(person(shop.entity))
        late = NOW + dt.timedelta(minutes=6)
        risk.time_out_requests(actor=SYSTEM, now=late)
        request = DecisionRequest.objects.get()
        decision = request.decision
        on_decision_made(
            DecisionMade(
                reference=request.reference,
                decision_id=decision.id,
                outcome=decision.outcome,
                grade="",
                limit=None,
                annual_rate=None,
                reasons=decision.reasons,
            ),
            now=late,
        )
        assert again(application).state == "manual_review"

    def test_an_approval_without_a_plan_comes_before_a_person(self, sandbox: Any, shop: Shop) -> None:
        application = shop.decided(person(shop.entity), term=7, price=Decimal(2000), down_payment=Decimal(1000))
        assert application.state == "manual_review"

    def test_offers_may_be_screened_again_and_the_old_ones_no_longer_count(self, sandbox: Any, shop: Shop) -> None:
        customer = person(shop.entity)
        application = shop.decided(customer)
        old = selectors.current_offers(application).first()
        services.apply_again(application_id=application.id, reason="higher income proved", actor=shop.seller, now=NOW)
        assert again(application).state == "screening"
        outbox.dispatch()
        application = again(application)
        assert (application.state, application.round) == ("offered", 2)
        with pytest.raises(offers.NoSuchOffer):
            services.accept_offer(application_id=application.id, offer_id=old.id, actor=customer_actor(customer), now=NOW)


class TestOffers:
    def accepted(self, shop: Shop) -> tuple[Application, Customer]:
        customer = person(shop.entity)
        application = shop.decided(customer)
        offer = selectors.current_offers(application)[0]
        services.accept_offer(application_id=application.id, offer_id=offer.id, actor=customer_actor(customer), now=NOW)
        return again(application), customer

    def test_the_customer_takes_one_and_the_contract_knows_it(self, sandbox: Any, shop: Shop) -> None:
        application, _customer = self.accepted(shop)
        assert application.state == "accepted"
        facts = selectors.contract_facts(application.id)
        assert facts.plan == selectors.accepted_plan(application.id)
        assert (facts.amount, facts.term) == (facts.plan.principal, facts.plan.installments)
        assert facts.offer_id == application.chosen_offer_id
        assert "applications.OfferAccepted" in names()

    def test_taking_it_twice_changes_nothing_and_another_is_too_late(self, sandbox: Any, shop: Shop) -> None:
        application, customer = self.accepted(shop)
        actor = customer_actor(customer)
        services.accept_offer(application_id=application.id, offer_id=application.chosen_offer_id, actor=actor, now=NOW)
        assert states(application).count("accepted") == 1
        other = selectors.current_offers(application)[1]
        with pytest.raises(records.WrongState):
            services.accept_offer(application_id=application.id, offer_id=other.id, actor=actor, now=NOW)

    @pytest.mark.parametrize("ending", ["withdrawn", "expired"])
    def test_the_plan_of_an_order_at_its_end_is_not_said_to_be_taken(self, sandbox: Any, shop: Shop, ending: str) -> None:
        application, customer = self.accepted(shop)
        actor = customer_actor(customer)
        if ending == "withdrawn":
            services.withdraw(application_id=application.id, reason="不买了", actor=actor, now=NOW)
        else:
            services.expire_stale(actor=SYSTEM, now=application.expires_at)
        with pytest.raises(records.WrongState):
            services.accept_offer(application_id=application.id, offer_id=application.chosen_offer_id, actor=actor, now=NOW)
        assert again(application).state == ending

    def test_an_offer_runs_out(self, sandbox: Any, shop: Shop) -> None:
        customer = person(shop.entity)
        application = shop.decided(customer)
        offer = selectors.current_offers(application)[0]
        with pytest.raises(offers.OfferExpired):
            services.accept_offer(application_id=application.id, offer_id=offer.id, actor=customer_actor(customer), now=offer.valid_until)

    def test_nobody_else_accepts(self, sandbox: Any, shop: Shop) -> None:
        application = shop.decided(person(shop.entity))
        offer = selectors.current_offers(application)[0]
        for actor in (shop.seller, Actor.of(shop.reviewer())):
            with pytest.raises(NotPermitted):
                services.accept_offer(application_id=application.id, offer_id=offer.id, actor=actor, now=NOW)
        with pytest.raises(records.NoSuchApplication):
            services.accept_offer(application_id=application.id, offer_id=offer.id, actor=customer_actor(person(shop.entity, 7)), now=NOW)

    def test_before_acceptance_there_is_no_contract(self, sandbox: Any, shop: Shop) -> None:
        with pytest.raises(selectors.NoAcceptedPlan):
            selectors.contract_facts(shop.decided(person(shop.entity)).id)

    def test_offers_and_the_timeline_cannot_be_changed(self, sandbox: Any, shop: Shop) -> None:
        self.accepted(shop)
        for model in (Offer, ApplicationEvent):
            for deed in (lambda rows: rows.update(created_at=NOW), lambda rows: rows.delete()):
                with pytest.raises(DatabaseError), transaction.atomic():
                    deed(model.objects.all())

    def test_the_rest_of_the_way_is_the_higher_contexts(self, sandbox: Any, shop: Shop) -> None:
        application, _customer = self.accepted(shop)
        way = [
            services.mark_contracting,
            services.mark_signed,
            services.mark_contracting,
            services.mark_signed,
            services.mark_disbursement_review,
            services.mark_approved,
            services.mark_vouchered,
            services.mark_delivered,
            services.mark_completed,
        ]
        for mark in way:
            mark(application_id=application.id, actor=SYSTEM, now=NOW)
            mark(application_id=application.id, actor=SYSTEM, now=NOW)
        services.mark_cancelled(application_id=application.id, reason="bank took it back", actor=SYSTEM, now=NOW)
        assert states(application)[4:] == [
            "accepted", "contracting", "signed", "contracting", "signed", "disbursement_review", "approved", "vouchered", "delivered",
            "completed", "cancelled",
        ]  # fmt: skip

    def test_a_contract_made_again_has_its_own_time(self, sandbox: Any, shop: Shop) -> None:
        application, _customer = self.accepted(shop)
        services.mark_contracting(application_id=application.id, actor=SYSTEM, now=NOW)
        services.mark_signed(application_id=application.id, actor=SYSTEM, now=NOW)
        assert again(application).expires_at is None
        later = NOW + dt.timedelta(days=20)
        services.mark_contracting(application_id=application.id, actor=SYSTEM, now=later)
        assert services.expire_stale(actor=SYSTEM, now=later + dt.timedelta(days=6)) == 0
        assert services.expire_stale(actor=SYSTEM, now=later + dt.timedelta(days=7)) == 1

    def test_a_car_loan_is_not_completed_by_signature_or_approval(self, sandbox: Any, shop: Shop) -> None:
        application, _customer = self.accepted(shop)
        for mark in (services.mark_contracting, services.mark_signed):
            mark(application_id=application.id, actor=SYSTEM, now=NOW)
        with pytest.raises(records.WrongState):
            services.mark_completed(application_id=application.id, actor=SYSTEM, now=NOW)


class TestEndings:
    def test_the_customer_withdraws_and_the_task_goes(self, sandbox: Any, shop: Shop) -> None:
        customer = person(shop.entity, THIN)
        application = shop.decided(customer)
        services.withdraw(application_id=application.id, reason="another car", actor=customer_actor(customer), now=NOW)
        services.withdraw(application_id=application.id, reason="another car", actor=customer_actor(customer), now=NOW)
        assert again(application).state == "withdrawn"
        assert flows.task_for("application", application.id, "credit_review") is None
        assert states(application).count("withdrawn") == 1

    def test_a_withdrawal_does_not_stop_the_machine_in_the_middle(self, shop: Shop) -> None:
        application = shop.submit(person(shop.entity))
        with pytest.raises(records.WrongState):
            services.withdraw(application_id=application.id, reason="x", actor=shop.seller, now=NOW)

    def test_drafts_offers_and_acceptances_run_out(self, sandbox: Any, shop: Shop) -> None:
        draft = shop.enter(person(shop.entity, 1))
        offered = shop.decided(_alone(shop, 2))
        assert offered.state == "offered"
        assert services.expire_stale(actor=SYSTEM, now=NOW + dt.timedelta(days=6)) == 0
        assert services.expire_stale(actor=SYSTEM, now=NOW + dt.timedelta(days=7, hours=1)) == 1
        assert services.expire_stale(actor=SYSTEM, now=NOW + dt.timedelta(days=31)) == 1
        assert services.expire_stale(actor=SYSTEM, now=NOW + dt.timedelta(days=31)) == 0
        assert [again(row).state for row in (draft, offered)] == ["expired", "expired"]

    def test_a_closed_order_lets_the_customer_apply_again(self, shop: Shop) -> None:
        customer = person(shop.entity)
        first = shop.enter(customer)
        services.withdraw(application_id=first.id, reason="wrong car", actor=shop.seller, now=NOW)
        assert shop.enter(customer).state == "draft"


def _alone(shop: Shop, serial: int) -> Customer:
    """A customer who shares no contact with the others."""
    customer = person(shop.entity, serial)
    customer.contacts.all().delete()
    for number in range(2):
        ContactFactory(customer=customer, serial=1000 + serial * 10 + number)
    return customer


class TestScope:
    def test_everybody_sees_own_orders_only(self, shop: Shop) -> None:
        customer = person(shop.entity)
        application = shop.enter(customer)
        other = Shop(ConsultantFactory(), shop.vehicle)
        colleague = ConsultantFactory(shop=shop.consultant.shop)
        manager = ConsultantFactory(shop=shop.consultant.shop, is_manager=True)
        users = {
            "consultant": (shop.consultant.user, True),
            "manager": (manager.user, True),
            "colleague": (colleague.user, False),
            "other shop": (other.consultant.user, False),
            "reviewer": (shop.reviewer(), True),
            "other lender's reviewer": (other.reviewer(), False),
            "customer": (User.objects.get(id=customer.user_id), True),
            "other customer": (User.objects.get(id=person(shop.entity, 5).user_id), False),
        }
        for who, (user, sees) in users.items():
            fresh = User.objects.get(id=user.id)
            assert selectors.orders_of(fresh).filter(id=application.id).exists() is sees, who
            assert ApplicationEvent.objects.visible_to(fresh).exists() is sees, who

    def test_others_cannot_act_on_it(self, shop: Shop) -> None:
        application = shop.enter(person(shop.entity))
        stranger = Shop(ConsultantFactory(), shop.vehicle).seller
        for deed in (
            lambda: services.submit(application_id=application.id, actor=stranger, now=NOW),
            lambda: services.withdraw(application_id=application.id, reason="x", actor=stranger, now=NOW),
            lambda: services.attach_authorisation(application_id=application.id, content=PDF, filename="a.pdf", actor=stranger, now=NOW),
            lambda: services.mark_contracting(application_id=application.id, actor=stranger, now=NOW),
        ):
            with pytest.raises(records.NoSuchApplication):
                deed()

    def test_orders_are_found_by_number_phone_and_id_number(self, shop: Shop) -> None:
        first, second = person(shop.entity, 1), person(shop.entity, 2)
        orders = {shop.enter(first).number: first, shop.enter(second).number: second}
        for number, customer in orders.items():
            for text in (number, number[-4:], customer.phone, customer.id_number.lower()):
                assert [row.number for row in selectors.orders_of(shop.seller, search=text)] == [number], text
        assert not selectors.orders_of(shop.seller, search="13900000000")

    def test_lists_cost_a_fixed_number_of_queries(self, shop: Shop, django_assert_max_num_queries: Any) -> None:
        for serial in range(3):
            shop.enter(person(shop.entity, serial))
        seller = shop.seller
        with django_assert_max_num_queries(1):
            rows = list(selectors.orders_of(seller))
        assert len(rows) == 3


class TestStates:
    def test_the_edges_are_those_of_the_law(self) -> None:
        law = """draft → submitted, withdrawn, expired; submitted → screening, manual_review, withdrawn;
        screening → offered, manual_review, more_info, declined; manual_review → screening, offered, more_info, declined, withdrawn;
        more_info → submitted, withdrawn, expired; offered → accepted, expired, withdrawn, screening;
        accepted → contracting, expired, withdrawn; contracting → signed, withdrawn, expired;
        signed → disbursement_review, completed, contracting, withdrawn; disbursement_review → approved, contracting, refused;
        approved → vouchered, completed, cancelled; vouchered → delivered, cancelled; delivered → completed, cancelled;
        completed → cancelled"""
        edges = {}
        for part in law.split(";"):
            source, targets = part.split("→")
            edges[source.strip()] = {target.strip() for target in targets.split(",")}
        assert {source: set(targets) for source, targets in EDGES.items()} == edges

    def test_python_and_database_agree(self) -> None:
        field = Application._meta.get_field("state")
        python = {(t.source, t.target) for t in field.get_all_transitions(Application)}
        assert python == {(source, target) for source, targets in EDGES.items() for target in targets}

    def test_the_database_refuses_every_other_edge(self, shop: Shop) -> None:
        shop.enter(person(shop.entity))
        for state in set(State.values) - {"draft", *EDGES["draft"]}:
            with pytest.raises(DatabaseError), transaction.atomic():
                Application.objects.update(state=state)


def test_a_flow_retired_meanwhile_means_a_person_decides(sandbox: Any, shop: Shop) -> None:
    risk.retire_version(version_id=DecisionFlowVersion.objects.get().id, actor=SYSTEM, now=NOW)
    application = shop.decided(person(shop.entity))
    assert (application.state, application.reasons) == ("manual_review", ["SY-001"])
    services.review(
        application_id=application.id, outcome="approve", reason="x", grade="B", actor=Actor.of(shop.reviewer()), now=clock.now()
    )
    application = again(application)
    assert (application.state, application.annual_rate) == ("offered", None)
    assert all(offer.annual_rate > 0 for offer in selectors.current_offers(application))


def test_ids_of_nothing_are_nothing(shop: Shop) -> None:
    with pytest.raises(records.NoSuchApplication):
        selectors.by_id(UUID(int=1))
