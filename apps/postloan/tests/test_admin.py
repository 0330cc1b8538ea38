"""The pages of post-loan work do what they offer, for those who may."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from django.test import Client
from django.urls import reverse

from apps.common import clock
from apps.common.models import new_id
from apps.disbursement.tests.factories import DAY, NOON, SYSTEM, LoanInTests, a_lender, a_loan
from apps.disbursement.tests.test_admin import browser_of
from apps.loans import services as loans
from apps.organisations.models import LegalEntity, User
from apps.postloan.models import CollectionCase, DeliveryPaper, TitleRelease

pytestmark = pytest.mark.django_db


@pytest.fixture
def loan() -> LoanInTests:
    clock.move_to(NOON)
    return a_loan()


def somebody(entity: LegalEntity, role: str = "collector") -> Client:
    return browser_of(User.objects.create_user(f"{role}-{new_id().hex[-8:]}", kind="staff", roles=[role], legal_entity=entity))


def do(browser: Client, row, action: str, **said: str):
    page = reverse(f"admin:postloan_{row._meta.model_name}_changelist")
    return browser.post(page, {"action": action, "_selected_action": [str(row.id)], **said}, follow=True)


def others(loan: LoanInTests) -> list[Client]:
    """Somebody of another lender who may, and somebody of this one who may only look."""
    return [somebody(a_lender()), somebody(loan.entity, "auditor")]


def now_is(row):
    return type(row).objects.get(id=row.id)


def test_a_case_is_taken_a_contact_written_down_and_a_promise_noted(loan):
    case = CollectionCase.objects.create(
        number="C1", legal_entity=loan.entity, customer_ref=loan.customer.id, grade="M1", days_past_due=1, opened_on=DAY
    )
    promised = str(DAY + dt.timedelta(days=3))
    called = {"filled_in": "yes", "channel": "call", "phone": "13800000001", "result": "effective", "note": "周四还款"}
    for browser in others(loan):
        do(browser, case, "take")
        do(browser, case, "contact", **called)
        assert (now_is(case).state, case.contacts.count()) == ("open", 0)
    collector = somebody(loan.entity)
    do(collector, case, "take")
    assert now_is(case).state == "working"
    assert b'name="phone"' in do(collector, case, "contact").content
    assert do(collector, case, "contact", **called | {"phone": "call me"}).context["form"].errors["phone"]
    assert case.contacts.count() == 0
    do(collector, case, "contact", **called)
    assert (case.contacts.get().number_masked, case.contacts.get().note) == ("138****0001", "周四还款")
    do(collector, case, "promise", filled_in="yes", promised_on=promised, amount="500.00")
    assert (now_is(case).state, str(now_is(case).promised_on), now_is(case).promised_amount) == ("promised", promised, Decimal("500.00"))


def test_a_paper_is_checked_or_sent_back_with_a_reason(loan):
    right, wrong = (
        DeliveryPaper.objects.create(
            legal_entity=loan.entity,
            application_ref=new_id(),
            customer_ref=loan.customer.id,
            kind="handover_note",
            due_date=DAY,
            state="received",
            received_at=NOON,
            document_ref=new_id(),
        )
        for _ in range(2)
    )
    for browser in others(loan):
        do(browser, right, "check_off")
        do(browser, wrong, "send_back", filled_in="yes", reason="看不清")
    clerk = somebody(loan.entity)
    do(clerk, wrong, "send_back", filled_in="yes", reason=" ")
    assert (now_is(right).state, now_is(wrong).state) == ("received", "received")
    do(clerk, right, "check_off")
    do(clerk, wrong, "send_back", filled_in="yes", reason="看不清")
    assert (now_is(right).state, now_is(wrong).state, now_is(wrong).reason) == ("checked", "pending", "看不清")


def test_a_title_is_released_once_the_loan_is_settled(loan):
    title = TitleRelease.objects.create(
        legal_entity=loan.entity, loan_ref=loan.id, loan_number="LN1", customer_ref=loan.customer.id, settled_on=DAY, due_date=DAY
    )
    clerk = somebody(loan.entity)
    do(clerk, title, "release")
    assert now_is(title).state == "pending", "the loan still owes"
    total = loans.payoff_quote(loan_id=loan.id, on=DAY).total
    loans.settle_early(loan_id=loan.id, value_date=DAY, amount=total, reference="end", actor=SYSTEM, now=NOON)
    for browser in others(loan):
        do(browser, title, "release")
        assert now_is(title).state == "pending"
    do(clerk, title, "release")
    assert now_is(title).state == "released"
