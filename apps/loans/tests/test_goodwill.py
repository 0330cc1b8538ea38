"""Money that is not the borrower's, and income over a loan's life: counter operations with their entries (docs/rules/prepayment.md)."""

from __future__ import annotations

import datetime as dt
from contextlib import nullcontext
from dataclasses import replace
from decimal import Decimal

import pytest

from apps.common import approvals, clock
from apps.common.clock import beijing
from apps.common.errors import NotPermitted
from apps.loans import services
from apps.loans.models import Loan, LoanTransaction
from apps.loans.tests.factories import SYSTEM, TERMS, a_lender, a_loan, assert_sound, books, close_through, pay, shared
from apps.loans.tests.test_counter import do, journal, now, staff
from apps.loans.tests.test_domain_replay import small_loan

pytestmark = pytest.mark.django_db
D = Decimal
LATE, RETURNED, START = dt.date(2025, 4, 30), dt.date(2025, 1, 30), dt.date(2025, 1, 15)


def a_lender_on(day):
    clock.move_to(beijing(day, 10))
    return a_lender(first_day=day)


@pytest.fixture
def late():
    """The loan of the worked examples, its third instalment ten days late: 20.31 of penalty."""
    loan = a_loan(a_lender_on(LATE))
    pay(loan, "5596.86", dt.date(2025, 2, 20))
    pay(loan, "5596.86", dt.date(2025, 3, 20))
    return loan


def test_a_goodwill_credit_is_paid_by_the_lender_and_can_be_undone(late):
    entity = late.legal_entity
    before = books(entity)

    change = do(late, "goodwill", amount="20.31")

    assert journal(change) == {
        "goodwill_granted": {"6711": D("20.31"), "1012": D("-20.31")},
        "repayment": {"1012": D("20.31"), "113202": D("-20.31")},
    }
    paid = LoanTransaction.objects.get(source="goodwill")
    assert (paid.kind, paid.amount) == ("repayment", D("20.31"))
    assert_sound(entity)
    do(late, "cancel_repayment", transaction=str(paid.id))
    assert books(entity) == before
    assert_sound(entity)


def test_a_merchants_refund_prepays_and_gives_back_the_interest_it_has_cost():
    entity = a_lender_on(RETURNED)
    loan = a_loan(entity)

    change = do(loan, "merchant_refund", amount="30000", means="cash", payer="shop 7")

    assert change.amount == D("30177.54"), "the goodwill in it counts where it is approved"
    # 20 days: 710.14 on 120,000.00, 532.60 on 90,000.00.
    found = [(row.kind, row.source, str(row.amount)) for row in LoanTransaction.objects.filter(loan=loan).order_by("created_at", "id")][1:]
    assert found == [("repayment", "goodwill", "177.54"), ("prepayment", "merchant", "30000.00")]
    held = books(entity)
    assert (held["130301"], held["224102"], held["6711"], held["1001"]) == (D("90710.14"), D("177.54"), D("177.54"), D("30000.00"))
    assert journal(change)["goodwill_granted"] == {"6711": D("177.54"), "1012": D("-177.54")}
    assert [entry["event"] for entry in change.preview["journal"]] == [entry["event"] for entry in change.result["journal"]]
    assert LoanTransaction.objects.get(source="merchant").params["about"] == {"payer": "shop 7"}
    assert_sound(entity)


def test_a_merchants_refund_is_approved_as_the_goodwill_in_it_and_on_a_day_of_the_loan():
    entity = a_lender_on(RETURNED)
    loan = a_loan(entity)
    checker = staff(entity, "finance")
    data = {"value_date": str(RETURNED), "means": "cash", "payer": "shop 7"}
    for amount, is_small in (("990", True), ("995", False)):  # with 5.86 and 5.89 of interest
        change = services.propose_operation(
            operation="merchant_refund", loan_id=loan.id, data=data | {"amount": amount}, reason="r", actor=checker, now=now(entity)
        )
        assert (change.amount < 1000) is is_small
        with nullcontext() if is_small else pytest.raises(NotPermitted):
            approvals.approve(request_id=change.id, actor=staff(entity, "finance"), now=now(entity))
    with pytest.raises(services.ValueDateRefused):
        do(loan, "merchant_refund", amount="1", means="cash", payer="shop 7", value_date="2025-01-09")


def test_a_merchant_returns_money_on_a_loan_whose_due_days_are_working_days():
    entity = a_lender_on(RETURNED)
    loan = a_loan(entity, replace(TERMS, move_to_working_day=True))

    do(loan, "merchant_refund", amount="30000", means="cash", payer="shop 7")

    assert books(entity)["6711"] == D("177.54")
    assert_sound(entity)


def test_a_merchants_refund_of_all_of_it_ends_the_loan_and_costs_the_customer_nothing():
    entity = a_lender_on(RETURNED)
    loan = a_loan(entity, shared(entity))

    do(loan, "merchant_refund", amount="120000", means="cash", payer="shop 7")

    assert Loan.objects.get(id=loan.id).state == "settled"
    assert books(entity)["6711"] == D("710.14")
    assert not {"130301", "113201", "224102"} & set(books(entity))
    assert_sound(entity)


def settle(loan, amount, day):
    services.settle_early(loan_id=loan.id, value_date=day, amount=D(amount), reference="end", actor=SYSTEM, now=beijing(day, 12))


def test_a_buy_down_is_earned_day_by_day_and_its_rest_goes_back():
    entity = a_lender_on(START)
    loan = a_loan(entity, small_loan())

    change = do(loan, "buy_down", amount="365", payer="dealer 7", unearned="returned")
    assert journal(change) == {"deferred": {"122102": D(365), "2401": D(-365)}}
    do(loan, "buy_down_money", amount="365", way="received", means="cash")
    assert "122102" not in books(entity)

    close_through(entity, dt.date(2025, 1, 24))
    held = books(entity)
    # Ten of 365 days: 10.00, of which 0.57 is tax.
    assert (held["2401"], held["601104"]) == (D("355.00"), D("9.43"))
    assert_sound(entity)

    settle(loan, "1204", dt.date(2025, 1, 25))
    held = books(entity)
    assert (held.get("2401"), held["601104"], held["122102"]) == (None, D("9.43"), D("355.00"))
    do(loan, "buy_down_money", amount="355", way="paid_back", means="cash")
    assert "122102" not in books(entity)
    assert books(entity)["1001"] == D("10.00")
    assert_sound(entity)

    row = LoanTransaction.objects.get(loan=loan, kind="early_settlement")
    day = dt.date(2025, 1, 25)
    services.reverse_transaction(loan_id=loan.id, transaction_id=row.id, reason="r", reference="v", actor=SYSTEM, now=beijing(day, 13))
    assert books(entity)["2401"] == D("355.00")
    assert_sound(entity)


def test_of_a_buy_down_no_more_comes_than_is_owed_and_no_more_goes_back_than_came():
    entity = a_lender_on(START)
    loan, other = a_loan(entity, small_loan()), a_loan(entity, small_loan(), reference="transfer-2")
    do(loan, "buy_down", amount="365", payer="dealer 7", unearned="returned")

    def refused(which, amount, way):
        with pytest.raises(services.AmountRefused):
            do(which, "buy_down_money", amount=amount, way=way, means="cash")

    refused(other, "0.01", "received")
    refused(loan, "365.01", "received")
    refused(loan, "0.01", "paid_back")
    do(loan, "buy_down_money", amount="300", way="received", means="cash")
    refused(loan, "65.01", "received")
    refused(loan, "300.01", "paid_back")
    do(loan, "buy_down_money", amount="300", way="paid_back", means="cash")
    assert books(entity)["122102"] == D("365.00"), "what was received by mistake is owed again"
    assert_sound(entity)


def test_a_buy_down_is_earned_at_once_when_its_rest_stays_with_the_lender():
    entity = a_lender_on(START)
    loan = a_loan(entity, small_loan())
    do(loan, "buy_down", amount="365", payer="the state", unearned="earned")

    settle(loan, "1200", START)

    # 365.00 with 6 % inside.
    assert (books(entity).get("2401"), books(entity)["601104"]) == (None, D("344.34"))
    assert_sound(entity)


def test_income_added_to_the_principal_is_lent_received_and_earned_over_the_life():
    entity = a_lender_on(START)
    loan = a_loan(entity, small_loan())

    change = do(loan, "capitalised_income", amount="120", note="opening fee")

    assert journal(change) == {
        "disbursement": {"130301": D(120), "1012": D(-120)},
        "deferred": {"1012": D(120), "2401": D(-120)},
        "provision": journal(change)["provision"],
    }
    close_through(entity, dt.date(2025, 1, 24))
    held = books(entity)
    # Ten of 365 days: 3.29, of which 0.19 is tax; interest runs on 1,320.00.
    assert (held["2401"], held["6021"], held["113201"]) == (D("116.71"), D("3.10"), D("4.40"))
    assert_sound(entity)
    do(loan, "cancel_change", transaction=str(LoanTransaction.objects.get(kind="capitalised_income").id))
    held = books(entity)
    assert (held["130301"], held.get("2401"), held.get("6021"), held["113201"]) == (D("1200.00"), None, None, D("4.00"))
    assert_sound(entity)
