"""A payment without a result: in the workbench, with its facts, proposed by one and decided by another."""

from __future__ import annotations

import pytest

from apps.common import approvals
from apps.common.actors import Actor
from apps.common.models import ChangeRequest
from apps.disbursement import services
from apps.disbursement.models import Disbursement
from apps.disbursement.services import repayments, transfers
from apps.disbursement.tests.factories import NOON, staff
from apps.disbursement.tests.test_repayments import reach


@pytest.fixture
def lost(house, sandbox):
    """Noted as sent, never received, refused when sent again."""
    signed = house.payment()
    reviewer = staff(signed.entity, "disbursement.review")
    services.review_disbursement(disbursement_id=signed.disbursement.id, outcome="approve", reason="", actor=reviewer, now=NOON)
    transfers._prepare(signed.disbursement.id, NOON)
    Disbursement.objects.filter(id=signed.disbursement.id).update(payee_name="")
    services.send_transfer(disbursement_id=signed.disbursement.id, now=NOON)
    return signed


def test_finance_finds_it_in_the_workbench_and_proposes_its_end(house, at_desk, lost):
    payment, maker = lost.payment(), house.staff("finance")
    desk, page = at_desk(maker), f"/backoffice/payments/{payment.order_no}/"
    assert page in desk.get("/backoffice/workbench/").content.decode()
    assert page in desk.get(f"/backoffice/disbursement/{payment.id}/").content.decode()
    shown = desk.get(page).content.decode()
    assert payment.reason in shown
    assert payment.payee_masked in shown
    assert payment.payee_account not in shown
    assert desk.post(f"{page}propose/", {"outcome": "succeeded", "bank_ref": "", "reason": "call"}).status_code == 422
    assert desk.post(f"{page}propose/", {"outcome": "succeeded", "bank_ref": "B7", "reason": "call"}).url == page
    change = ChangeRequest.objects.get(subject=payment.order_no)
    assert f"/backoffice/approvals/{change.id}/" in desk.get(page).content.decode()
    assert 'name="outcome"' not in desk.get(page).content.decode()
    approvals.approve(request_id=change.id, actor=Actor.of(house.staff("finance")), now=NOON)
    assert lost.payment().state == "succeeded"
    assert "propose/" not in desk.get(page).content.decode()


def test_only_finance_proposes_and_nobody_sees_another_lenders(house, at_desk, lost):
    page = f"/backoffice/payments/{lost.payment().order_no}/"
    reviewer = at_desk(house.staff("disbursement_reviewer"))
    assert "propose/" not in reviewer.get(page).content.decode()
    assert reviewer.post(f"{page}propose/", {"outcome": "failed", "reason": "call"}).status_code == 403
    assert reviewer.get("/backoffice/payments/D1-01/").status_code == 404


def test_finance_says_what_a_debit_brought_in(house, at_desk, sandbox):
    loan = house.loan()
    now = reach(loan, loan.first_due)
    order = services.pay_now(loan_id=loan.id, purpose="due", actor=loan.customer_actor, now=now)
    repayments._prepare(order.id, now)
    desk, page = at_desk(house.staff("finance")), f"/backoffice/payments/{order.order_no}/"
    assert 'name="amount"' in desk.get(page).content.decode()
    said = {"outcome": "succeeded", "bank_ref": "B7", "reason": "call"}
    assert desk.post(f"{page}propose/", {**said, "amount": "much"}).status_code == 422
    assert desk.post(f"{page}propose/", {**said, "amount": "100.00"}).url == page
    assert ChangeRequest.objects.get(subject=order.order_no).preview["came"] == "100.00"
