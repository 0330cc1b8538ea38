"""Terms survive the way into the database and back, whatever they are."""

from __future__ import annotations

import datetime as dt
from dataclasses import fields, replace
from decimal import Decimal

import pytest

from apps.loans.bridge import terms_of, terms_to_json
from apps.loans.domain.terms import Component, Funder, LoanTerms, Method, Rounding
from apps.loans.models import Loan
from apps.loans.tests.factories import TERMS

VARIANTS = [
    TERMS,
    replace(TERMS, annual_rate=Decimal("0.0912345"), rate_cap=Decimal("0.24"), penalty_uplift=Decimal("0.3"), grace_days=3),
    replace(TERMS, method=Method.BALLOON, balloon=Decimal("30000.00"), multiple=Decimal(1), rounding=Rounding.HALF_EVEN, even_out=True),
    replace(TERMS, method=Method.STEP, installments=3, shares=(Decimal("0.2"), Decimal("0.3"), Decimal("0.5"))),
    replace(TERMS, due_day=20, fee_upfront=Decimal("10.50"), prepay_fee_rate=Decimal("0.01"), prepay_fee_free_after=0, compound=True),
    replace(TERMS, funders=(Funder("own", 3000), Funder("bank-a", 7000)), waterfall=tuple(reversed(Component)), borrower_ref="b"),
    replace(TERMS, move_to_working_day=True, first_due=dt.date(2025, 2, 28), due_day=31),
]


@pytest.mark.parametrize("terms", VARIANTS)
def test_terms_come_back_as_they_went(terms):
    assert terms_of(Loan(terms=terms_to_json(terms))) == terms


def test_no_term_is_forgotten():
    known = set(terms_to_json(replace(TERMS, move_to_working_day=True)))
    assert known == {field.name for field in fields(LoanTerms)}
