"""A person's decision on an order: who may, what is asked, what follows."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from apps.applications import selectors, services
from apps.applications.models import Application
from apps.applications.services import progress, records, reviewing
from apps.applications.tests.factories import NOW, PDF, Shop, again, person
from apps.common import outbox
from apps.common.actors import Actor
from apps.common.errors import NotPermitted
from apps.customers.models import Customer
from apps.dealers.tests.factories import ConsultantFactory
from apps.flows import selectors as flows
from apps.flows.services import TaskNotYours, TaskTaken

pytestmark = pytest.mark.django_db
THIN, FRAUD, INDEBTED = 910, 920, 930


class TestReview:
    def referred(self, shop: Shop) -> Application:
        return shop.decided(person(shop.entity, THIN))

    def test_a_reviewer_claims_and_approves_with_amount_and_grade(self, sandbox: Any, shop: Shop) -> None:
        application, reviewer = self.referred(shop), Actor.of(shop.reviewer())
        services.claim_review(application_id=application.id, actor=reviewer, now=NOW)
        with pytest.raises(TaskTaken):
            services.claim_review(application_id=application.id, actor=Actor.of(shop.reviewer()), now=NOW)
        services.review(
            application_id=application.id,
            outcome="approve",
            reason="income proved by statements",
            approved_amount=Decimal("60000"),
            grade="C",
            actor=reviewer,
            now=NOW,
        )
        application = again(application)
        assert (application.state, application.grade, application.approved_limit) == ("offered", "C", Decimal("60000.00"))
        assert application.annual_rate == Decimal("0.108")
        assert all(offer.principal <= 60_000 for offer in selectors.current_offers(application))
        assert flows.task_for("application", application.id, "credit_review") is None
        entry = selectors.timeline(application.id)[-1]
        assert (entry.reason, entry.origin, entry.actor) == ("income proved by statements", "back office", str(reviewer))

    def test_a_reviewer_declines(self, sandbox: Any, shop: Shop) -> None:
        application = self.referred(shop)
        services.review(application_id=application.id, outcome="decline", reason="no income", actor=Actor.of(shop.reviewer()), now=NOW)
        application = again(application)
        assert application.state == "declined"
        assert selectors.plain_reasons(application)

    def test_papers_asked_for_are_brought_and_screened_again(self, sandbox: Any, shop: Shop) -> None:
        application = self.referred(shop)
        services.review(application_id=application.id, outcome="more_info", reason="income proof", actor=Actor.of(shop.reviewer()), now=NOW)
        assert again(application).state == "more_info"
        services.attach_authorisation(application_id=application.id, content=PDF, filename="b.pdf", actor=shop.seller, now=NOW)
        services.submit(application_id=application.id, actor=shop.seller, now=NOW)
        outbox.dispatch()
        assert (again(application).state, again(application).round) == ("manual_review", 2)

    def test_the_machine_may_be_asked_again(self, sandbox: Any, shop: Shop) -> None:
        application, reviewer = self.referred(shop), Actor.of(shop.reviewer())
        services.screen_again(application_id=application.id, reason="bureau is back", actor=reviewer, now=NOW)
        assert flows.task_for("application", application.id, "credit_review") is None
        outbox.dispatch()
        assert (again(application).state, again(application).round) == ("manual_review", 2)

    def test_only_who_has_the_case_sends_it_back_to_the_machine_with_a_reason(self, sandbox: Any, shop: Shop) -> None:
        application, first, second = self.referred(shop), Actor.of(shop.reviewer()), Actor.of(shop.reviewer())
        services.claim_review(application_id=application.id, actor=first, now=NOW)
        with pytest.raises(TaskNotYours):
            services.screen_again(application_id=application.id, reason="bureau is back", actor=second, now=NOW)
        with pytest.raises(progress.ReasonMissing):
            services.screen_again(application_id=application.id, reason=" ", actor=first, now=NOW)
        Application.objects.filter(id=application.id).update(created_by=first.user_id)
        with pytest.raises(reviewing.OwnOrder):
            services.screen_again(application_id=application.id, reason="bureau is back", actor=first, now=NOW)
        assert again(application).round == 1

    def limited(self, shop: Shop, limit: str) -> Application:
        """Referred, and the machine's limit is this many yuan."""
        application = self.referred(shop)
        Application.objects.filter(id=application.id).update(approved_limit=Decimal(limit))
        return again(application)

    @pytest.mark.parametrize(("limit", "granted"), [("60000.00", "60000.00"), ("500000.00", "91680.00")])
    def test_without_an_amount_the_machine_s_limit_is_not_exceeded(self, sandbox: Any, shop: Shop, limit: str, granted: str) -> None:
        application = self.limited(shop, limit)
        services.review(
            application_id=application.id, outcome="approve", reason="fine", grade="C", actor=Actor.of(shop.reviewer()), now=NOW
        )
        assert again(application).approved_limit == Decimal(granted)
        facts = application.timeline.latest("id").facts
        assert (facts["amount"], facts["machine_limit"], facts["above_limit"]) == (granted, limit, False)

    def test_more_than_the_machine_s_limit_has_to_be_said_and_is_kept(self, sandbox: Any, shop: Shop) -> None:
        application = self.limited(shop, "60000.00")
        services.review(
            application_id=application.id,
            outcome="approve",
            reason="second income proved",
            approved_amount=Decimal(80_000),
            grade="C",
            actor=Actor.of(shop.reviewer()),
            now=NOW,
        )
        facts = application.timeline.latest("id").facts
        assert (facts["amount"], facts["machine_limit"], facts["above_limit"]) == ("80000.00", "60000.00", True)

    def test_nobody_decides_what_another_claimed_or_what_is_own(self, sandbox: Any, shop: Shop) -> None:
        application, first = self.referred(shop), Actor.of(shop.reviewer())
        services.claim_review(application_id=application.id, actor=first, now=NOW)
        second = Actor.of(shop.reviewer())
        with pytest.raises(TaskNotYours):
            services.review(application_id=application.id, outcome="decline", reason="x", actor=second, now=NOW)
        Application.objects.filter(id=application.id).update(created_by=first.user_id)
        with pytest.raises(reviewing.OwnOrder):
            services.review(application_id=application.id, outcome="decline", reason="x", actor=first, now=NOW)

    @pytest.mark.parametrize(
        ("given", "error"),
        [
            ({"outcome": "perhaps"}, reviewing.BadReview),
            ({"reason": "  "}, progress.ReasonMissing),
            ({"approved_amount": Decimal(0)}, reviewing.BadReview),
            ({"approved_amount": Decimal(10_000_000)}, reviewing.BadReview),
            ({"approved_amount": Decimal("NaN")}, reviewing.BadReview),
            ({"grade": "E"}, reviewing.BadReview),
            ({"approved_amount": Decimal(10)}, reviewing.NoPlanFits),
        ],
    )
    def test_an_impossible_review_leaves_everything(self, sandbox: Any, shop: Shop, given: dict[str, Any], error: Any) -> None:
        application = self.referred(shop)
        values: dict[str, Any] = {"outcome": "approve", "reason": "fine", "approved_amount": Decimal(50_000), "grade": "B"}
        with pytest.raises(error):
            services.review(application_id=application.id, **(values | given), actor=Actor.of(shop.reviewer()), now=NOW)
        assert again(application).state == "manual_review"
        task = flows.task_for("application", application.id, "credit_review")
        assert task is not None
        assert task.claimed_by_id is None

    def test_only_reviewers_of_the_lender(self, sandbox: Any, shop: Shop) -> None:
        application = self.referred(shop)
        with pytest.raises(NotPermitted):
            services.review(application_id=application.id, outcome="decline", reason="x", actor=shop.seller, now=NOW)
        stranger = Actor.of(Shop(ConsultantFactory(), shop.vehicle).reviewer())
        with pytest.raises(records.NoSuchApplication):
            services.review(application_id=application.id, outcome="decline", reason="x", actor=stranger, now=NOW)

    def test_the_case_holds_everything_masked(self, sandbox: Any, shop: Shop) -> None:
        application = self.referred(shop)
        case = selectors.review_case(application.id)
        customer = Customer.objects.get(id=application.customer_id)
        assert case.decision.reasons[0][0] == "BU-001"
        assert case.decision.bureau.no_record is True
        assert case.vehicle.name == case.order.vehicle
        assert [document.kind for document in case.documents] == ["credit_authorisation"]
        assert case.task is not None
        text = repr(case)
        assert customer.phone not in text
        assert customer.id_number not in text
