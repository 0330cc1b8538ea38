"""Operations undone at the counter: what an operation did to two loans is undone on both, and money goes back once."""

from __future__ import annotations

import datetime as dt

import pytest

from apps.loans.domain import parse_terms
from apps.loans.models import Loan, LoanTransaction
from apps.loans.selectors import LoanNotRunning
from apps.loans.services.errors import ChargedBack
from apps.loans.tests.factories import a_loan, assert_sound, books
from apps.loans.tests.test_counter import do, entity, late  # noqa: F401  (fixtures)

pytestmark = pytest.mark.django_db
REFINANCED = {"installments": "36", "annual_rate": "9.6", "method": "equal_installment", "first_due": "2025-06-10"}


def _cancel(row: LoanTransaction) -> None:
    changes = {"disbursement": "cancel_disbursement", "refund": "cancel_change", "chargeback": "cancel_change"}
    operation = changes.get(row.kind, "cancel_repayment")
    do(Loan.objects.get(id=row.loan_id), operation, transaction=str(row.id))


@pytest.mark.parametrize("half", ["out", "in"])
def test_an_internal_transfer_is_undone_on_both_loans(entity, late, half):  # noqa: F811
    other = a_loan(entity, reference="transfer-2")
    do(late, "repayment", amount="6000.00", means="cash")
    before = books(entity)
    do(late, "internal_transfer", way="to_loan", amount="182.83", to_loan=other.number)
    assert books(entity) != before

    _cancel(LoanTransaction.objects.get(reference__endswith=f"/{half}"))

    assert books(entity) == before
    assert_sound(entity)


@pytest.mark.parametrize("half", ["settle", "new"])
def test_a_refinance_is_undone_on_both_loans(entity, late, half):  # noqa: F811
    before = books(entity)
    do(late, "refinance", **REFINANCED)

    _cancel(LoanTransaction.objects.get(reference__endswith=f"/{half}"))

    old, new = Loan.objects.get(id=late.id), Loan.objects.exclude(id=late.id).get()
    assert (old.state, new.state) == ("overdue", "cancelled")
    assert books(entity) == before
    assert_sound(entity)


def test_a_payment_charged_back_is_not_cancelled_too(entity, late):  # noqa: F811
    do(late, "repayment", amount="6000.00", means="cash")
    do(late, "internal_transfer", way="to_suspense", amount="200.00")
    payment = do(late, "repayment", amount="200.00", means="suspense").result["transactions"][0]["id"]
    before = books(entity)
    do(late, "chargeback", amount="200.00", transaction=payment)

    with pytest.raises(ChargedBack):
        do(late, "cancel_repayment", transaction=payment)

    _cancel(LoanTransaction.objects.get(loan=late, kind="chargeback"))
    assert books(entity) == before
    do(late, "cancel_repayment", transaction=payment)
    with pytest.raises(LoanNotRunning):
        do(late, "chargeback", amount="200.00", transaction=payment)
    assert_sound(entity)


def test_a_loan_past_its_last_instalment_is_re_aged_over_a_number_named(entity):  # noqa: F811
    terms = parse_terms(
        {
            "principal": "1200.00",
            "annual_rate": "12",
            "installments": 2,
            "method": "equal_principal",
            "day_count": "30/360",
            "start": "2025-02-20",
            "first_due": "2025-03-20",
        }
    )
    loan = a_loan(entity, terms)

    change = do(loan, "re_age", installments="6")

    assert len(change.preview["after"]["schedule"]) == 6
    assert_sound(entity)


def test_a_plan_by_shares_is_extended_by_shares(entity):  # noqa: F811
    terms = parse_terms(
        {
            "principal": "1200.00",
            "annual_rate": "12",
            "installments": 3,
            "method": "custom",
            "shares": ["0.5", "0.25", "0.25"],
            "day_count": "30/360",
            "start": dt.date(2025, 4, 20).isoformat(),
            "first_due": "2025-05-20",
        }
    )
    loan = a_loan(entity, terms)

    change = do(loan, "extension", installments="4", shares="0.4, 0.3，0.2 0.1")

    assert [row["principal"] for row in change.preview["after"]["schedule"]] == ["480.00", "360.00", "240.00", "120.00"]
    assert_sound(entity)
