"""Where a loan stands: what its rows ask, what the plan leaves after each, and which rows fall due at all."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from apps.common.clock import beijing
from apps.loans import selectors, services
from apps.loans.domain.parsing import parse_terms
from apps.loans.models import Loan
from apps.loans.tests.factories import SYSTEM, a_lender, a_loan, close_through, pay

pytestmark = pytest.mark.django_db
D = Decimal
START = dt.date(2025, 1, 15)
TERMS = {
    "principal": "1000",
    "annual_rate": "12",
    "installments": 5,
    "day_count": "30/360",
    "method": "equal_installment",
    "start": "2025-01-15",
    "first_due": "2025-02-15",
}
GROWS = {"principal_grace": 2, "interest_grace": 2, "grace_interest": "capitalised"}


@pytest.fixture
def entity():
    return a_lender(first_day=START)


def schedule(loan, day):
    return selectors.standing_of(Loan.objects.select_related("balance").get(id=loan.id), day).schedule


def test_interest_that_becomes_principal_is_not_asked_for(entity):
    loan = a_loan(entity, parse_terms(TERMS | GROWS))
    rows = schedule(loan, START)
    assert [(row.interest, row.total, row.left) for row in rows[:2]] == [(0, 0, 0), (0, 0, 0)]
    assert [str(row.balance) for row in rows] == ["1010.00", "1020.10", "683.44", "343.41", "0.00"]
    assert [row.no for row in rows if row.left > 0] == [3, 4, 5]


def test_what_is_prepaid_is_off_the_plan_from_its_day_on(entity):
    loan = a_loan(entity, parse_terms(TERMS))
    due, day = dt.date(2025, 2, 15), dt.date(2025, 3, 1)
    assert [str(row.balance) for row in schedule(loan, START)] == ["803.96", "605.96", "405.98", "204.00", "0.00"]
    close_through(entity, due - dt.timedelta(days=1))
    pay(loan, "206.04", due)
    close_through(entity, day - dt.timedelta(days=1))
    # 14 days on 803.96 cost 3.75; 300.00 goes off the principal.
    services.prepay(loan_id=loan.id, amount=D("303.75"), mode="reduce", value_date=day, reference="p", actor=SYSTEM, now=beijing(day, 12))
    rows = schedule(loan, day)
    assert (rows[0].balance, rows[1].balance) == (D("803.96"), D("503.96") - rows[1].principal)
    assert rows[-1].balance == 0
    # Settled whole the same day: what the paid row left stays told.
    quote = selectors.payoff_quote(loan_id=loan.id, on=day)
    services.settle_early(loan_id=loan.id, value_date=day, amount=quote.total, reference="s", actor=SYSTEM, now=beijing(day, 13))
    assert [str(row.balance) for row in schedule(loan, day)] == ["803.96"]


@pytest.mark.parametrize(
    "free",
    [GROWS, {"interest_free": 2, "principal_grace": 2}],
)
def test_a_row_that_asks_nothing_does_not_fall_due(entity, free):
    loan = a_loan(entity, parse_terms(TERMS | free))

    def falling(first, last):
        found = selectors.loans_falling_due(entity.id, dt.date.fromisoformat(first), dt.date.fromisoformat(last), {})
        return [(due.loan_id, due.due_date) for due in found]

    assert falling("2025-02-15", "2025-03-15") == []
    assert falling("2025-03-15", "2025-04-15") == [(loan.id, dt.date(2025, 4, 15))]
