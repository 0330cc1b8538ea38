"""The loan of the worked examples, paid on time to July: payoff, part prepayment, early settlement (docs/rules/posting-rules.md)."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from django.db import transaction

from apps.common.clock import beijing
from apps.ledger.models import JournalEntry
from apps.loans import selectors, services
from apps.loans.models import Instalment, Loan
from apps.loans.tests.factories import SYSTEM, a_lender, a_loan, assert_sound, books, close_through, pay, told

pytestmark = pytest.mark.django_db
D = Decimal


@pytest.fixture(scope="module")
def paid_to_july(django_db_setup, django_db_blocker):
    """The loan, paid on time to July, standing on 2025-08-05; made once, each test rolls back its own part."""
    with django_db_blocker.unblock(), transaction.atomic():
        entity = a_lender()
        loan = a_loan(entity)
        for month in range(2, 8):
            due = dt.date(2025, month, 20)
            close_through(entity, due - dt.timedelta(days=1))
            pay(loan, "5596.86", due)
        close_through(entity, dt.date(2025, 8, 4))
        yield entity, loan
        transaction.set_rollback(True)


AUGUST_5 = dt.date(2025, 8, 5)


def _prepay(loan, mode, reference="prepay"):
    return services.prepay(
        loan_id=loan.id, amount=D("30000.00"), mode=mode, value_date=AUGUST_5, reference=reference, actor=SYSTEM, now=beijing(AUGUST_5, 12)
    )


def test_payoff_of_the_worked_example(paid_to_july):
    _entity, loan = paid_to_july
    quote = services.payoff_quote(loan_id=loan.id, on=AUGUST_5)
    assert (quote.interest, quote.principal, quote.total) == (D("438.40"), D("92600.91"), D("93039.31"))


@pytest.mark.parametrize(
    ("mode", "rows", "interest", "principal", "last_total", "interest_to_come"),
    [("reduce", 18, "279.79", "3512.47", "3792.26", "5221.37"), ("shorten", 12, "279.79", "5317.07", "4888.65", "3414.80")],
)
def test_part_prepayment_of_the_worked_example(paid_to_july, mode, rows, interest, principal, last_total, interest_to_come):
    entity, loan = paid_to_july
    _prepay(loan, mode)
    assert selectors.loan_brief(loan.id).principal_outstanding == D("63039.31")
    to_come = list(Instalment.objects.filter(loan=loan, status="future").order_by("no"))
    assert len(to_come) == rows
    assert (to_come[0].interest, to_come[0].principal) == (D(interest), D(principal))
    assert to_come[-1].interest + to_come[-1].principal == D(last_total)
    assert sum(row.interest for row in to_come) == D(interest_to_come)
    entry = JournalEntry.objects.get(event="repayment", legal_entity=entity, business_date=AUGUST_5)
    assert {line.account.code: line.credit or line.debit for line in entry.lines.select_related("account")} == {
        "1012": D("30000.00"),
        "113201": D("438.40"),
        "130301": D("29561.60"),
    }
    assert_sound(entity)


def test_early_settlement_ends_the_loan_and_empties_its_accounts(paid_to_july):
    entity, loan = paid_to_july
    with pytest.raises(services.AmountRefused):
        services.settle_early(
            loan_id=loan.id, value_date=AUGUST_5, amount=D("93039.30"), reference="s0", actor=SYSTEM, now=beijing(AUGUST_5, 12)
        )
    done = services.settle_early(
        loan_id=loan.id, value_date=AUGUST_5, amount=D("93039.31"), reference="s1", actor=SYSTEM, now=beijing(AUGUST_5, 12)
    )
    assert done.loan_state == "settled"
    found = books(entity)
    assert not {"113201", "113202", "130301", "130302", "1304", "6702", "224102"} & set(found)
    paid = D("93039.31") + 6 * D("5596.86")
    assert found["1012"] == found["601101"] + found["222101"] == paid - D("120000.00")
    facts = selectors.settlement_facts(loan.id)
    assert (facts.settled_on, facts.paid_total, facts.principal, facts.was_settled_early) == (AUGUST_5, paid, D("120000.00"), True)
    assert [event["settled_on"] for event in told("LoanSettled")] == ["2025-08-05"]
    close_through(entity, dt.date(2025, 8, 10))
    assert books(entity) == found, "nothing accrues on a settled loan"
    assert_sound(entity)


def test_a_settlement_that_bounced_reopens_the_loan(paid_to_july):
    entity, loan = paid_to_july
    done = services.settle_early(
        loan_id=loan.id, value_date=AUGUST_5, amount=D("93039.31"), reference="s1", actor=SYSTEM, now=beijing(AUGUST_5, 12)
    )
    close_through(entity, dt.date(2025, 8, 6))
    services.reverse_transaction(
        loan_id=loan.id, transaction_id=done.id, reason="退票", reference="s1-back", actor=SYSTEM, now=beijing(dt.date(2025, 8, 7), 9)
    )
    loan = Loan.objects.get(id=loan.id)
    assert (loan.state, loan.settled_on) == ("active", None)
    assert len(told("LoanReopened")) == 1
    assert books(entity)["113201"] == D("493.19"), "18 days of 92,600.91, as if never settled"
    assert_sound(entity)
