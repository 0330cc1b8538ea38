"""A file of running loans is checked on its page, put before a second person, and taken over when that one agrees."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from apps.common.models import ChangeRequest, new_id
from apps.disbursement.tests.factories import DAY, NOON, SYSTEM
from apps.loans import services as loans
from apps.loans.models import TakenOverLoan
from apps.postloan import services as postloan
from apps.postloan.services import settling

HEAD = "external_number,borrower_ref,principal,annual_rate,installments,method,day_count,start,first_due,principal_balance,interest_balance"


@pytest.fixture
def desk(house: Any, at_desk: Any) -> Any:
    return at_desk(house.staff("finance"))


def a_file(borrower: object = None, principal: str = "60000.00") -> SimpleUploadedFile:
    """One contract without interest, paid up to the first of last month, due again on the last day of next month."""
    line = f"OLD-1,{borrower or new_id()},60000.00,0,12,equal_principal,act/365,{DAY.replace(day=1)},{DAY.replace(day=28)},{principal},0"
    return SimpleUploadedFile("old.csv", f"{HEAD}\n{line}".encode())


def sent(desk: Any, status: int = 200, **data: Any) -> str:
    response = desk.post("/backoffice/take-over/", data)
    assert response.status_code == status, response.content.decode()
    return str(response.content.decode())


def test_checking_a_file_shows_its_reconciliation_and_writes_nothing(desk: Any) -> None:
    page = sent(desk, file=a_file(), step="check", control_principal="60,000.00")
    assert "60,000.00" in page
    assert not TakenOverLoan.objects.exists()
    assert not ChangeRequest.objects.exists()


def test_what_is_wrong_is_told_by_line_and_column(desk: Any) -> None:
    page = sent(desk, 422, file=a_file("nobody"), step="check")
    assert "line 2, borrower_ref" in page
    assert "is no customer" in page
    sent(desk, 422, file=a_file(), step="check", control_lines="7")
    sent(desk, 422, step="check")


def test_one_proposes_and_the_other_has_the_loans_taken_over(house: Any, at_desk: Any, desk: Any) -> None:
    response = desk.post(
        "/backoffice/take-over/", {"file": a_file(), "step": "propose", "reason": "portfolio of June", "control_lines": "1"}
    )
    assert response.status_code == 302
    change = ChangeRequest.objects.get()
    assert change.preview["totals"]["principal"]["books"] == "60000.00"
    assert not TakenOverLoan.objects.exists()
    assert desk.post(f"/backoffice/approvals/{change.id}/decide/", {"outcome": "approve"}).status_code == 403
    chief = at_desk(house.staff("entity_admin"))
    assert change.payload["content"][:400] in chief.get(f"/backoffice/approvals/{change.id}/").content.decode()
    assert chief.post(f"/backoffice/approvals/{change.id}/decide/", {"outcome": "approve"}).status_code == 302
    taken = TakenOverLoan.objects.get()
    assert (taken.external_number, taken.loan.state, taken.legal_entity_id) == ("OLD-1", "active", house.entity.id)
    assert ChangeRequest.objects.get().result["new"] == 1


def test_a_file_too_large_for_a_proposal_is_refused(desk: Any) -> None:
    sent(desk, 422, file=SimpleUploadedFile("old.csv", b"x" * 2_000_001), step="propose", reason="large")


def test_the_page_is_for_those_who_open_loans(house: Any, at_desk: Any) -> None:
    assert at_desk(house.staff("collector")).get("/backoffice/take-over/").status_code == 403


def test_a_loan_taken_over_has_its_page(house: Any, at_desk: Any, desk: Any) -> None:
    borrower = house.loan().customer.id
    desk.post("/backoffice/take-over/", {"file": a_file(borrower), "step": "propose", "reason": "portfolio of June"})
    chief = at_desk(house.staff("entity_admin"))
    chief.post(f"/backoffice/approvals/{ChangeRequest.objects.get().id}/decide/", {"outcome": "approve"})
    taken = TakenOverLoan.objects.get()
    page = desk.get(f"/backoffice/loans/{taken.loan_id}/")
    assert page.status_code == 200
    assert taken.loan.number in page.content.decode()


def test_a_loan_taken_over_gets_its_certificate_under_its_former_contract(house: Any) -> None:
    borrower = house.loan().customer.id
    loans.take_over_loans(legal_entity_id=house.entity.id, file_name="old.csv", content=a_file(borrower).read(), actor=SYSTEM, now=NOON)
    taken = TakenOverLoan.objects.get()
    total = loans.payoff_quote(loan_id=taken.loan_id, on=DAY).total
    loans.settle_early(loan_id=taken.loan_id, value_date=DAY, amount=total, reference="end", actor=SYSTEM, now=NOON)
    certificate = postloan.note_settlement(
        loan_id=taken.loan_id, application_id=taken.loan.application_ref, settled_on=DAY, actor=SYSTEM, now=NOON
    )
    content = settling.certificate_content(certificate, issued_on=DAY)
    assert (content["contract_number"], content["vehicle"]["name"], content["loan"]["principal"]) == ("OLD-1", "", Decimal("60000.00"))
