"""Tranches paid out at the counter, and days past due that are not counted (docs/rules/amortisation.md, docs/rules/penalty.md)."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from apps.common import clock
from apps.common.clock import beijing
from apps.loans.models import LoanBalance, LoanRun, LoanTransaction
from apps.loans.selectors import state_on
from apps.loans.services.errors import TermsRefused
from apps.loans.tests.factories import a_lender, a_loan, assert_sound, books, close_through, pay
from apps.loans.tests.test_counter import do, journal
from apps.loans.tests.test_domain_replay import small_loan

pytestmark = pytest.mark.django_db
D = Decimal
START, SECOND = dt.date(2025, 1, 15), dt.date(2025, 1, 30)
AGREED = [{"on": "2025-01-15", "amount": "700"}, {"on": "2025-01-30", "amount": "500"}]


def a_lender_on(day):
    clock.move_to(beijing(day, 10))
    return a_lender(first_day=day)


def test_the_second_tranche_is_paid_out_at_the_counter():
    entity = a_lender_on(SECOND)
    loan = a_loan(entity, small_loan(tranches=AGREED))
    assert (books(entity)["130301"], books(entity)["1012"]) == (D("700.00"), D("700.00"))

    change = do(loan, "tranche", amount="500", means="cash")

    posted = journal(change)
    assert posted["cash_paid"] == {"1012": D("500.00"), "1001": D("-500.00")}
    assert posted["disbursement"] == {"130301": D("500.00"), "1012": D("-500.00")}
    rows = state_on(loan.id, SECOND).rows
    # Twelve principal parts of 100.00; 700 × 1 % × 15 ÷ 30 + 1,200 × 1 % × 15 ÷ 30.
    assert [(str(row.installment.principal), str(row.installment.interest)) for row in rows[:2]] == [
        ("100.00", "9.50"),
        ("100.00", "11.00"),
    ]
    assert_sound(entity)
    with pytest.raises(TermsRefused, match="1200.00"):
        do(loan, "tranche", amount="0.01", means="cash")

    second = LoanTransaction.objects.get(loan=loan, kind="disbursement", amount=D("500.00"))
    do(loan, "cancel_disbursement", transaction=str(second.id))
    held = books(entity)
    assert (held["130301"], held["1012"]) == (D("700.00"), D("700.00"))
    assert "1001" not in held
    assert_sound(entity)


def test_a_loan_paid_out_in_full_has_no_further_tranche():
    loan = a_loan(a_lender_on(START), small_loan())
    with pytest.raises(TermsRefused, match="1200.00"):
        do(loan, "tranche", amount="1", means="suspense")


def test_days_past_due_stand_still_while_paused():
    day, until = dt.date(2025, 4, 30), dt.date(2025, 5, 5)
    entity = a_lender_on(day)
    loan = a_loan(entity)
    pay(loan, "5596.86", dt.date(2025, 2, 20))
    pay(loan, "5596.86", dt.date(2025, 3, 20))
    penalty = state_on(loan.id, until).outstanding["penalty"]

    do(loan, "delinquency_pause", until=str(until))

    assert not LoanRun.objects.get(loan=loan).is_plain
    close_through(entity, until)
    # Ten days late on 30 April; the five days from then to 4 May do not count, interest and penalty run.
    assert [state_on(loan.id, on).dpd for on in (day, until, until + dt.timedelta(days=1))] == [10, 10, 11]
    assert LoanBalance.objects.get(loan=loan).dpd == 11
    assert state_on(loan.id, until).outstanding["penalty"] == penalty
    assert_sound(entity)
