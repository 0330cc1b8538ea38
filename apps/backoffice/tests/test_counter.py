"""The counter's pages: find a loan, see what an operation would do, propose it, have it approved, print the voucher."""

from __future__ import annotations

import re

import pytest

from apps.common.models import ChangeRequest
from apps.loans.models import Loan, LoanTransaction
from apps.loans.services import OPERATIONS


@pytest.fixture
def late(house):
    return Loan.objects.get(id=house.late_loan().id)


def form(desk, page):
    """What the form of an operation proposes, as a browser would send it."""
    html = desk.get(page).content.decode()
    return dict(re.findall(r'<input class="input" id="f-\w+" name="(\w+)" value="([^"]*)"', html))


def test_a_loan_is_found_by_its_number(house, at_desk, late):
    desk = at_desk(house.staff("finance"))
    assert desk.get("/backoffice/counter/").status_code == 200
    assert desk.get("/backoffice/counter/", {"number": late.number}).url == f"/backoffice/counter/{late.id}/"
    unknown = desk.get("/backoffice/counter/", {"number": "LN7"})
    assert (unknown.status_code, "LN7" in unknown.content.decode()) == (404, True)
    shown = desk.get(f"/backoffice/counter/{late.id}/").content.decode()
    assert all(f"/backoffice/counter/{late.id}/{name}/" in shown for name in OPERATIONS)


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_every_operation_has_its_form(house, at_desk, late, name):
    page = at_desk(house.staff("finance")).get(f"/backoffice/counter/{late.id}/{name}/")
    assert page.status_code == 200
    assert all(f'name="{field.name}"' in page.content.decode() for field in OPERATIONS[name].fields)


def test_an_early_repayment_from_enquiry_to_voucher(house, at_desk, late):
    desk, page = at_desk(house.staff("finance")), f"/backoffice/counter/{late.id}/early_settlement/"
    asked = {**form(desk, page), "means": "cash"}
    assert asked["amount"] in desk.get(f"/backoffice/counter/{late.id}/").content.decode().replace(",", "")
    seen = desk.post(page, {**asked, "step": "preview"}).content.decode()
    assert "1001" in seen
    assert "settled" in seen
    assert not LoanTransaction.objects.filter(kind="early_settlement").exists()
    answer = desk.post(page, {**asked, "step": "propose", "reason": "customer sells the car"})
    change = ChangeRequest.objects.get(kind="loans.early_settlement")
    assert answer.url == f"/backoffice/approvals/{change.id}/"
    assert desk.get(f"/backoffice/counter/vouchers/{change.id}/").status_code == 404
    boss = at_desk(house.staff("entity_admin"))
    assert "1001" in boss.get(answer.url).content.decode()
    assert boss.post(f"{answer.url}decide/", {"outcome": "approve"}).status_code == 302
    assert Loan.objects.get(id=late.id).state == "settled"
    voucher = desk.get(f"/backoffice/counter/vouchers/{change.id}/")
    assert voucher["Content-Type"] == "application/pdf"
    assert voucher.content.startswith(b"%PDF")


def test_what_is_wrong_stands_beside_its_field(house, at_desk, late):
    desk, page = at_desk(house.staff("finance")), f"/backoffice/counter/{late.id}/repayment/"
    refused = desk.post(page, {"value_date": "2026-03-02", "amount": "much", "means": "cash", "step": "preview"})
    assert refused.status_code == 422
    assert 'aria-invalid="true"' in refused.content.decode()
    assert desk.post(page, {"value_date": "2026-03-02", "amount": "5", "means": "cash", "step": "propose"}).status_code == 422, "no reason"


def test_who_may_not_finds_no_counter(house, at_desk, late):
    for role in ("collector", "auditor", "credit_reviewer"):
        assert at_desk(house.staff(role)).get(f"/backoffice/counter/{late.id}/").status_code == 403
