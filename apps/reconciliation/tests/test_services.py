"""Statements applied once, matched, posted from clearing to the bank; planted differences found and worked."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import replace
from decimal import Decimal

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from apps.common import clock, outbox
from apps.common.errors import Conflict, NotFound, NotPermitted
from apps.disbursement import services as disbursement
from apps.disbursement.models import RepaymentOrder
from apps.disbursement.tests.factories import SYSTEM, LoanInTests, a_lender, a_loan, staff
from apps.ledger import selectors as ledger
from apps.organisations.models import BusinessDay
from apps.reconciliation import audit, selectors, services
from apps.reconciliation.gateways import Statement, StatementLine, bank
from apps.reconciliation.models import BankLine, Difference, ReconciliationBatch

pytestmark = pytest.mark.django_db


@pytest.fixture
def loan(sandbox) -> LoanInTests:
    """A loan on its first due day, its debit paid and its callback in."""
    loan = a_loan()
    day = loan.first_due
    BusinessDay.objects.filter(legal_entity=loan.entity).delete()
    BusinessDay.objects.create(legal_entity=loan.entity, date=day, opened_at=clock.beijing(day))
    clock.move_to(clock.beijing(day, 12))
    pay(loan)
    sandbox.deliver_callbacks()
    return loan


def pay(loan: LoanInTests) -> RepaymentOrder:
    order = disbursement.pay_now(loan_id=loan.id, purpose="due", actor=loan.customer_actor, now=clock.now())
    outbox.dispatch()
    return order


def prepay(loan: LoanInTests, amount: str) -> RepaymentOrder:
    order = disbursement.pay_now(
        loan_id=loan.id, purpose="prepayment", amount=Decimal(amount), mode="reduce", actor=loan.customer_actor, now=clock.now()
    )
    outbox.dispatch()
    return order


def reconcile(loan: LoanInTests, day: dt.date | None = None) -> services.Outcome:
    return services.reconcile(legal_entity_id=loan.entity.id, day=day or loan.first_due, actor=SYSTEM, now=clock.now())


def applied(loan: LoanInTests, statement: Statement) -> services.Outcome:
    return services.apply_statement(legal_entity_id=loan.entity.id, statement=statement, actor=SYSTEM, now=clock.now())


def statement_of(loan: LoanInTests, *lines: StatementLine, day: dt.date | None = None) -> Statement:
    total = {way: sum((line.amount for line in lines if line.direction == way), start=Decimal("0.00")) for way in ("in", "out")}
    return Statement(day or loan.first_due, "1109", tuple(lines), total["in"], total["out"])


def line(serial: str, order_no: str, amount: Decimal, *, direction: str = "in") -> StatementLine:
    return StatementLine(serial, order_no, direction, amount, clock.now())  # type: ignore[arg-type]


def failing(loan: LoanInTests) -> list[str]:
    return [check.name for check in audit.checks(loan.entity.id) if not check.ok]


# The loan of these tests was opened without a transfer of ours, so its principal stands on the clearing account by itself.
CLEARING = "clearing account = money not confirmed yet"


def test_a_matched_line_moves_the_money_to_the_bank(loan):
    order = RepaymentOrder.objects.get()
    before = ledger.balance("1002", loan.entity.id)
    outcome = reconcile(loan)
    assert (outcome.state, outcome.matched, outcome.differences, outcome.applied) == ("balanced", 1, 0, True)
    assert ledger.balance("1002", loan.entity.id) == before + order.amount
    assert BankLine.objects.get().matched_order_no == order.order_no
    assert failing(loan) == [CLEARING]


def test_a_statement_is_never_applied_twice(loan):
    reconcile(loan)
    balance = ledger.balance("1002", loan.entity.id)
    again = reconcile(loan)
    assert (again.applied, again.matched) == (False, 1)
    assert ledger.balance("1002", loan.entity.id) == balance
    assert ReconciliationBatch.objects.count() == BankLine.objects.count() == 1


def test_a_later_statement_of_the_day_brings_only_its_new_lines(loan, sandbox):
    reconcile(loan)
    prepay(loan, "5000.00")
    sandbox.deliver_callbacks()
    later = reconcile(loan)
    assert (later.lines, later.matched, later.state) == (1, 1, "balanced")
    assert BankLine.objects.count() == 2
    assert failing(loan) == [CLEARING]


def test_a_broken_statement_changes_nothing_and_says_which_line(loan):
    statement = bank().statement(day=loan.first_due)
    broken = replace(statement, lines=(*statement.lines, line("X", "", Decimal("-1.00"))))
    with pytest.raises(services.BrokenStatement, match="line 2"):
        applied(loan, broken)
    with pytest.raises(services.BrokenStatement, match="totals"):
        applied(loan, replace(statement, total_in=statement.total_in + 1))
    assert set(ReconciliationBatch.objects.values_list("state", flat=True)) == {"rejected"}
    assert not BankLine.objects.exists()


def test_planted_differences_are_found_and_nothing_of_them_is_posted(loan, sandbox):
    order = RepaymentOrder.objects.get()
    other = prepay(loan, "5000.00")  # its callback is still on its way: our state is processing
    before = ledger.balance("1002", loan.entity.id)
    outcome = applied(
        loan,
        statement_of(
            loan,
            line("S1", order.order_no, order.amount + Decimal("0.01")),
            line("S2", other.order_no, other.amount),
            line("S3", "R-NOT-OURS", Decimal("88.00")),
        ),
    )
    assert (outcome.state, outcome.matched, outcome.differences) == ("differing", 0, 3)
    found = dict(Difference.objects.values_list("serial", "kind"))
    assert found == {"S1": "amount_differs", "S2": "state_differs", "S3": "long"}
    assert ledger.balance("1002", loan.entity.id) == before


def test_a_payment_that_the_bank_does_not_show_is_carried_and_matched_later(loan):
    order = RepaymentOrder.objects.get()
    assert applied(loan, statement_of(loan)).differences == 1
    case = Difference.objects.get()
    assert (case.kind, case.state, case.order_no) == ("short", "carried", order.order_no)
    next_day = loan.first_due + dt.timedelta(days=1)
    outcome = applied(loan, statement_of(loan, line("S1", order.order_no, order.amount), day=next_day))
    assert (outcome.matched, outcome.differences) == (1, 0)
    assert Difference.objects.get().state == "resolved"


def test_a_payment_carried_too_long_becomes_a_case_for_people(loan):
    applied(loan, statement_of(loan))
    for days in range(1, 5):
        applied(loan, statement_of(loan, day=loan.first_due + dt.timedelta(days=days)))
    assert Difference.objects.get().state == "open"


def test_a_way_out_needs_two_people_and_books_money_of_nobody_to_suspense(loan):
    applied(loan, statement_of(loan, line("S1", RepaymentOrder.objects.get().order_no, RepaymentOrder.objects.get().amount),
                               line("S9", "", Decimal("88.00"))))  # fmt: skip
    case = Difference.objects.get()
    maker, checker = (staff(loan.entity, "reconciliation.work") for _ in range(2))
    services.propose_way_out(difference_id=case.id, action="book", reason="来源不明", actor=maker, now=clock.now())
    with pytest.raises(NotPermitted):
        services.decide_way_out(difference_id=case.id, approve=True, actor=maker, now=clock.now())
    services.decide_way_out(difference_id=case.id, approve=True, actor=checker, now=clock.now())
    assert Difference.objects.get().state == "resolved"
    assert ledger.balance("224103", loan.entity.id) == Decimal("88.00")
    assert ReconciliationBatch.objects.get().state == "closed"
    assert failing(loan) == [CLEARING]


def test_a_refused_proposal_is_open_again(loan):
    applied(loan, statement_of(loan, line("S9", "", Decimal("88.00"))))
    case = Difference.objects.get(kind="long")
    maker, checker = (staff(loan.entity, "reconciliation.work") for _ in range(2))
    services.propose_way_out(difference_id=case.id, action="ignore", reason="小额", actor=maker, now=clock.now())
    services.decide_way_out(difference_id=case.id, approve=False, note="请查", actor=checker, now=clock.now())
    assert Difference.objects.get(kind="long").state == "open"
    with pytest.raises(Conflict):
        services.decide_way_out(difference_id=case.id, approve=True, actor=checker, now=clock.now())


def test_another_lender_does_not_see_or_take_the_lines(loan):
    stranger = a_lender()
    outcome = services.reconcile(legal_entity_id=stranger.id, day=loan.first_due, actor=SYSTEM, now=clock.now())
    assert (outcome.lines, outcome.state) == (0, "balanced")
    assert reconcile(loan).matched == 1
    person = staff(stranger, "reconciliation.view", "reconciliation.work")
    assert list(selectors.batches_of(person)) == [ReconciliationBatch.objects.get(legal_entity=stranger)]
    applied(loan, statement_of(loan, line("S9", "", Decimal("88.00"))))
    with pytest.raises(NotFound):
        services.propose_way_out(difference_id=Difference.objects.get().id, action="ignore", reason="x", actor=person, now=clock.now())


def test_the_command_reports_and_its_exit_code_tells_of_differences(loan, sandbox, capsys):
    arguments = ["reconcile", "--date", str(loan.first_due), "--entity", loan.entity.code, "--format", "json"]
    call_command(*arguments)
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["entity"], row["matched"], row["state"]) == (loan.entity.code, 1, "balanced")
    prepay(loan, "5000.00")
    with pytest.raises(SystemExit) as ended:
        call_command(*arguments)
    assert ended.value.code == 1


def test_the_command_refuses_bad_input_and_a_silent_bank(loan, settings):
    with pytest.raises(CommandError) as ended:
        call_command("reconcile", "--date", "tomorrow")
    assert ended.value.returncode == 2
    settings.SANDBOX_URL = "http://127.0.0.1:9"
    with pytest.raises(CommandError) as ended:
        call_command("reconcile", "--date", str(loan.first_due))
    assert ended.value.returncode == 2


def test_the_audit_sees_a_payment_that_only_one_side_knows(loan):
    RepaymentOrder.objects.create(
        order_no="R-PLANTED",
        legal_entity=loan.entity,
        loan_ref=loan.id,
        customer_ref=loan.customer.id,
        card_ref=loan.customer.id,
        card_masked="**** 0000",
        agreement_no="A",
        purpose="due",
        origin="staff",
        amount=Decimal("1.00"),
        business_date=loan.first_due,
        state="succeeded",
        finished_at=clock.now(),
    )
    assert "payments on loans = our orders" in failing(loan)
