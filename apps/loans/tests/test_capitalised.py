"""Interest that becomes principal, in the core and in the books (docs/rules/amortisation.md, docs/rules/posting-rules.md)."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from apps.common import clock
from apps.common.clock import beijing
from apps.loans import selectors, services
from apps.loans.domain import BadTerms, Funder, LoanTerms, quote_from_json, replay_from_json
from apps.loans.domain.parsing import parse_terms
from apps.loans.models import Loan, LoanTransaction
from apps.loans.tests.builders import on, shown, tx
from apps.loans.tests.factories import SYSTEM, a_lender, a_loan, assert_sound, books, close_through, pay
from apps.loans.tests.test_counter import do

D = Decimal
REQUEST = {
    "principal": "1000",
    "annual_rate": "12",
    "installments": 5,
    "day_count": "30/360",
    "method": "equal_installment",
    "start": "2025-01-15",
    "first_due": "2025-02-15",
}
GRACE = {"principal_grace": 2, "interest_grace": 2, "grace_interest": "capitalised"}
START, DUE_2 = dt.date(2025, 1, 15), dt.date(2025, 3, 15)


def grown(**changes: Any) -> LoanTerms:
    return parse_terms(REQUEST | GRACE | changes)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            GRACE,
            [("0.00", "0.00", "10.00"), ("0.00", "0.00", "10.10"), ("336.66", "10.20", ""), ("340.03", "6.83", ""), ("343.41", "3.43", "")],
        ),
        (
            GRACE | {"method": "equal_principal"},
            [("0.00", "0.00", "10.00"), ("0.00", "0.00", "10.10"), ("340.03", "10.20", ""), ("340.03", "6.80", ""), ("340.04", "3.40", "")],
        ),
        (
            {"method": "interest_first", "installments": 3, "interest_grace": 1, "grace_interest": "capitalised"},
            [("0.00", "0.00", "10.00"), ("0.00", "10.10", ""), ("1010.00", "10.10", "")],
        ),
        (
            {"installments": 3, "start": "2025-01-05", "first_interest": "capitalised"},
            [("331.14", "10.00", "3.33"), ("334.42", "6.72", ""), ("337.77", "3.38", "")],
        ),
        (
            {"installments": 3, "start": "2025-01-05", "first_interest": "capitalised", "method": "equal_principal"},
            [("334.44", "10.00", "3.33"), ("334.44", "6.69", ""), ("334.45", "3.34", "")],
        ),
    ],
)  # fmt: skip
def test_interest_of_a_grace_or_a_long_first_period_becomes_principal(
    changes: dict[str, Any], expected: list[tuple[str, str, str]]
) -> None:
    answer = quote_from_json(REQUEST | changes)

    rows = answer["schedule"]
    assert [(row["principal"], row["interest"], row.get("capitalised", "")) for row in rows] == expected
    became = sum(D(row.get("capitalised", "0")) for row in rows)
    assert sum(D(row["principal"]) for row in rows) == 1000 + became
    assert D(answer["total_interest"]) == sum(D(row["interest"]) for row in rows) + became
    assert sum(D(row["total"]) for row in rows) == 1000 + D(answer["total_interest"])


def test_a_loan_grows_on_its_due_days_and_not_before() -> None:
    def told(day: str) -> tuple[Any, ...]:
        state = on(grown(), [], day)
        return shown(state.outstanding), str(state.accrued_interest), str(state.payoff.total), str(state.capitalised)

    assert told("2025-02-14") == ({"principal": "1000.00"}, "10.00", "1010.00", "0.00")
    assert told("2025-02-15") == ({"principal": "1010.00"}, "0.00", "1010.00", "10.00")
    assert told("2025-03-10") == ({"principal": "1010.00"}, "7.74", "1017.74", "10.00")
    assert told("2025-04-15") == ({"interest": "10.20", "principal": "1020.10"}, "0.00", "1030.30", "20.10")
    assert on(grown(), [], "2025-04-14").dpd == 0


def test_a_prepayment_within_the_grace_leaves_less_to_become_principal() -> None:
    state = on(grown(), [tx("p", "prepayment", "2025-03-01", "500")], "2025-03-15")

    # 14 days on 1,010.00: 4.71; 495.29 of principal. The 16 days left bear 2.75 on 514.71, which become principal.
    assert shown(state.transactions[0].allocated) == {"interest": "4.71", "principal": "495.29"}
    assert [str(row.installment.capitalised) for row in state.rows[:3]] == ["10.00", "2.75", "0.00"]
    assert str(state.outstanding["principal"]) == "517.46"
    assert state.capitalised == D("12.75")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"grace_interest": "capitalised"}, "grace_interest"),
        (GRACE | {"principal_grace": 1}, "grace_interest"),
        (GRACE | {"method": "flat"}, "grace_interest"),
        (GRACE | {"grace_interest": "gone"}, "grace_interest"),
        ({"first_interest": "capitalised", "method": "interest_first"}, "first_interest"),
        ({"first_interest": "capitalised", "interest_grace": 1}, "first_interest"),
        ({"first_interest": "capitalised", "even_out": True}, "first_interest"),
    ],
)
def test_what_cannot_become_principal_is_refused_by_field(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(BadTerms) as refused:
        replay_from_json({"id": "x", "terms": REQUEST | changes}, "2025-03-01")
    assert refused.value.field == field


@pytest.mark.django_db
def test_in_the_books_interest_is_paid_by_a_further_loan_and_clearing_is_passed() -> None:
    entity = a_lender(first_day=START)
    loan = a_loan(entity, grown())

    close_through(entity, dt.date(2025, 2, 14))
    found = books(entity)
    assert (found["130301"], found.get("113201"), found["1012"]) == (D(1010), None, D(1000))
    close_through(entity, DUE_2)

    found = books(entity)
    # 20.10 have become principal; one day of the third period has run on 1,020.10.
    assert (found["130301"], found["113201"], found["1012"]) == (D("1020.10"), D("0.34"), D("1000.00"))
    assert_sound(entity)
    rows = list(loan.instalments.order_by("no").values_list("interest", "status"))
    assert rows[0] == (D("0.00"), "paid")

    statement = selectors.statement_for(Loan.objects.get(id=loan.id), START, DUE_2)
    lines = [(line.kind, str(line.amount), str(line.principal)) for line in statement.statement.lines]
    assert lines == [("disbursement", "1000.00", "1000.00"), ("capitalised", "10.00", "1010.00"), ("capitalised", "10.10", "1020.10")]

    for day, amount in (("2025-04-15", "346.86"), ("2025-05-15", "346.86"), ("2025-06-15", "346.84")):
        due = dt.date.fromisoformat(day)
        close_through(entity, due - dt.timedelta(days=1))
        pay(loan, amount, due)
    assert Loan.objects.get(id=loan.id).state == "settled"
    found = books(entity)
    assert not {"130301", "113201"} & set(found)
    assert found["1012"] == D("40.56")
    assert_sound(entity)


@pytest.mark.django_db
def test_a_back_dated_prepayment_takes_back_what_had_become_principal_too_much() -> None:
    entity = a_lender(first_day=START)
    shares = (Funder(str(entity.id), 3000), Funder("bank-a", 7000))
    loan = a_loan(entity, replace(grown(), funders=shares))
    close_through(entity, dt.date(2025, 3, 19))
    day = dt.date(2025, 3, 20)
    before = books(entity)

    paid = services.prepay(
        loan_id=loan.id, amount=D(500), mode="reduce", value_date=dt.date(2025, 3, 1), reference="p", actor=SYSTEM, now=beijing(day, 12)
    )

    assert Loan.objects.get(id=loan.id).balance.principal == D("517.46")
    # 303.82 of 1,012.75 lent less 148.59 of 495.29 repaid: 30 % each, the residual 分 with the lead.
    assert books(entity)["130301"] == D("155.23")
    assert_sound(entity)
    row = LoanTransaction.objects.get(id=paid.id)
    services.reverse_transaction(loan_id=loan.id, transaction_id=row.id, reason="r", reference="v", actor=SYSTEM, now=beijing(day, 13))
    assert books(entity) == before
    assert_sound(entity)


@pytest.mark.django_db
def test_interest_that_becomes_principal_brings_no_servicing_fee() -> None:
    clock.move_to(beijing(START, 10))
    entity = a_lender(first_day=START)
    loan = a_loan(entity, grown())
    do(loan, "sale", owner="spv-1", price="1000.00", service_rate="1")

    close_through(entity, DUE_2)
    assert "6051" not in books(entity), "20.10 have become principal; nobody has paid anything"
    assert_sound(entity)

    for due, amount in (("2025-04-15", "346.86"), ("2025-05-15", "346.86")):
        day = dt.date.fromisoformat(due)
        close_through(entity, day - dt.timedelta(days=1))
        pay(loan, amount, day)
    # 1 % of 693.72, 6 % of tax in it.
    assert (books(entity)["6051"], books(entity)["222102"]) == (D("6.55"), D("0.39"))
    assert_sound(entity)
