"""The loan core's steps in the real end of day: in order, safe to repeat, cheap, and not stopped by one bad loan."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.common.clock import beijing
from apps.ledger import selectors as ledger
from apps.ledger.models import JournalEntry, JournalLine
from apps.loans import audit, eod, selectors, services
from apps.loans.models import Loan, LoanBalance
from apps.loans.services import aging, sums
from apps.loans.tests.factories import (
    START,
    SYSTEM,
    a_lender,
    a_loan,
    assert_sound,
    books,
    business_day,
    close_through,
    pay,
    run_end_of_day,
    told,
)
from apps.organisations.business_day import steps
from apps.organisations.models import StepRun

pytestmark = pytest.mark.django_db
D = Decimal
NOW = beijing(START + dt.timedelta(days=1), 1)


def test_the_steps_stand_in_their_order():
    mine = [
        (step.name, step.order)
        for phase in ("close", "open")
        for step in steps(phase)
        if step.run.startswith(("apps.loans", "apps.ledger"))
    ]
    assert mine == [
        ("late", 10),
        ("penalty", 20),
        ("marks", 25),
        ("accrual", 30),
        ("classification", 40),
        ("provisions", 50),
        ("funding_fees", 55),
        ("totals", 60),
        ("falls_due", 10),
        ("lease_deposits", 15),
        ("rate_resets", 20),
    ]


def test_the_end_of_day_closes_the_books_and_accrues():
    entity = a_lender()
    a_loan(entity)
    run_end_of_day(entity, START + dt.timedelta(days=2))
    assert ledger.closed_through(entity.id) == START + dt.timedelta(days=2)
    assert business_day(entity.id) == START + dt.timedelta(days=3)
    assert books(entity)["113201"] == D("106.52")
    assert_sound(entity)


def test_many_loans_make_one_entry_a_day():
    entity = a_lender()
    for _ in range(3):
        a_loan(entity)
    close_through(entity, START)
    entry = JournalEntry.objects.get(legal_entity=entity, event="accrual")
    assert {line.account.code: line.debit or line.credit for line in entry.lines.select_related("account")} == {
        "113201": 3 * D("35.51"),
        "601101": 3 * D("33.50"),
        "222101": 3 * D("2.01"),
    }
    assert {line.subject_ref for line in JournalLine.objects.filter(entry=entry)} == {None}


def test_a_step_run_again_books_nothing_more():
    entity = a_lender()
    a_loan(entity)
    parts = eod.ranges(entity_id=entity.id, day=START, now=NOW)
    for _ in range(2):
        for part in parts:
            eod.accrual(entity_id=entity.id, day=START, partition=part, now=NOW)
    assert JournalEntry.objects.filter(event="accrual").count() == 1


def test_cut_in_any_partitions_the_books_say_the_same(monkeypatch):
    one, two = a_lender("CUT1"), a_lender("CUT2")
    loans = {lender: [a_loan(lender) for _ in range(5)] for lender in (one, two)}
    close_through(one, dt.date(2025, 2, 25))
    for module, size in (
        (eod, "LOANS_PER_RANGE"),
        (sums, "REPLAYS_PER_PART"),
        (aging, "LOANS_PER_PART"),
        (selectors.due, "LOANS_PER_PART"),
    ):
        monkeypatch.setattr(module, size, 2)
    close_through(two, dt.date(2025, 2, 25))
    assert all(Loan.objects.get(id=loan.id).state == "overdue" for group in loans.values() for loan in group)
    mine, theirs = (
        [(row.code, row.debit, row.credit) for day in range(1, 26) for row in ledger.trial_balance(lender.id, dt.date(2025, 2, day))]
        for lender in (one, two)
    )
    assert mine == theirs
    assert_sound(two)


def test_a_loan_with_a_problem_is_set_aside_and_catches_up():
    entity = a_lender()
    good, bad = a_loan(entity), a_loan(entity)
    terms = dict(Loan.objects.get(id=bad.id).terms)
    Loan.objects.filter(id=bad.id).update(terms={**terms, "installments": 0})
    first_due = dt.date(2025, 2, 20)
    run_end_of_day(entity, first_due + dt.timedelta(days=1))
    for day in (first_due, first_due + dt.timedelta(days=1)):
        (aside,) = StepRun.objects.get(step="late", day=day).set_aside
        assert aside[0] == bad.number
        assert "installments" in aside[1]
    assert LoanBalance.objects.get(loan=good).dpd == 2
    assert LoanBalance.objects.get(loan=bad).dpd == 0
    behind = {check.name: check.first_offender for check in audit.checks(entity.id) if not check.ok}
    assert bad.number in behind["books closed on D hold accrual to D + 1"]
    Loan.objects.filter(id=bad.id).update(terms=terms)
    run_end_of_day(entity, first_due + dt.timedelta(days=2))
    assert books(entity)["113201"] == 2 * (D("1455.78") + D("102.84"))
    assert books(entity)["113202"] == 2 * D("5.51")
    assert_sound(entity)


def test_dpd_class_and_news_of_a_day():
    entity = a_lender()
    loan = a_loan(entity)
    close_through(entity, dt.date(2025, 2, 19))
    assert told("LoanFellOverdue") == []
    first_due = dt.date(2025, 2, 20)
    assert [row.loan_id for row in selectors.due_loans(entity.id, first_due, {})] == [loan.id]
    dues, unclear = selectors.dues_of([loan.id], first_due)
    assert ([due.total for due in dues], unclear) == ([D("5596.86")], {})
    close_through(entity, dt.date(2025, 2, 20))
    assert [(event["dpd"], event["overdue_total"]) for event in told("LoanFellOverdue")] == [(1, "5598.70")]
    assert selectors.loan_brief(loan.id).asset_class == "normal", "technical delay"
    close_through(entity, dt.date(2025, 2, 27))
    brief = selectors.loan_brief(loan.id)
    assert (brief.dpd, brief.asset_class) == (8, "special_mention")
    assert [row.number for row in selectors.overdue_loans(entity.id)] == [loan.number]
    assert len(told("LoanFellOverdue")) == 1, "told once"


def test_a_payment_booked_while_the_day_closes_belongs_to_the_next_day():
    """A deed between the replay and the booking of a closing day finds the day's accrual first, in its own day."""
    entity, twin = a_lender("RACE"), a_lender("CALM")
    loan, other = a_loan(entity), a_loan(twin)
    for lender in (entity, twin):
        close_through(lender, dt.date(2025, 2, 20))
    day = dt.date(2025, 2, 21)
    eod.penalty(entity_id=entity.id, day=day, partition=eod.late_parts(entity_id=entity.id, day=day, now=NOW)[0], now=NOW)
    services.record_repayment(
        loan_id=loan.id, amount=D("5600.00"), value_date=dt.date(2025, 2, 22), source="debit", reference="r", actor=SYSTEM,
        now=beijing(dt.date(2025, 2, 22), 0, 30),
    )  # fmt: skip
    close_through(entity, day)
    close_through(twin, day)
    pay(other, "5600.00", dt.date(2025, 2, 22), "r")
    for on in (day, dt.date(2025, 2, 22)):
        mine, theirs = ([(row.code, row.debit, row.credit) for row in ledger.trial_balance(lender.id, on)] for lender in (entity, twin))
        assert mine == theirs, on
    close_through(entity, dt.date(2025, 2, 22))
    assert_sound(entity)


def test_a_quiet_day_costs_few_queries_whatever_the_number_of_loans():
    counts = []
    for number in (1, 4):
        entity = a_lender(f"Q{number}")
        for _ in range(number):
            a_loan(entity)
        close_through(entity, START + dt.timedelta(days=3))
        with CaptureQueriesContext(connection) as queries:
            close_through(entity, START + dt.timedelta(days=4))
        counts.append(len(queries))
    assert counts[0] == counts[1]
    assert counts[0] < 60


def test_grace_days_keep_the_loan_active_and_show_the_days():
    from dataclasses import replace

    from apps.loans.tests.factories import TERMS

    entity = a_lender()
    loan = a_loan(entity, replace(TERMS, grace_days=3))
    close_through(entity, dt.date(2025, 2, 22))
    brief = selectors.loan_brief(loan.id)
    assert (brief.state, brief.dpd) == ("active", 3)
    pay(loan, "5596.86", dt.date(2025, 2, 23))
    assert selectors.loan_brief(loan.id).dpd == 0
    assert "113202" not in books(entity)
    assert_sound(entity)
