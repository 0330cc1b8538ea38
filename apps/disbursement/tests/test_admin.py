"""The back office's lists of money: every page opens for those who may look, and shows no number in clear."""

from __future__ import annotations

import pytest
from django.contrib import admin
from django.test import Client, RequestFactory
from django.urls import reverse
from django_otp import DEVICE_ID_SESSION_KEY
from django_otp.plugins.otp_totp.models import TOTPDevice

from apps.common import clock
from apps.disbursement import models, services
from apps.disbursement.tests.factories import NOON, staff
from apps.disbursement.tests.orders import SignedOrder, a_signed_order
from apps.organisations.models import User

pytestmark = pytest.mark.django_db
PAGES = [models.Funder, models.FundingAccount, models.Disbursement, models.Voucher, models.RepaymentOrder, models.BankNotice]


@pytest.fixture
def order(sandbox) -> SignedOrder:
    clock.move_to(NOON)
    order = a_signed_order()
    reviewer = staff(order.entity, "disbursement.review")
    services.review_disbursement(disbursement_id=order.disbursement.id, outcome="approve", reason="", actor=reviewer, now=NOON)
    services.send_transfer(disbursement_id=order.disbursement.id, now=NOON)
    return order


def request_of(user: User):
    request = RequestFactory().get("/")
    request.user = user
    return request


def auditor(entity) -> User:
    """Somebody who may look at everything of one lender."""
    return User.objects.create_user(f"auditor-{entity.code}", kind="staff", roles=["auditor"], legal_entity=entity)


def browser_of(user: User) -> Client:
    """Signed in with the second factor."""
    client = Client()
    client.force_login(user, backend="apps.organisations.auth.RoleBackend")
    session = client.session
    session[DEVICE_ID_SESSION_KEY] = TOTPDevice.objects.create(user=user, confirmed=True).persistent_id
    session.save()
    return client


@pytest.mark.parametrize("model", PAGES)
def test_lists_and_rows_open_without_secrets(order, model):
    user = auditor(order.entity)
    browser, name = browser_of(user), f"admin:disbursement_{model._meta.model_name}"
    assert browser.get(reverse(f"{name}_changelist")).status_code == 200
    for row in model.objects.visible_to(user):
        shown = browser.get(reverse(f"{name}_change", args=[row.pk]), follow=True)
        assert shown.status_code == 200
        assert order.disbursement.payee_account not in shown.content.decode()
        assert "6222000000000000001" not in shown.content.decode()


@pytest.mark.parametrize("model", PAGES)
def test_nobody_writes_rows_by_hand_or_sees_anothers(order, model):
    from apps.disbursement.tests.factories import a_lender

    stranger = request_of(auditor(a_lender()))
    page = admin.site.get_model_admin(model)
    assert not page.get_queryset(stranger).filter(legal_entity=order.entity).exists()
    assert not any(may(stranger) for may in (page.has_add_permission, page.has_change_permission, page.has_delete_permission))
