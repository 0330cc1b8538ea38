"""The loan of the worked examples through the services, with the books asserted (docs/rules/posting-rules.md)."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from decimal import Decimal
from uuid import uuid4

import pytest
from django.db import DatabaseError, connection, transaction

from apps.common.actors import Actor
from apps.common.clock import beijing
from apps.common.errors import NotPermitted
from apps.common.models import OutboxMessage
from apps.ledger import selectors as ledger
from apps.ledger.models import JournalEntry
from apps.loans import selectors, services
from apps.loans.domain.terms import Funder
from apps.loans.models import Instalment, Loan, LoanAmount, LoanTransaction
from apps.loans.tests.factories import START, SYSTEM, TERMS, a_lender, a_loan, assert_sound, books, close_through, pay, shared, told

pytestmark = pytest.mark.django_db
D = Decimal
DUE_1, DUE_2, DUE_3 = dt.date(2025, 2, 20), dt.date(2025, 3, 20), dt.date(2025, 4, 20)


# -- the worked story ---------------------------------------------------------------------------------------


def test_the_disbursement_opens_the_loan_and_its_books():
    entity = a_lender()
    loan = a_loan(entity)
    assert loan.state == "active"
    assert loan.number.startswith("LN20250110")
    assert books(entity) == {"130301": D("120000.00"), "1012": D("120000.00"), "1304": D("1200.00"), "6702": D("1200.00")}
    assert Instalment.objects.filter(loan=loan).count() == 24
    assert [event["number"] for event in told("LoanOpened")] == [loan.number]
    assert_sound(entity)


def test_a_day_accrues_its_interest_net_and_tax():
    entity = a_lender()
    a_loan(entity)
    close_through(entity, START)
    found = books(entity)
    # 120,000 x 10.8 % / 365 = 35.51 a day, of which 6 % VAT inside: 35.51 x 6 / 106 = 2.01.
    assert (found["113201"], found["601101"], found["222101"]) == (D("35.51"), D("33.50"), D("2.01"))


def test_the_first_instalment_paid_on_its_day():
    entity = a_lender()
    loan = a_loan(entity)
    close_through(entity, dt.date(2025, 2, 19))
    assert books(entity)["113201"] == D("1455.78"), "41 days of interest: the first instalment's"
    pay(loan, "5596.86", DUE_1)
    found = books(entity)
    assert "113201" not in found
    assert found["130301"] == D("115858.92")
    assert found["1012"] == D("114403.14")
    assert found["601101"] + found["222101"] == D("1455.78")
    entry = JournalEntry.objects.get(event="repayment", legal_entity=entity)
    assert sorted((line.account.code, line.debit, line.credit) for line in entry.lines.select_related("account")) == [
        ("1012", D("5596.86"), D("0.00")),
        ("113201", D("0.00"), D("1455.78")),
        ("130301", D("0.00"), D("4141.08")),
    ]
    assert_sound(entity)


def test_an_instalment_paid_ten_days_late_bears_penalty():
    entity = a_lender()
    loan = a_loan(entity)
    close_through(entity, dt.date(2025, 2, 19))
    pay(loan, "5596.86", DUE_1)
    close_through(entity, dt.date(2025, 3, 19))
    pay(loan, "5596.86", DUE_2)
    close_through(entity, DUE_3)
    assert Loan.objects.get().state == "overdue"
    assert books(entity)["130302"] == D("4576.67"), "unpaid principal of the late instalment"
    assert [event["dpd"] for event in told("LoanFellOverdue")] == [1]
    close_through(entity, dt.date(2025, 4, 29))
    found = books(entity)
    assert found["113202"] == D("20.31")
    due = selectors.amount_due(loan.id, dt.date(2025, 4, 30))
    assert (due.total, due.components["penalty"], due.dpd) == (D("5617.17"), D("20.31"), 10)
    pay(loan, "5617.17", dt.date(2025, 4, 30))
    found = books(entity)
    assert "113202" not in found
    assert "130302" not in found
    assert found["601102"] + D("1.15") == D("20.31"), "20.31 x 6 / 106 = 1.15 of tax"
    assert Loan.objects.get().state == "active"
    assert len(told("LoanCured")) == 1
    assert_sound(entity)


# -- repetition, back-dating, reversal ------------------------------------------------------------------------


def test_the_same_reference_again_changes_nothing():
    entity = a_lender()
    loan = a_loan(entity)
    close_through(entity, dt.date(2025, 2, 19))
    first = pay(loan, "5596.86", DUE_1)
    before = books(entity), JournalEntry.objects.count(), OutboxMessage.objects.count()
    again = pay(loan, "5596.86", DUE_1)
    assert (again.id, again.repeated) == (first.id, True)
    assert (books(entity), JournalEntry.objects.count(), OutboxMessage.objects.count()) == before
    with pytest.raises(services.ReferenceReused):
        pay(loan, "5596.87", DUE_1)


def test_opening_the_same_application_again_is_the_same_loan():
    entity = a_lender()
    application = uuid4()
    assert a_loan(entity, application_ref=application).id == a_loan(entity, application_ref=application).id
    assert books(entity)["130301"] == D("120000.00")


def test_a_reversed_repayment_never_happened():
    entity, twin = a_lender("ONE"), a_lender("TWO")
    loan, other = a_loan(entity), a_loan(twin)
    for lender in (entity, twin):
        close_through(lender, dt.date(2025, 2, 19))
    bounced = pay(loan, "5596.86", DUE_1)
    for lender in (entity, twin):
        close_through(lender, dt.date(2025, 2, 24))
    services.reverse_transaction(
        loan_id=loan.id, transaction_id=bounced.id, reason="退票", reference="bounce", actor=SYSTEM, now=beijing(dt.date(2025, 2, 25), 9)
    )
    assert books(entity) == books(twin)
    assert Loan.objects.get(id=loan.id).state == Loan.objects.get(id=other.id).state == "overdue"
    told = selectors.statement_for(Loan.objects.get(id=loan.id), loan.opened_on, dt.date(2025, 2, 25)).statement
    assert [line.reversed_by is not None for line in told.lines if line.kind == "repayment"] == [True]
    assert_sound(entity)
    with pytest.raises(services.LoanNotRunning):
        services.reverse_transaction(
            loan_id=loan.id, transaction_id=bounced.id, reason="x", reference="again", actor=SYSTEM, now=beijing(dt.date(2025, 2, 25), 9)
        )


def test_the_entries_of_a_bounced_debit():
    """The worked example of docs/rules/posting-rules.md: the differences, as new entries in the open day."""
    entity = a_lender()
    loan = a_loan(entity)
    close_through(entity, dt.date(2025, 2, 19))
    bounced = pay(loan, "5596.86", DUE_1)
    close_through(entity, dt.date(2025, 2, 24))
    services.reverse_transaction(
        loan_id=loan.id, transaction_id=bounced.id, reason="退票", reference="bounce", actor=SYSTEM, now=beijing(dt.date(2025, 2, 25), 9)
    )
    entries = JournalEntry.objects.filter(legal_entity=entity, business_date=dt.date(2025, 2, 25))
    found = {
        entry.event: {line.account.code: line.debit - line.credit for line in entry.lines.select_related("account")} for entry in entries
    }
    assert found == {
        "repayment": {"1012": D("-5596.86"), "113201": D("1455.78"), "130301": D("4141.08")},
        "penalty": {"113202": D("9.19"), "601102": D("-8.67"), "222101": D("-0.52")},
        "reclassification": {"130302": D("4141.08"), "130301": D("-4141.08")},
        "provision": {"6702": D("41.41"), "1304": D("-41.41")},
    }
    assert {line.subject_ref for entry in entries for line in entry.lines.all()} == {loan.id}
    booked = {(row.event, row.component): row.booked for row in LoanAmount.objects.filter(loan=loan).exclude(booked=0)}
    assert booked == {
        ("disbursement", "principal"): D("120000.00"),
        ("accrual", "interest"): D("1535.08"),
        ("accrual", "interest_vat"): D("92.11"),
        ("penalty", "penalty"): D("8.67"),
        ("penalty", "penalty_vat"): D("0.52"),
        ("reclassification", "overdue"): D("4141.08"),
        ("provision", "principal"): D("1200.00"),
    }


def test_a_back_dated_payment_gives_the_books_of_one_in_time():
    entity, twin = a_lender("LATE"), a_lender("GOOD")
    loan, other = a_loan(entity), a_loan(twin)
    for lender in (entity, twin):
        close_through(lender, dt.date(2025, 2, 19))
    pay(other, "5596.86", DUE_1)
    for lender in (entity, twin):
        close_through(lender, dt.date(2025, 3, 5))
    assert books(entity)["113202"] > 0
    services.record_repayment(
        loan_id=loan.id, amount=D("5596.86"), value_date=DUE_1, source="counter", reference="c1", actor=SYSTEM,
        now=beijing(dt.date(2025, 3, 6), 9),
    )  # fmt: skip
    assert books(entity) == books(twin)
    assert JournalEntry.objects.filter(legal_entity=entity, business_date__lte=dt.date(2025, 3, 5), event="repayment").count() == 0
    assert_sound(entity)


def test_a_cancelled_disbursement_leaves_nothing_behind():
    entity = a_lender()
    loan = a_loan(entity)
    close_through(entity, dt.date(2025, 1, 12))
    paid_out = LoanTransaction.objects.get(loan=loan, kind="disbursement")
    services.reverse_transaction(
        loan_id=loan.id,
        transaction_id=paid_out.id,
        reason="撤销放款",
        reference="cancel",
        actor=SYSTEM,
        now=beijing(dt.date(2025, 1, 13), 9),
    )
    assert Loan.objects.get().state == "cancelled"
    assert books(entity) == {}
    assert_sound(entity)


def test_a_surplus_is_credit_and_pays_the_next_instalment_on_its_day():
    entity = a_lender()
    loan = a_loan(entity)
    close_through(entity, dt.date(2025, 2, 9))
    pay(loan, "6000.00", dt.date(2025, 2, 10))
    assert books(entity)["224102"] == D("6000.00")
    close_through(entity, dt.date(2025, 2, 18))
    assert books(entity)["224102"] == D("6000.00")
    close_through(entity, dt.date(2025, 2, 19))
    found = books(entity)
    assert (found["224102"], found["130301"], found["1012"]) == (D("403.14"), D("115858.92"), D("114000.00"))
    assert JournalEntry.objects.get(legal_entity=entity, event="repayment", narrative__contains="End of day").business_date == DUE_1
    assert_sound(entity)


# -- days ---------------------------------------------------------------------------------------------------


def test_a_write_on_a_loan_that_lags_first_brings_it_up_to_date():
    entity = a_lender()
    loan = a_loan(entity)
    pay(loan, "100.00", dt.date(2025, 1, 13), "early")
    days = ledger.balances(entity.id, as_of=dt.date(2025, 1, 11))
    assert days, "each day's accrual stands in its own day"
    assert ledger.balance("113201", entity.id, START) == D("35.51")
    assert ledger.balance("113201", entity.id, dt.date(2025, 1, 12)) == D("106.52")
    assert ledger.balance("224102", entity.id, dt.date(2025, 1, 12)) == 0
    assert ledger.balance("224102", entity.id, dt.date(2025, 1, 13)) == D("100.00")
    close_through(entity, dt.date(2025, 1, 13))
    assert ledger.balance("113201", entity.id) == D("142.03")
    assert_sound(entity)


def test_the_books_of_a_day_are_the_same_by_end_of_day_and_by_catching_up():
    entity, twin = a_lender("EOD"), a_lender("EOD2")
    loan, other = a_loan(entity), a_loan(twin)
    pay(other, "10.00", dt.date(2025, 1, 15), "x")
    close_through(entity, dt.date(2025, 1, 14))
    pay(loan, "10.00", dt.date(2025, 1, 15), "x")
    close_through(twin, dt.date(2025, 1, 14))
    for day in range(10, 16):
        on = dt.date(2025, 1, day)
        mine, theirs = ([(row.code, row.debit, row.credit) for row in ledger.trial_balance(lender.id, on)] for lender in (entity, twin))
        assert mine == theirs, on


def test_non_accrual_takes_interest_off_the_balance_sheet_and_back():
    entity = a_lender()
    loan = a_loan(entity)
    close_through(entity, dt.date(2025, 5, 20))
    before = books(entity)
    assert before["113201"] > 0
    close_through(entity, dt.date(2025, 5, 21))
    brief = selectors.loan_brief(loan.id)
    assert (brief.dpd, brief.is_non_accrual, brief.asset_class) == (91, True, "substandard")
    found = books(entity)
    assert not {"113201", "113202", "601101", "601102", "222101", "130301", "130302"} & set(found)
    assert found["130303"] == D("120000.00")
    assert found["9002"] == found["9099"] > before["113201"] + before["113202"]
    assert found["1304"] == D("30000.00")
    assert_sound(entity)
    due = selectors.amount_due(loan.id, dt.date(2025, 5, 22))
    pay(loan, str(due.total), dt.date(2025, 5, 22))
    found = books(entity)
    assert not {"9002", "9099", "130302", "130303"} & set(found)
    assert found["601101"] > 0
    brief = selectors.loan_brief(loan.id)
    assert (brief.is_non_accrual, brief.asset_class, brief.is_watched) == (False, "substandard", True)
    assert_sound(entity)


def test_a_partner_s_share_never_touches_our_loans():
    entity = a_lender()
    loan = a_loan(entity, shared(entity))
    found = books(entity)
    assert (found["130301"], found["224101"], found["9004"]) == (D("36000.00"), D("84000.00"), D("84000.00"))
    close_through(entity, dt.date(2025, 2, 19))
    found = books(entity)
    assert found["113201"] + found["9005"] == D("1455.78")
    assert found["9005"] == D("1019.05"), "70 % of 1,455.78"
    pay(loan, "5596.86", DUE_1)
    found = books(entity)
    assert found["224101"] == D("84000.00") - D("1019.05") - D("2898.76"), "what the bank put in less what came back for it"
    assert found["130301"] + found["9004"] == D("115858.92")
    assert_sound(entity)


def test_a_fee_agreed_up_front_is_due_at_once():
    entity = a_lender()
    loan = a_loan(entity, replace(TERMS, fee_upfront=D("1000.00")))
    found = books(entity)
    assert (found["122101"], found["6021"], found["222101"]) == (D("1000.00"), D("943.40"), D("56.60"))
    assert selectors.amount_due(loan.id, START).total == D("1000.00")
    pay(loan, "1000.00", START)
    assert "122101" not in books(entity)
    assert_sound(entity)


def test_direct_lease_bears_13_percent():
    entity = a_lender()
    a_loan(entity, vat_parameter="vat.direct_lease")
    close_through(entity, START)
    assert books(entity)["222101"] == D("4.09"), "35.51 x 13 / 113"


# -- what is refused ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("amount", ["0", "-1", "0.001", "NaN", "sNaN", "Infinity", "10000000000.01"])
def test_an_amount_that_is_none_is_refused(amount):
    loan = a_loan(a_lender())
    with pytest.raises(services.AmountRefused):
        pay(loan, amount, START)


def test_value_dates_before_the_loan_or_ahead_of_today_are_refused():
    loan = a_loan(a_lender())
    for day in (START - dt.timedelta(days=1), START + dt.timedelta(days=1)):
        with pytest.raises(services.ValueDateRefused):
            services.record_repayment(
                loan_id=loan.id, amount=D("1.00"), value_date=day, source="debit", reference="x", actor=SYSTEM, now=beijing(START, 12)
            )


def test_a_prepayment_that_leaves_nothing_for_principal_is_refused():
    entity = a_lender()
    loan = a_loan(entity)
    close_through(entity, dt.date(2025, 1, 19))
    with pytest.raises(services.AmountRefused):
        services.prepay(
            loan_id=loan.id, amount=D("100.00"), mode="reduce", value_date=dt.date(2025, 1, 20), reference="p", actor=SYSTEM,
            now=beijing(dt.date(2025, 1, 20), 9),
        )  # fmt: skip
    assert not LoanTransaction.objects.filter(kind="prepayment").exists()


def test_deeds_need_the_right_to_and_keep_to_what_is_seen():
    entity = a_lender()
    loan = a_loan(entity)
    nobody = Actor(kind="staff", label="x")
    with pytest.raises(NotPermitted):
        services.record_repayment(
            loan_id=loan.id, amount=D("1.00"), value_date=START, source="manual", reference="x", actor=nobody, now=beijing(START, 12)
        )
    blind = Actor(kind="staff", label="x", permissions=frozenset({"loans.record"}))
    with pytest.raises(services.LoanUnknown):
        services.record_repayment(
            loan_id=loan.id, amount=D("1.00"), value_date=START, source="manual", reference="x", actor=blind, now=beijing(START, 12)
        )


def test_a_transfer_after_the_first_due_day_is_refused():
    entity = a_lender(first_day=DUE_1)
    with pytest.raises(services.TermsRefused):
        a_loan(entity, value_date=DUE_1)


def test_a_later_transfer_adjusts_the_first_period_and_keeps_the_due_days():
    entity = a_lender(first_day=dt.date(2025, 1, 13))
    loan = a_loan(entity, value_date=dt.date(2025, 1, 13))
    first = Instalment.objects.get(loan=loan, no=1)
    assert (first.due_date, first.interest) == (DUE_1, D("1349.26")), "38 days instead of 41"


# -- laws -----------------------------------------------------------------------------------------------------


def test_transactions_are_append_only():
    a_loan(a_lender())
    for sql in ("UPDATE loans_loantransaction SET amount = 1", "DELETE FROM loans_loantransaction"):
        with pytest.raises(DatabaseError, match="Cannot update or delete"), transaction.atomic():
            connection.cursor().execute(sql)


def test_partner_shares_add_up_to_the_whole_after_every_step():
    entity = a_lender()
    terms = replace(TERMS, funders=(Funder("own", 3333), Funder("bank-a", 3333), Funder("bank-b", 3334)))
    loan = a_loan(entity, terms)
    close_through(entity, dt.date(2025, 2, 25))
    pay(loan, "3000.01", dt.date(2025, 2, 26))
    state = selectors.state_on(loan.id, dt.date(2025, 2, 26))
    for event, component, whole in (
        ("accrual", "interest", state.interest_accrued_to(state.as_of)),
        ("penalty", "penalty", state.penalty_accrued_to(state.as_of)),
    ):
        rows = LoanAmount.objects.filter(loan=loan, event=event, component__startswith=component)
        assert sum(row.booked for row in rows) == whole
    assert_sound(entity)


def test_a_disbursement_that_is_reversed_after_the_settlement_cancels_the_loan():
    entity = a_lender()
    loan = a_loan(entity)
    payoff = services.payoff_quote(loan_id=loan.id, on=START).total
    now = beijing(START, 12)
    services.settle_early(loan_id=loan.id, value_date=START, amount=payoff, reference="settled", actor=SYSTEM, now=now)
    paid_out = LoanTransaction.objects.get(loan=loan, kind="disbursement")
    services.reverse_transaction(
        loan_id=loan.id, transaction_id=paid_out.id, reason="bank took it back", reference="back", actor=SYSTEM, now=now
    )
    stored = Loan.objects.get(id=loan.id)
    assert (stored.state, stored.settled_on) == ("cancelled", None)
    assert_sound(entity)
