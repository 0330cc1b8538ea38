"""Floating rates: the end of day gives a loan its new rate on its day, once, and sets aside the one that has none."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from decimal import Decimal

import pytest

from apps.common.clock import beijing
from apps.loans import selectors
from apps.loans.domain import parse_terms, terms_to_json
from apps.loans.models import Loan, LoanTransaction
from apps.loans.services.resets import reset_rates
from apps.loans.tests.factories import TERMS, a_lender, a_loan, assert_sound, close_through, pay, run_end_of_day
from apps.organisations.models import Parameter, StepRun

pytestmark = pytest.mark.django_db
D = Decimal
SECOND = dt.date(2025, 2, 10)


def floating(**more: object) -> object:
    terms = terms_to_json(TERMS) | {"floating": {"index": "lpr_1y", "spread_bp": 780, "repricing": "monthly"}}
    return replace(parse_terms(terms), **more)


def lpr(percent: str, first: dt.date, last: dt.date | None = None) -> None:
    Parameter.objects.create(
        code="lpr.1y", kind="decimal", value=str(D(percent) / 100), effective_from=first, effective_to=last, source="tests", certainty="K"
    )


@pytest.fixture
def entity():
    lender = a_lender()
    Parameter.objects.filter(code="lpr.1y").delete()
    lpr("3.00", dt.date(2024, 1, 1), dt.date(2025, 1, 31))
    lpr("2.90", dt.date(2025, 2, 1))
    return lender


def resets(loan: Loan) -> list[tuple[dt.date, str]]:
    rows = LoanTransaction.objects.filter(loan=loan, kind="rate_reset").order_by("value_date")
    return [(row.value_date, row.params["annual_rate"]) for row in rows]


def test_a_loan_takes_the_rate_of_its_index_and_spread_on_its_day(entity):
    fixed, loan = a_loan(entity), a_loan(entity, floating())
    assert (loan.reprices_on, fixed.reprices_on) == (SECOND, None)
    close_through(entity, SECOND - dt.timedelta(days=2))
    assert resets(loan) == []
    close_through(entity, SECOND - dt.timedelta(days=1))
    assert resets(loan) == [(SECOND, "10.7")]
    assert selectors.state_on(loan.id, SECOND).rate == D("0.107")
    assert selectors.state_on(loan.id, SECOND - dt.timedelta(days=1)).rate == D("0.108")
    assert Loan.objects.get(id=loan.id).reprices_on == dt.date(2025, 3, 10)
    assert resets(fixed) == []
    pay(loan, "5596.86", dt.date(2025, 2, 20))
    close_through(entity, dt.date(2025, 3, 12))
    assert [day for day, _rate in resets(loan)] == [SECOND, dt.date(2025, 3, 10)]
    assert_sound(entity)


def test_a_reset_made_again_changes_nothing(entity):
    loan = a_loan(entity, floating())
    close_through(entity, SECOND - dt.timedelta(days=1))
    Loan.objects.filter(id=loan.id).update(reprices_on=SECOND)
    assert reset_rates(legal_entity_id=entity.id, day=SECOND, now=beijing(SECOND, 1)) == (1, [])
    assert len(resets(loan)) == 1
    assert Loan.objects.get(id=loan.id).reprices_on == dt.date(2025, 3, 10)


def test_a_loan_without_an_index_in_force_is_set_aside_and_catches_up(entity):
    loan = a_loan(entity, floating())
    Parameter.objects.filter(code="lpr.1y", effective_from=dt.date(2025, 2, 1)).delete()
    run_end_of_day(entity, SECOND)
    (aside,) = StepRun.objects.get(step="rate_resets", day=SECOND).set_aside
    assert aside[0] == loan.number
    assert resets(loan) == []
    lpr("2.90", dt.date(2025, 2, 1))
    run_end_of_day(entity, SECOND + dt.timedelta(days=1))
    assert resets(loan) == [(SECOND, "10.7")]
    assert_sound(entity)
