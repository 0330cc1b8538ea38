"""Loan 360°: what is late is loud, what is paid is quiet, every transaction shows its entries."""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal

import pytest

from apps.backoffice.charts import balance_chart
from apps.backoffice.loan_page import loan_page
from apps.backoffice.tests.factories import open_house
from apps.disbursement.tests.factories import NOON, SYSTEM
from apps.loans import selectors as loans
from apps.loans.services import LeaseTerms, agree_lease, record_change
from apps.organisations.models import BusinessDay

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


def page_of(desk, loan):
    response = desk.get(f"/backoffice/loans/{loan.id}/")
    assert response.status_code == 200
    return response.content.decode()


def facts(house, loan):
    user = house.staff("finance")
    return loan_page(loans.loans(user).get(id=loan.id), user)


def test_the_overdue_row_alone_is_filled(house, late):
    page = facts(house, late)
    assert [row.tone for row in page.rows[:5]] == ["done", "done", "od", "next", ""]
    assert page.rows[-1].balance == 0
    assert page.view.brief.dpd == 10


def test_header_shows_what_is_owed(desk, late):
    page = page_of(desk, late)
    assert "114,400.70" in page
    assert "3,999.93" in page
    assert 'data-state="overdue"' in page
    assert late.customer.phone not in page


def test_every_transaction_shows_its_entries_and_they_balance(house, late):
    page = facts(house, late)
    assert [moved.line.kind for moved in page.moved] == ["repayment", "repayment", "disbursement"]
    for moved in page.moved:
        assert moved.entries, moved
        for entry in moved.entries:
            assert (
                sum(debit for _code, _name, debit, _credit in entry.lines) == sum(credit for *_rest, credit in entry.lines) == entry.total
            )
    first = page.moved[1]
    assert sum(amount for _name, amount in first.allocated) == first.line.amount


def test_shares_add_up_to_the_principal(house, late):
    page = facts(house, late)
    assert sum(share.amount for share in page.shares) == page.view.brief.principal_outstanding


def test_an_auditor_sees_and_a_reviewer_does_not(late, house, at_desk):
    assert at_desk(house.staff("auditor")).get(f"/backoffice/loans/{late.id}/").status_code == 200
    assert at_desk(house.staff("credit_reviewer")).get(f"/backoffice/loans/{late.id}/").status_code == 403


def test_a_lease_shows_whose_the_car_is_and_its_deposit(desk, late):
    terms = LeaseTerms(kind="direct", vehicle_name="汉 EV", deposit=Decimal("8000.00"), purchase_price=Decimal("100.00"))
    agree_lease(loan_id=late.id, terms=terms, actor=SYSTEM, now=NOON)
    page = page_of(desk, late)
    assert 'id="lease-title">the lessor owns the car' in page
    assert "8,000.00" in page


def test_no_dead_buttons(desk, late):
    page = page_of(desk, late)
    main = page[page.index("<main") :]
    assert not re.search(r"<button[^>]*disabled", main)
    assert 'href="#none"' not in main


def test_the_statement_prints_every_transaction(desk, late):
    page = desk.get(f"/backoffice/loans/{late.id}/statement/").content.decode()
    assert page.count("3,985.72") >= 2
    assert "debit:2025-12" in page


def test_queries_do_not_grow_with_the_transactions(house, at_desk, late, django_assert_max_num_queries):
    desk = at_desk(house.staff("finance", "auditor", "collector"))
    fresh = house.loan()
    for loan in (fresh, late):
        with django_assert_max_num_queries(36):
            page_of(desk, loan)


def test_coordinates_are_numbers_in_every_language(desk, late):
    page = desk.get(f"/backoffice/loans/{late.id}/", headers={"accept-language": "en"}).content.decode()
    drawing = page[page.index('viewBox="0 0 1180') : page.index("</svg>", page.index('viewBox="0 0 1180'))]
    assert 'x2="1160"' in drawing
    assert not re.findall(r'(?:x|y|x1|x2|y1|y2|cx|cy)="[^"]*,[^"]*"', drawing)


def test_a_chart_needs_two_moments(house, late):
    page = facts(house, late)
    assert page.chart is not None
    assert page.chart.actual.count(",") >= 4
    assert balance_chart(actual=[], planned=[], today=page.day) is None


def test_a_row_of_the_list_leads_to_the_page(desk, late):
    assert desk.get(f"/backoffice/loans/loan/{late.id}/change/").url == f"/backoffice/loans/{late.id}/"


def test_the_page_stands_on_the_business_day_of_the_lender(house, late):
    """Rows of a loan are written when something happens to it; between, the page tells what has run since: ten days of 110,400.77."""
    page = facts(house, late)
    assert page.view.brief.as_of == page.day == house_day(house)
    loan = loans.loan_of(late.id)
    later = loans.standing_of(loan, page.day + dt.timedelta(days=5))
    assert later.accrued_interest > page.view.accrued_interest
    assert later.brief.dpd == page.view.brief.dpd + 5
    assert page.view.owed["principal"] == page.view.brief.principal_outstanding


def house_day(house):
    return BusinessDay.objects.get(legal_entity=house.entity, state="open").date


def test_what_was_waived_is_no_longer_left(house):
    loan = house.late_loan()
    day = house_day(house)
    before = loans.standing_of(loans.loan_of(loan.id), day)
    late = next(row for row in before.schedule if row.status == "overdue")
    assert late.left == late.total - late.paid == before.due.total
    assert late.penalty > 0
    record_change(
        loan_id=loan.id,
        kind="waiver",
        value_date=day,
        particulars={"components": {"penalty": f"{late.penalty:.2f}"}},
        reason="agreed",
        reference="waive-1",
        actor=SYSTEM,
        now=NOON,
    )
    after = loans.standing_of(loans.loan_of(loan.id), day)
    row = after.schedule[late.no - 1]
    assert (row.waived, row.left) == (late.penalty, late.left - late.penalty)
    assert row.left == after.due.total
