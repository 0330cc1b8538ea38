"""Vehicle leases, worked out by hand in docs/rules/vehicle-lease.md."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from apps.loans.domain.lease import CarReturn, deposit_for_due, settle_return
from apps.loans.domain.parsing import parse_terms
from apps.loans.tests.factories import START, a_lender, a_loan, assert_sound, books, close_through, pay

pytestmark = pytest.mark.django_db
D = Decimal
TERMS = parse_terms(
    {
        "principal": "120000.00",
        "annual_rate": "12",
        "installments": 3,
        "method": "equal_principal",
        "day_count": "30/360",
        "start": "2025-01-10",
        "first_due": "2025-02-10",
    }
)


def a_lease(entity, terms=TERMS, **options):
    return a_loan(entity, terms, vat_parameter="vat.direct_lease", is_lease=True, **options)


def test_a_direct_lease_stands_as_lease_receivable_and_unearned_income():
    entity = a_lender()
    a_lease(entity)
    # Interest 1,200.00 + 800.00 + 400.00.
    found = books(entity)
    assert (found["153101"], found["1532"]) == (D("122400.00"), D("2400.00"))
    assert "130301" not in found
    assert_sound(entity)
    close_through(entity, START)
    # 120,000.00 x 12 % / 360 = 40.00, with 13 % in it: 4.60.
    found = books(entity)
    assert (found["1532"], found["601101"], found["222101"]) == (D("2360.00"), D("35.40"), D("4.60"))
    assert "113201" not in found
    assert_sound(entity)
