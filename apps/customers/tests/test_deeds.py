"""Deeds of staff on customers, each in a browser: restriction, its end, and checks decided by hand."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django_otp import DEVICE_ID_SESSION_KEY
from django_otp.plugins.otp_totp.models import TOTPDevice

from apps.customers.models import Customer, IdentityCheck
from apps.customers.tests.factories import NOW, VerifiedCustomerFactory
from apps.organisations.tests.factories import UserFactory

pytestmark = pytest.mark.django_db


def browser(entity: Any, role: str) -> Client:
    """Somebody of the staff, signed in with the second factor."""
    user, client = UserFactory(legal_entity=entity, roles=[role]), Client()
    client.force_login(user, backend="apps.organisations.auth.RoleBackend")
    session = client.session
    session[DEVICE_ID_SESSION_KEY] = TOTPDevice.objects.create(user=user, confirmed=True).persistent_id
    session.save()
    return client


def do(client: Client, row: Any, action: str, **said: str) -> Any:
    page = reverse(f"admin:customers_{row._meta.model_name}_changelist")
    return client.post(page, {"action": action, "_selected_action": [str(row.id)], **said}, follow=True)


def state(row: Any) -> str:
    return str(type(row).objects.get(id=row.id).state)


def test_a_restriction_is_set_and_lifted_with_a_reason() -> None:
    person = VerifiedCustomerFactory()
    chief = browser(person.legal_entity, "entity_admin")
    assert "reason" in do(chief, person, "restrict", filled_in="yes", reason="").context["form"].errors
    assert state(person) == "verified"
    do(chief, person, "restrict", filled_in="yes", reason="法院冻结")
    assert (state(person), Customer.objects.get().restricted_reason) == ("restricted", "法院冻结")
    do(chief, person, "lift_restriction", filled_in="yes", reason="已解除冻结")
    assert (state(person), Customer.objects.get().restricted_reason) == ("verified", "")
    assert person.events.order_by("pgh_id").last().pgh_context.metadata["reason"] == "已解除冻结"
    do(chief, person, "lift_restriction", filled_in="yes", reason="再次")
    assert state(person) == "verified"


def test_others_neither_restrict_nor_decide() -> None:
    person = VerifiedCustomerFactory()
    check = IdentityCheck.objects.filter(customer=person, kind="id_authenticity").get()
    other = VerifiedCustomerFactory()
    for client in (browser(person.legal_entity, "auditor"), browser(other.legal_entity, "entity_admin")):
        do(client, person, "restrict", filled_in="yes", reason="法院冻结")
        do(client, check, "decide", filled_in="yes", outcome="failed", reason="不符")
    assert (state(person), state(check)) == ("verified", "passed")


@pytest.mark.parametrize(("purpose", "after"), [("onboarding", "passed"), ("signing", "failed")])
def test_a_failed_check_of_onboarding_is_decided_by_hand(purpose: str, after: str) -> None:
    person = VerifiedCustomerFactory()
    check = IdentityCheck.objects.create(customer=person, kind="liveness", purpose=purpose, requested_at=NOW)
    check.fail()
    check.save()
    clerk = browser(person.legal_entity, "account_manager")
    do(clerk, check, "decide", filled_in="yes", outcome="passed", reason="柜面核对本人")
    assert state(check) == after
