"""Risk's pages in the back office: readable, nothing personal in clear, deeds through services."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib import admin
from django.contrib.messages.storage.cookie import CookieStorage
from django.test import RequestFactory

from apps.common.actors import Actor
from apps.organisations.tests.factories import LegalEntityFactory, UserFactory
from apps.risk import models, services
from apps.risk.tests.factories import NOW, SYSTEM, order_facts, person, ready_entity

pytestmark = pytest.mark.django_db
PAGES = [row for row in admin.site._registry if row._meta.app_label == "risk"]


def request_of(user: Any) -> Any:
    request = RequestFactory().get("/")
    request.user = user
    user.is_verified = lambda: True  # signed in with the second factor
    request._messages = CookieStorage(request)
    return request


@pytest.fixture
def entity() -> Any:
    row = LegalEntityFactory()
    ready_entity(row.id)
    return row


def test_every_page_opens_and_shows_nothing_personal(sandbox: Any, entity: Any) -> None:
    customer = person(entity)
    analyst = UserFactory(legal_entity=entity, roles=["risk_analyst"])
    values = {"colour": "white", "kind": "phone", "value": customer.phone, "reason": "x", "source": "y", "actor": SYSTEM, "now": NOW}
    services.add_list_entry(legal_entity_id=entity.id, **values)
    request_id = services.request_decision(
        flow_code="car_loan",
        legal_entity_id=entity.id,
        subject_ref=customer.id,
        subject=order_facts(),
        reference="application:1:1",
        actor=SYSTEM,
        now=NOW,
    )
    services.make_decision(request_id=request_id, now=NOW)
    for model in PAGES:
        page, row = admin.site._registry[model], model.objects.get()
        bodies = [
            page.changelist_view(request_of(analyst)).render().content.decode(),
            page.change_view(request_of(analyst), str(row.id)).render().content.decode(),
        ]
        for secret in (customer.phone, customer.name, customer.id_number):
            assert all(secret not in body for body in bodies), (model, secret)


def test_other_lenders_and_other_roles_see_nothing(entity: Any) -> None:
    page = admin.site._registry[models.DecisionFlowVersion]
    assert page.get_queryset(request_of(UserFactory(legal_entity=entity, roles=["risk_analyst"]))).count() == 1
    assert page.get_queryset(request_of(UserFactory(roles=["risk_analyst"]))).count() == 0
    assert not page.has_view_permission(request_of(UserFactory(legal_entity=entity, roles=["finance"])))


def test_actions_ask_the_services_and_show_what_they_refuse(entity: Any) -> None:
    page = admin.site._registry[models.DecisionFlowVersion]
    maker, checker = (UserFactory(legal_entity=entity, roles=["risk_analyst"]) for _ in range(2))
    live = models.DecisionFlowVersion.objects.get()
    definition = live.definition | {"note": "second"}
    version = services.create_version(
        flow_code="car_loan", legal_entity_id=entity.id, definition=definition, test_cases=live.test_cases, actor=Actor.of(maker), now=NOW
    )
    mine = models.DecisionFlowVersion.objects.filter(id=version.id)
    for deed, user in ((page.prove, maker), (page.submit, maker), (page.go_live, maker)):
        deed(request := request_of(user), mine)
    assert mine.get().state == "submitted"
    assert any(message.level_tag == "error" for message in request._messages)
    page.go_live(request_of(checker), mine)
    assert mine.get().state == "live"
    page.go_live(request_of(maker), models.DecisionFlowVersion.objects.filter(id=live.id))
    assert mine.get().state == "retired"
