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
from apps.disbursement.tests.factories import NOON, a_loan, staff
from apps.disbursement.tests.orders import SignedOrder, a_signed_order
from apps.disbursement.tests.test_repayments import reach
from apps.flows import selectors as flows
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


def press(browser: Client, row, action: str, **said: str) -> str:
    """Choose a row and a deed in a list, and fill in what the deed asks for; the page after it."""
    answer = browser.post(
        reverse(f"admin:disbursement_{row._meta.model_name}_changelist"),
        {"action": action, "_selected_action": str(row.pk), "filled_in": "1", **said},
        follow=True,
    )
    return answer.content.decode()


def treasurer(entity) -> User:
    """Who may look, pay and review at one lender."""
    return User.objects.create_user(
        f"treasurer-{entity.code}", kind="staff", roles=["finance", "disbursement_reviewer"], legal_entity=entity
    )


def test_money_brought_in_is_booked_from_the_list_once_per_reference(order):
    browser, held = browser_of(treasurer(order.entity)), models.FundingAccount.objects.get(legal_entity=order.entity)
    before = held.topped_up
    for said in ({"amount": "0"}, {"amount": "5.00", "reference": "B9"}, {"amount": "5.00", "reference": "B9"}):
        press(browser, held, "top_up", **said)
    assert models.FundingAccount.objects.get(id=held.id).topped_up == before + 5
    press(browser_of(auditor(order.entity)), held, "top_up", amount="5.00", reference="B10")
    assert models.FundingAccount.objects.get(id=held.id).topped_up == before + 5


def test_a_voucher_is_revoked_from_the_list_for_a_reason(sandbox):
    clock.move_to(NOON)
    order = a_signed_order()
    reviewer = staff(order.entity, "disbursement.review")
    services.review_disbursement(disbursement_id=order.disbursement.id, outcome="approve", reason="", actor=reviewer, now=NOON)
    browser, voucher = browser_of(treasurer(order.entity)), models.Voucher.objects.get(disbursement=order.disbursement)
    press(browser, voucher, "revoke", reason="")
    assert models.Voucher.objects.get(id=voucher.id).state == "issued"
    press(browser, voucher, "revoke", reason="客户取消")
    assert models.Voucher.objects.get(id=voucher.id).state == "revoked"


def test_a_debit_is_taken_back_and_questions_about_it_end_from_the_list():
    loan = a_loan()
    now = reach(loan, loan.first_due)
    row = services.pay_now(loan_id=loan.id, purpose="due", actor=loan.customer_actor, now=now)
    browser = browser_of(treasurer(loan.entity))
    press(browser, row, "cancel", reason="客户已到店还款")
    assert models.RepaymentOrder.objects.get(id=row.id).state == "cancelled"
    services.record_debit_result(order_no=row.order_no, outcome="succeeded", amount=row.amount, bank_ref="B", reason="", now=now)
    assert flows.task_for("repayment_order", row.id, "money_in_suspense") is not None
    press(browser, row, "end_questions", reason="已退款")
    assert flows.task_for("repayment_order", row.id, "money_in_suspense") is None
