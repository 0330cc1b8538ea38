"""Each check of payments, positions and guarantees finds its planted violation and names it."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from apps.common import clock
from apps.disbursement.models import FundingAccount, RepaymentOrder, TransferOrder
from apps.disbursement.tests.factories import DAY, NOON, SYSTEM, a_lender, staff
from apps.disbursement.tests.orders import a_signed_order
from apps.ledger import services as ledger
from apps.ledger.domain import Check
from apps.loans import services as loans
from apps.reconciliation import audit, services
from apps.reconciliation.gateways import bank
from apps.reconciliation.models import BankLine, Difference
from apps.reconciliation.tests.test_services import applied, line, loan, prepay, statement_of

__all__ = ["loan"]
pytestmark = pytest.mark.django_db
PAYMENTS = "customers' payments = channel's record"


def found(entity, name: str) -> Check:
    return next(check for check in audit.checks(entity.id) if check.name == name)


def resolve(entity, case: Difference, action: str) -> None:
    maker, checker = (staff(entity, "reconciliation.work") for _ in range(2))
    services.propose_way_out(difference_id=case.id, action=action, reason="查明", actor=maker, now=clock.now())
    services.decide_way_out(difference_id=case.id, approve=True, actor=checker, now=clock.now())


def test_payments_are_compared_with_the_lines_of_the_bank(loan):
    order = RepaymentOrder.objects.get()
    before = found(loan.entity, PAYMENTS)
    assert before.ok
    assert (before.figures["no_statement_yet"], before.figures["channel"]) == (str(order.amount), "0.00")
    applied(loan, bank().statement(day=loan.first_due))
    after = found(loan.entity, PAYMENTS)
    assert after.ok
    assert (after.figures["recorded"], after.figures["channel"], after.figures["confirmed"]) == (str(order.amount),) * 3


def test_a_payment_that_no_line_shows_is_a_figure_until_it_is_resolved_without_one(loan):
    order = RepaymentOrder.objects.get()
    applied(loan, statement_of(loan))
    at_work = found(loan.entity, PAYMENTS)
    assert (at_work.ok, at_work.figures["payments_unresolved"], at_work.figures["differences_unresolved"]) == (True, str(order.amount), 1)
    for days in range(1, 5):
        applied(loan, statement_of(loan, day=loan.first_due + dt.timedelta(days=days)))
    resolve(loan.entity, Difference.objects.get(), "ignore")
    over = found(loan.entity, PAYMENTS)
    assert not over.ok
    assert over.first_offender == f"order {order.order_no}: recorded {order.amount}, on no statement"


def test_a_line_without_a_payment_is_a_figure_until_it_is_resolved_without_a_posting(loan):
    statement = bank().statement(day=loan.first_due)
    applied(loan, statement_of(loan, *statement.lines, line("S8", "", Decimal("88.00")), line("S9", "", Decimal("99.00"))))
    at_work = found(loan.entity, PAYMENTS)
    assert (at_work.ok, at_work.figures["lines_unresolved"], at_work.figures["differences_unresolved"]) == (True, "187.00", 2)
    resolve(loan.entity, Difference.objects.get(serial="S8"), "book")
    booked = found(loan.entity, PAYMENTS)
    assert (booked.ok, booked.figures["in_suspense"], booked.figures["lines_unresolved"]) == (True, "88.00", "99.00")
    resolve(loan.entity, Difference.objects.get(serial="S9"), "ignore")
    over = found(loan.entity, PAYMENTS)
    assert not over.ok
    assert over.first_offender == "line S9: 99.00 came in, resolved (ignore) without a posting"


def test_a_line_of_another_amount_than_the_payment_s_is_never_taken_for_it(loan):
    order = RepaymentOrder.objects.get()
    applied(loan, statement_of(loan, line("S1", order.order_no, order.amount + 1)))
    assert found(loan.entity, PAYMENTS).ok
    resolve(loan.entity, Difference.objects.get(), "ignore")
    assert order.order_no in found(loan.entity, PAYMENTS).first_offender


def test_a_payment_on_a_loan_that_no_order_brought_is_named(loan):
    loans.record_repayment(
        loan_id=loan.id,
        amount=Decimal("10.00"),
        value_date=loan.first_due,
        source="debit",
        reference="debit:GHOST",
        actor=SYSTEM,
        now=clock.now(),
    )
    assert found(loan.entity, PAYMENTS).first_offender == "debit:GHOST: recorded 10.00, no order"


def test_a_line_confirmed_for_an_order_of_another_amount_is_named(loan, sandbox):
    late = prepay(loan, "5000.00")
    sandbox.take_callbacks()
    applied(loan, statement_of(loan, line("S1", late.order_no, late.amount)))
    order = RepaymentOrder.objects.exclude(id=late.id).get()
    BankLine.objects.create(
        batch=BankLine.objects.get().batch,
        legal_entity=loan.entity,
        channel="bank",
        serial="PLANTED",
        direction="in",
        amount=order.amount + 1,
        occurred_at=clock.now(),
        result="matched",
        matched_order_no=order.order_no,
    )
    assert found(loan.entity, PAYMENTS).first_offender == (
        f"order {order.order_no}: recorded {order.amount}, the bank says {order.amount + 1}"
    )


@pytest.mark.parametrize(
    ("planted", "named"),
    [
        ({"topped_up": Decimal("1000007.00")}, "OWN topped_up"),
        ({"reserved": Decimal("7.00")}, "OWN reserved"),
        ({"paid": Decimal("500.00"), "topped_up": Decimal("1000500.00")}, "OWN topped_up"),
        ({"paid": Decimal("500.00")}, "OWN paid"),
    ],
)
def test_a_sum_of_a_position_that_its_movements_do_not_make_is_named(planted, named):
    entity = a_lender()
    assert found(entity, "positions = movements").ok
    FundingAccount.objects.filter(legal_entity=entity).update(**planted)
    check = found(entity, "positions = movements")
    assert not check.ok
    assert check.first_offender.startswith(f"{named}:")


def test_money_that_a_position_has_paid_without_a_transfer_is_named():
    entity = a_lender()
    account = FundingAccount.objects.get(legal_entity=entity)
    for kind in ("reserve", "pay"):
        account.movements.create(legal_entity=entity, kind=kind, amount=Decimal("5.00"), reference="GHOST", business_date=DAY, actor="x")
    FundingAccount.objects.filter(id=account.id).update(paid=Decimal("5.00"))
    assert not TransferOrder.objects.exists()
    check = found(entity, "positions = movements")
    assert check.first_offender == "OWN paid, by transfers: account says 5.00, movements say 0.00"


def test_a_guarantee_without_a_voucher_is_named(sandbox):
    clock.move_to(NOON)
    order = a_signed_order()
    assert found(order.entity, "guarantees = vouchers that stand").ok
    ledger.post(
        legal_entity_id=order.entity.id,
        business_date=DAY,
        event="voucher_issued",
        amounts=[ledger.Posting(component="guarantee", amount=Decimal("80000.00"))],
        reference="voucher:GHOST",
        actor=SYSTEM,
        now=NOON,
    )
    check = found(order.entity, "guarantees = vouchers that stand")
    assert check.first_offender == "account 9001 stands at 80000.00, vouchers promise 0.00"
