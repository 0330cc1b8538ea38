"""Deeds on the loan page: collateral, people who answer for the loan, extra fields; refused ones tell why."""

from __future__ import annotations

import pytest

from apps.backoffice.tests.factories import open_house
from apps.common import clock
from apps.common.actors import Actor
from apps.loans import selectors as loans
from apps.loans.models import Collateral, LoanExtras, LoanParty, Pledge
from apps.loans.services import transfer_branch
from apps.organisations.models import Branch, ExtraField

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def house(module_db, module_sandbox):
    return open_house()


@pytest.fixture(scope="module")
def late(house):
    return house.late_loan()


@pytest.fixture
def desk(house, at_desk):
    return at_desk(house.staff("finance"))


@pytest.fixture
def do(desk, late):
    def send(deed, **data):
        return desk.post(f"/backoffice/loans/{late.id}/deed/", {"deed": deed, "on": str(late.opened_on), **data})

    return send


def page_of(desk, loan, status=200):
    response = desk.get(f"/backoffice/loans/{loan.id}/")
    assert response.status_code == status
    return response.content.decode()


def test_a_car_is_registered_pledged_valued_and_released(do, desk, late):
    done = do("register", kind="vehicle", identifier="LSVAA49J132047371", value="200,000.00", basis="dealer")
    assert done.status_code == 302, done.content.decode()[:2000]
    page = page_of(desk, late)
    assert "LSVAA49J132047371" in page
    assert "200,000.00" in page
    number = Collateral.objects.get().number
    do("value", number=number, value="160000", on=str(loans.loan_brief(late.id).as_of), reason="auction list")
    assert "160,000.00" in page_of(desk, late)
    refused = do("release", number=number)
    assert refused.status_code == 422, "a reason is asked for"
    assert 'role="alert"' in refused.content.decode()
    assert do("release", number=number, reason="exchanged", on=str(loans.loan_brief(late.id).as_of)).status_code == 302
    assert Pledge.objects.get().reason == "exchanged"


def test_a_guarantor_is_found_by_the_id_number(do, desk, house, late):
    refused = do("add_party", id_number="330106199003070000", role="guarantor", parts="5000")
    assert refused.status_code == 422
    assert not LoanParty.objects.exists()


def test_nonsense_is_refused_by_the_page(do):
    assert do("register", kind="vehicle", identifier="X", value="much").status_code == 422
    assert do("dance").status_code == 422


def test_a_lender_defines_fields_and_the_loan_page_keeps_them(do, desk, house, at_desk, late):
    admin = at_desk(house.staff("entity_admin"))
    asked = {"deed": "define", "name": "colour", "label_zh": "车身颜色", "label_en": "Colour", "kind": "choice", "choices": "white\nblack"}
    assert admin.post("/backoffice/extra-fields/", asked).status_code == 302
    assert "车身颜色" in admin.get("/backoffice/extra-fields/").content.decode()
    wrong = admin.post("/backoffice/extra-fields/", asked | {"name": "No Way"})
    assert wrong.status_code == 422
    assert desk.get("/backoffice/extra-fields/").status_code == 403
    assert "colour" in page_of(desk, late)
    assert do("extras", x_colour="black").status_code == 302
    assert LoanExtras.objects.get(loan=late.id).values == {"colour": "black"}
    assert do("extras", x_colour="green").status_code == 422
    assert admin.post("/backoffice/extra-fields/", {"deed": "retire", "name": "colour"}).status_code == 302
    assert ExtraField.objects.get().is_retired


def test_who_may_only_look_finds_no_forms(house, at_desk, late):
    page = page_of(at_desk(house.staff("auditor")), late)
    assert "loan_deed" not in page
    assert f"/backoffice/loans/{late.id}/deed/" not in page


def test_a_loan_is_found_at_its_branch(desk, house, late):
    branch = Branch.objects.create(legal_entity=house.entity, code="SH", name="上海分公司")
    assert "belongs to no branch" in page_of(desk, late)
    transfer_branch(
        loan_id=late.id,
        branch_code="SH",
        value_date=late.opened_on,
        reason="the borrower moved",
        reference="t-1",
        actor=Actor.system("tests"),
        now=clock.now(),
    )
    page = page_of(desk, late)
    assert "上海分公司" in page
    assert "the borrower moved" in page
    listed = desk.get("/backoffice/loans/loan/", {"branch__id__exact": str(branch.id)}).content.decode()
    assert str(late.id) in listed
    other = Branch.objects.create(legal_entity=house.entity, code="BJ", name="北京分公司")
    assert str(late.id) not in desk.get("/backoffice/loans/loan/", {"branch__id__exact": str(other.id)}).content.decode()
