"""Lines and results that do not come together: a second line of one order, a result after its statement, cases that end by themselves."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction

from apps.common import clock
from apps.disbursement import services as disbursement
from apps.disbursement.models import RepaymentOrder
from apps.disbursement.tests.factories import SYSTEM, staff
from apps.ledger import selectors as ledger
from apps.reconciliation import audit, services
from apps.reconciliation.gateways import bank
from apps.reconciliation.models import BankLine, Difference, LateMatch, ReconciliationBatch
from apps.reconciliation.tests.test_services import CLEARING, applied, failing, line, loan, prepay, statement_of

__all__ = ["loan"]
pytestmark = pytest.mark.django_db
ONE_DAY = dt.timedelta(days=1)


def bank_account(loan) -> Decimal:
    return ledger.balance("1002", loan.entity.id)


def succeed(order: RepaymentOrder) -> None:
    disbursement.record_debit_result(
        order_no=order.order_no, outcome="succeeded", amount=order.amount, bank_ref="B1", reason="", now=clock.now()
    )


def test_a_second_line_of_a_matched_order_is_money_taken_twice(loan):
    statement = bank().statement(day=loan.first_due)
    applied(loan, statement)
    before = bank_account(loan)
    again = replace(statement.lines[0], serial="SECOND")
    outcome = applied(loan, statement_of(loan, statement.lines[0], again))
    assert (outcome.lines, outcome.matched, outcome.differences, outcome.state) == (1, 0, 1, "differing")
    assert set(BankLine.objects.values_list("serial", "result")) == {(statement.lines[0].serial, "matched"), ("SECOND", "duplicate")}
    assert bank_account(loan) == before
    assert Difference.objects.get().kind == "duplicate"
    assert failing(loan) == [CLEARING]


def test_the_database_holds_one_matched_line_per_order(loan):
    applied(loan, bank().statement(day=loan.first_due))
    first = BankLine.objects.get()
    facts = {field.attname: getattr(first, field.attname) for field in BankLine._meta.concrete_fields if field.attname != "id"}
    with pytest.raises(IntegrityError, match="order_matched_once"), transaction.atomic():
        BankLine.objects.create(**facts | {"serial": "SECOND"})
    BankLine.objects.create(**facts | {"serial": "SECOND", "matched_order_no": "R-NOT-OURS"})
    clearing = next(check for check in audit.checks(loan.entity.id) if check.name == CLEARING)
    assert not clearing.ok
    assert "confirmed more than has moved" in clearing.first_offender


def test_a_result_that_comes_after_its_statement_is_matched_by_the_next_one(loan, sandbox):
    late = prepay(loan, "5000.00")
    sandbox.take_callbacks()
    statement = bank().statement(day=loan.first_due)
    assert applied(loan, statement).differences == 1
    before = bank_account(loan)
    succeed(late)
    applied(loan, statement_of(loan, day=loan.first_due + ONE_DAY))
    assert bank_account(loan) == before + late.amount
    assert LateMatch.objects.get().line.matched_order_no == late.order_no
    assert Difference.objects.get().state == "resolved"
    assert set(ReconciliationBatch.objects.values_list("day", "state")) == {
        (loan.first_due, "closed"),
        (loan.first_due + ONE_DAY, "balanced"),
    }
    assert failing(loan) == [CLEARING]


def test_the_same_statement_again_matches_what_has_its_result_now_and_only_once(loan, sandbox):
    late = prepay(loan, "5000.00")
    sandbox.take_callbacks()
    statement = bank().statement(day=loan.first_due)
    applied(loan, statement)
    before = bank_account(loan)
    succeed(late)
    for _again in range(2):
        outcome = applied(loan, statement)
        assert (outcome.applied, outcome.state) == (False, "closed")
        assert bank_account(loan) == before + late.amount
    second = line("SECOND", late.order_no, late.amount)
    assert applied(loan, statement_of(loan, second, day=loan.first_due + ONE_DAY)).differences == 1
    assert bank_account(loan) == before + late.amount


def test_a_proposal_for_what_the_next_statement_matches_falls(loan, sandbox):
    late = prepay(loan, "5000.00")
    sandbox.take_callbacks()
    statement = bank().statement(day=loan.first_due)
    applied(loan, statement)
    maker, checker = (staff(loan.entity, "reconciliation.work") for _ in range(2))
    case = Difference.objects.get()
    services.propose_way_out(difference_id=case.id, action="chase", reason="问银行", actor=maker, now=clock.now())
    succeed(late)
    applied(loan, statement)
    assert Difference.objects.get().state == "resolved"


def test_a_result_of_another_amount_stays_a_case(loan, sandbox):
    late = prepay(loan, "5000.00")
    sandbox.take_callbacks()
    applied(loan, statement_of(loan, line("S1", late.order_no, late.amount - 1)))
    succeed(late)
    applied(loan, statement_of(loan, day=loan.first_due + ONE_DAY))
    assert Difference.objects.get(kind="amount_differs").state == "open"
    assert not LateMatch.objects.exists()


def test_another_amount_that_two_people_agreed_on_is_matched(loan, sandbox):
    late = prepay(loan, "5000.00")
    sandbox.take_callbacks()
    came = late.amount - 1
    applied(loan, statement_of(loan, line("S1", late.order_no, came)))
    before = bank_account(loan)
    disbursement.record_debit_result(
        order_no=late.order_no, outcome="succeeded", amount=came, bank_ref="B1", reason="", now=clock.now(), agreed=True
    )
    applied(loan, statement_of(loan, day=loan.first_due + ONE_DAY))
    assert bank_account(loan) == before + came
    assert Difference.objects.get(serial="S1").state == "resolved"
    again = line("S2", late.order_no, came)
    applied(loan, statement_of(loan, again, day=loan.first_due + 2 * ONE_DAY))
    assert BankLine.objects.get(serial="S2").result == "duplicate"
    assert bank_account(loan) == before + came


def test_the_right_line_after_a_wrong_one_is_the_order_s_match(loan):
    order = RepaymentOrder.objects.get()
    applied(loan, statement_of(loan, line("S1", order.order_no, order.amount, direction="out")))
    before = bank_account(loan)
    for days in (1, 2):
        applied(loan, statement_of(loan, line("S2", order.order_no, order.amount), day=loan.first_due + days * ONE_DAY))
    assert bank_account(loan) == before + order.amount
    assert not LateMatch.objects.exists()
    assert Difference.objects.get(serial="S1").state == "open"


def test_a_batch_closes_when_a_later_match_ends_its_last_case(loan):
    order = RepaymentOrder.objects.get()
    applied(loan, statement_of(loan))
    for days in range(1, 5):
        outcome = applied(loan, statement_of(loan, day=loan.first_due + days * ONE_DAY))
        assert (outcome.state, outcome.differences) == ("balanced", 0)  # the case is that of the day that found it
    assert Difference.objects.get().state == "open"
    applied(loan, statement_of(loan, line("S1", order.order_no, order.amount), day=loan.first_due + 5 * ONE_DAY))
    assert Difference.objects.get().state == "resolved"
    assert ReconciliationBatch.objects.get(day=loan.first_due).state == "closed"


def test_a_broken_statement_is_refused_each_time(loan):
    broken = replace(bank().statement(day=loan.first_due), total_in=Decimal("1.00"))
    for _time in range(2):
        with pytest.raises(services.BrokenStatement, match="totals"):
            services.apply_statement(legal_entity_id=loan.entity.id, statement=broken, actor=SYSTEM, now=clock.now())
    assert ReconciliationBatch.objects.get().state == "rejected"
