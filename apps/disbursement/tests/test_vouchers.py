"""Promises that nobody took up: their end, in the books too."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from apps.applications import selectors as applications
from apps.common import clock
from apps.common.errors import Conflict
from apps.contracts.models import Contract
from apps.disbursement import eod, selectors, services
from apps.disbursement.models import FundingAccount, Voucher
from apps.disbursement.tests.factories import DAY, NOON, staff
from apps.disbursement.tests.orders import AMOUNT, SignedOrder, a_signed_order
from apps.flows import selectors as flows
from apps.ledger import audit
from apps.ledger import selectors as ledger

pytestmark = pytest.mark.django_db
LAST_DAY = DAY + dt.timedelta(days=15)
AFTER = LAST_DAY + dt.timedelta(days=1)


@pytest.fixture
def order(sandbox) -> SignedOrder:
    clock.move_to(NOON)
    order = a_signed_order()
    reviewer = staff(order.entity, "disbursement.review")
    services.review_disbursement(disbursement_id=order.disbursement.id, outcome="approve", reason="", actor=reviewer, now=NOON)
    return order


def voucher(order: SignedOrder) -> Voucher:
    return Voucher.objects.get(application_ref=order.application.id)


def open_day(order: SignedOrder, day: dt.date) -> int:
    result = eod.end_vouchers(entity_id=order.entity.id, day=day, partition={}, now=clock.beijing(day, 1))
    assert result.set_aside == []
    return result.done


def fail_transfer(order: SignedOrder) -> None:
    """The bank says no: the position is released, finance gets its task."""
    services.send_transfer(disbursement_id=order.disbursement.id, now=NOON)
    number = order.payment().order_no or ""
    services.record_transfer_result(order_no=number, outcome="failed", amount=None, bank_ref="B1", reason="account_closed", now=NOON)
    services.heed_failed_transfer(disbursement_id=order.disbursement.id, actor=staff(order.entity, "disbursement.pay"), now=NOON)


def assert_whole(order: SignedOrder) -> None:
    assert [check.name for check in audit.checks(order.entity.id) if not check.ok] == []
    assert selectors.position_offenders(order.entity.id) == []


def test_a_voucher_that_was_not_used_in_time_ends_with_its_guarantee_payment_and_application(order):
    assert ledger.balance("9001", order.entity.id) == AMOUNT
    assert (open_day(order, LAST_DAY), voucher(order).state) == (0, "issued")
    assert open_day(order, AFTER) == 1
    ended = voucher(order)
    assert (ended.state, order.payment().state, order.state()) == ("revoked", "cancelled", "cancelled")
    assert ended.ended_at == clock.beijing(AFTER, 1)
    assert LAST_DAY.isoformat() in ended.reason
    assert Contract.objects.get(id=order.contract.id).state == "voided"
    assert applications.timeline(order.application.id)[-1].reason == ended.reason
    assert ledger.balance("9001", order.entity.id) == 0
    assert_whole(order)


def test_ending_twice_changes_nothing(order):
    assert open_day(order, AFTER) == 1
    before = voucher(order).ended_at
    assert open_day(order, AFTER) == 0
    assert services.end_voucher(voucher_id=voucher(order).id, day=AFTER, actor=staff(order.entity), now=clock.beijing(AFTER, 9)) is False
    assert (voucher(order).ended_at, ledger.balance("9001", order.entity.id)) == (before, 0)


def test_after_a_failed_transfer_finance_has_nothing_left_to_do(order):
    fail_transfer(order)
    assert flows.task_for("disbursement", order.disbursement.id, "transfer_failed") is not None
    assert open_day(order, AFTER) == 1
    assert flows.task_for("disbursement", order.disbursement.id, "transfer_failed") is None
    with pytest.raises(Conflict):
        services.reroute(disbursement_id=order.disbursement.id, actor=staff(order.entity, "disbursement.pay"), now=NOON)
    account = FundingAccount.objects.get(legal_entity=order.entity)
    assert (account.reserved, account.paid) == (Decimal(0), Decimal(0))
    assert_whole(order)


def test_a_voucher_stands_while_its_money_is_on_the_way(order, sandbox):
    services.send_transfer(disbursement_id=order.disbursement.id, now=NOON)
    assert open_day(order, AFTER) == 0
    assert services.end_voucher(voucher_id=voucher(order).id, day=AFTER, actor=staff(order.entity), now=NOON) is False
    sandbox.deliver_callbacks()
    assert (voucher(order).state, order.payment().state) == ("paid", "succeeded")
    assert open_day(order, AFTER) == 0
    assert_whole(order)


def test_a_used_voucher_never_ends_by_time(order):
    services.use_voucher(voucher_id=voucher(order).id, actor=order.consultant_actor, now=NOON)
    assert open_day(order, AFTER) == 0
    assert (voucher(order).state, order.state()) == ("used", "delivered")
    assert ledger.balance("9001", order.entity.id) == AMOUNT
