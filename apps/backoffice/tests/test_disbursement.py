"""Disbursement review: the checks as they are now, and the decision with its consequences."""

from __future__ import annotations

import pytest

from apps.customers.models import BankCard
from apps.disbursement import selectors as disbursement
from apps.flows import selectors as flows


@pytest.fixture
def signed(house):
    return house.payment()


@pytest.fixture
def desk(house, at_desk):
    return at_desk(house.staff("disbursement_reviewer"))


def page_of(desk, signed):
    response = desk.get(f"/backoffice/disbursement/{signed.disbursement.id}/")
    assert response.status_code == 200
    return response.content.decode()


def decide(desk, signed, **data):
    return desk.post(f"/backoffice/disbursement/{signed.disbursement.id}/decide/", data)


def test_the_page_lists_all_checks_and_the_contract_s_verification(desk, signed):
    page = page_of(desk, signed)
    assert page.count('data-ok="1"') == 7
    assert signed.contract.number in page
    assert signed.disbursement.payee_masked in page
    assert signed.disbursement.payee_account not in page
    assert 'value="approve"' in page


def test_a_check_that_fails_takes_the_approval_away(desk, signed):
    for card in BankCard.objects.filter(customer=signed.customer):
        card.remove()
        card.is_default = False
        card.save()
    page = page_of(desk, signed)
    assert 'data-check="card_valid" data-ok="0"' in page
    assert 'value="approve"' not in page
    assert decide(desk, signed, outcome="approve", reason="").status_code == 409
    assert signed.state() == "disbursement_review"


def test_looking_changes_nothing(desk, signed):
    page_of(desk, signed)
    assert signed.payment().checks == []


def test_approving_issues_the_voucher(desk, signed):
    assert decide(desk, signed, outcome="approve", reason="").url == "/backoffice/workbench/"
    assert signed.state() == "vouchered"
    assert disbursement.voucher_of(signed.application.id).state == "issued"
    assert flows.task_for("disbursement", signed.disbursement.id, "disbursement_review") is None
    page = page_of(desk, signed)
    assert disbursement.voucher_of(signed.application.id).number in page
    assert 'name="outcome"' not in page


@pytest.mark.parametrize(("outcome", "then"), [("refuse", "refused"), ("return", "contracting")])
def test_refusing_and_sending_back(desk, signed, outcome, then):
    assert decide(desk, signed, outcome=outcome, reason="").status_code == 422
    assert decide(desk, signed, outcome=outcome, reason="payee differs").status_code == 302
    assert signed.state() == then


def test_a_payment_is_decided_once(desk, signed):
    decide(desk, signed, outcome="refuse", reason="payee differs")
    assert decide(desk, signed, outcome="approve", reason="").status_code == 409


def test_only_reviewers_decide(signed, house, at_desk):
    finance = at_desk(house.staff("finance"))
    assert 'name="outcome"' not in page_of(finance, signed)
    assert decide(finance, signed, outcome="approve", reason="").status_code == 403
    assert signed.state() == "disbursement_review"


def test_the_page_takes_a_bounded_number_of_queries(desk, signed, django_assert_max_num_queries):
    with django_assert_max_num_queries(45):
        page_of(desk, signed)
