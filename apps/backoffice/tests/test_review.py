"""The review page and what is decided there, with the real services behind it."""

from __future__ import annotations

import datetime as dt

import pytest

from apps.applications import selectors as applications
from apps.applications.models import Application
from apps.applications.tests.factories import SYSTEM, person
from apps.common import outbox
from apps.customers.models import DisclosureLog
from apps.documents.models import DocumentDownload
from apps.flows import selectors as flows
from apps.risk import services as risk


def state(order):
    return Application.objects.get(id=order.id).state


def decide(desk, order, **data):
    return desk.post(f"/backoffice/review/{order.id}/decide/", data)


def page_of(desk, order, **query):
    response = desk.get(f"/backoffice/review/{order.id}/", query)
    assert response.status_code == 200
    return response.content.decode()


@pytest.fixture
def order(house):
    return house.order_in_review()


@pytest.fixture
def desk(house, at_desk):
    return at_desk(house.staff("credit_reviewer"))


def test_the_page_holds_everything_for_the_decision(desk, order):
    page = page_of(desk, order)
    assert order.number in page
    assert "91,680.00" in page  # asked for
    assert "BU-001" in page  # the rule that was hit
    for part in ('id="h-why"', 'id="h-facts"', 'id="h-bureau"', 'id="h-calc"', 'id="docs"', 'id="h-time"', 'name="approved_amount"'):
        assert part in page, part


def test_personal_data_is_masked(desk, order):
    page = page_of(desk, order)
    customer = order.customer
    assert customer.masked_phone in page
    for clear in (customer.phone, customer.name, customer.id_number):
        assert clear not in page


def test_unmasking_takes_a_reason_and_is_written_down(desk, order):
    url = f"/backoffice/customers/{order.customer_id}/unmask/"
    assert desk.post(url, {"field": "phone", "reason": ""}).status_code == 422
    assert DisclosureLog.objects.count() == 0
    told = desk.post(url, {"field": "phone", "reason": "calls back as agreed"})
    assert order.customer.phone in told.content.decode()
    log = DisclosureLog.objects.get()
    assert (log.field, log.reason) == ("phone", "calls back as agreed")


def test_opening_a_paper_is_written_down(desk, order):
    response = desk.get(f"/backoffice/documents/{order.authorisation_id}/")
    assert response.content.startswith(b"%PDF-")
    assert response.headers["Content-Type"] == "application/pdf"
    assert response.headers["Content-Disposition"].startswith("inline")
    assert DocumentDownload.objects.filter(document_id=order.authorisation_id).count() == 1


def test_approving_lays_offers(desk, order):
    response = decide(desk, order, outcome="approve", reason="risk verified", approved_amount="91,680.00")
    assert response.url == "/backoffice/workbench/"
    assert state(order) == "offered"
    assert flows.task_for("application", order.id, "credit_review") is None
    assert order.number in desk.get("/backoffice/workbench/").content.decode()  # said so


def test_approving_less_offers_less(desk, order):
    decide(desk, order, outcome="approve", reason="income needs proof", approved_amount="60,000")
    offers = applications.current_offers(Application.objects.get(id=order.id))
    assert {offer.principal <= 60000 for offer in offers} == {True}


@pytest.mark.parametrize(("outcome", "then"), [("decline", "declined"), ("more_info", "more_info")])
def test_declining_and_asking_for_papers(desk, order, outcome, then):
    assert decide(desk, order, outcome=outcome, reason="links not ruled out").status_code == 302
    assert state(order) == then
    entry = applications.timeline(order.id)[-1]
    assert entry.reason == "links not ruled out"
    assert entry.actor.startswith("staff:")


@pytest.mark.parametrize(
    "data",
    [
        {"outcome": "decline", "reason": ""},
        {"outcome": "approve", "reason": "fine", "approved_amount": "9999999"},
        {"outcome": "approve", "reason": "fine", "approved_amount": "-1"},
        {"outcome": "approve", "reason": "fine", "approved_amount": "lots"},
        {"outcome": "shrug", "reason": "fine"},
        {},
    ],
)
def test_a_decision_that_cannot_stand_comes_back_with_its_reason(desk, order, data):
    response = decide(desk, order, **data)
    assert response.status_code == 422
    assert 'role="alert"' in response.content.decode()
    assert state(order) == "manual_review"


@pytest.fixture
def blind(house):
    """An order that the machine could not grade: its sources did not answer in time."""
    order = house.shop.submit(person(house.entity, 910))
    risk.time_out_requests(actor=SYSTEM, now=order.submitted_at + dt.timedelta(minutes=6))
    outbox.dispatch()
    return order


def test_an_order_without_a_grade_is_approved_with_one_chosen(desk, blind):
    assert Application.objects.get(id=blind.id).grade == ""
    assert 'name="grade"' in page_of(desk, blind)
    refused = decide(desk, blind, outcome="approve", reason="income proved by statements", approved_amount="60,000")
    assert refused.status_code == 422
    assert "Choose a grade from A to D." in refused.content.decode()
    decide(desk, blind, outcome="approve", reason="income proved by statements", approved_amount="60,000", grade="B")
    application = Application.objects.get(id=blind.id)
    assert (application.state, application.grade) == ("offered", "B")


def test_an_order_is_screened_again_when_the_source_is_back(desk, blind, sandbox):
    url = f"/backoffice/review/{blind.id}/screen-again/"
    assert url in page_of(desk, blind)
    assert desk.post(url, {"reason": ""}).status_code == 422
    assert state(blind) == "manual_review"
    assert desk.post(url, {"reason": "bureau is back"}).url == "/backoffice/workbench/"
    assert state(blind) == "screening"


def test_the_amount_on_the_page_is_no_more_than_the_machine_s_limit(desk, order):
    limit = applications.review_case(order.id).decision.limit
    granted = min(order.requested_amount, limit) if limit is not None else order.requested_amount
    assert f'name="approved_amount" inputmode="decimal" value="{granted:,.2f}"' in page_of(desk, order)
    assert 'name="grade"' not in page_of(desk, order)


def test_a_case_is_decided_once(desk, order, house, at_desk):
    decide(desk, order, outcome="decline", reason="no income")
    response = decide(at_desk(house.staff("credit_reviewer")), order, outcome="approve", reason="looks fine")
    assert response.status_code == 409
    assert state(order) == "declined"


def test_a_case_of_a_colleague_has_no_buttons(desk, order, house, at_desk):
    colleague = house.staff("credit_reviewer")
    task = flows.task_for("application", order.id, "credit_review")
    at_desk(colleague).post(f"/backoffice/workbench/{task.id}/claim/")
    assert 'name="outcome"' not in page_of(desk, order)
    assert decide(desk, order, outcome="decline", reason="me first").status_code == 403
    assert state(order) == "manual_review"


def test_who_only_looks_sees_no_buttons_and_no_bureau(order, house, at_desk):
    page = page_of(at_desk(house.staff("disbursement_reviewer")), order)
    assert 'name="outcome"' not in page
    assert 'id="h-bureau"' not in page
    assert "BU-001" not in page
    assert decide(at_desk(house.staff("auditor")), order, outcome="decline", reason="auditor").status_code == 403


def test_the_calculator_tells_the_payment_and_its_share_of_the_income(desk, order):
    url = f"/backoffice/review/{order.id}/calculator/"
    answer = desk.get(url, {"amount": "120,000.00", "rate": "10.80", "term": "36"})
    assert answer.status_code == 200
    assert "3,917.29" in answer.content.decode()
    assert "21,022.45" in answer.content.decode()
    assert desk.get(url, {"amount": "120000", "rate": "90", "term": "36"}).status_code == 422
    assert desk.get(url, {"amount": "x", "rate": "", "term": "0"}).status_code == 422


def test_the_page_takes_a_bounded_number_of_queries(desk, order, house, django_assert_max_num_queries):
    with django_assert_max_num_queries(48):
        page_of(desk, order)
    for serial in (911, 912):
        house.order_in_review(serial)
    with django_assert_max_num_queries(48):
        page_of(desk, order)


def test_a_row_of_the_list_leads_to_the_page(desk, order):
    assert desk.get(f"/backoffice/applications/application/{order.id}/change/").url == f"/backoffice/review/{order.id}/"
