"""The pages of differences: a way out is proposed and decided on by two, each in a browser; others cannot."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.test import Client
from django.urls import reverse

from apps.disbursement.tests.factories import LoanInTests, a_lender
from apps.disbursement.tests.test_admin import browser_of
from apps.ledger import selectors as ledger
from apps.organisations.models import LegalEntity, User
from apps.reconciliation.models import Difference
from apps.reconciliation.tests.test_services import applied, line, loan, statement_of

__all__ = ["loan"]
pytestmark = pytest.mark.django_db
LIST = "admin:reconciliation_difference_changelist"


@pytest.fixture
def case(loan: LoanInTests) -> Difference:
    """Money of nobody."""
    applied(loan, statement_of(loan, line("S9", "", Decimal("88.00"))))
    found: Difference = Difference.objects.get(kind="long")
    return found


def somebody(name: str, entity: LegalEntity, role: str = "finance") -> Client:
    return browser_of(User.objects.create_user(f"{name}-{entity.code}", kind="staff", roles=[role], legal_entity=entity))


def do(browser: Client, case: Difference, action: str, **said: str):
    return browser.post(reverse(LIST), {"action": action, "_selected_action": [str(case.id)], **said}, follow=True)


def state() -> str:
    return Difference.objects.get(kind="long").state


def test_two_people_end_a_difference_on_its_page(loan, case):
    maker, checker = somebody("maker", loan.entity), somebody("checker", loan.entity)
    asked = do(maker, case, "propose")
    assert b'name="way"' in asked.content
    assert state() == "open"
    unsaid = do(maker, case, "propose", filled_in="yes", way="book", reason="")
    assert unsaid.context["form"].errors["reason"]
    assert state() == "open"
    do(maker, case, "propose", filled_in="yes", way="book", reason="来源不明")
    assert state() == "proposed"
    do(maker, case, "agree")
    assert state() == "proposed", "nobody decides on a proposal of their own"
    do(checker, case, "agree")
    assert state() == "resolved"
    assert ledger.balance("224103", loan.entity.id) == Decimal("88.00")


def test_a_refusal_says_why(loan, case):
    maker, checker = somebody("maker", loan.entity), somebody("checker", loan.entity)
    do(maker, case, "propose", filled_in="yes", way="ignore", reason="小额")
    do(checker, case, "refuse", filled_in="yes", reason="请先查")
    refused = Difference.objects.get(kind="long")
    assert (refused.state, refused.reason) == ("open", "请先查")


def test_neither_a_stranger_nor_one_who_may_only_look_decides(loan, case):
    maker = somebody("maker", loan.entity)
    for browser in (somebody("stranger", a_lender()), somebody("looker", loan.entity, "auditor")):
        do(browser, case, "propose", filled_in="yes", way="ignore", reason="小额")
        assert state() == "open"
    do(maker, case, "propose", filled_in="yes", way="ignore", reason="小额")
    for browser in (somebody("stranger2", a_lender()), somebody("looker2", loan.entity, "auditor")):
        do(browser, case, "agree")
        do(browser, case, "refuse", filled_in="yes", reason="不")
        assert state() == "proposed"
