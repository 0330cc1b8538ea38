"""Orders that do not end by themselves: a person is called, and two people say how it ended."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from apps.common import approvals, clock, outbox
from apps.common.errors import BadInput, NotFound, NotPermitted
from apps.disbursement import eod, selectors, services
from apps.disbursement.models import BankNotice, Disbursement, FundingAccount, RepaymentOrder
from apps.disbursement.services import by_hand, repayments, results, transfers
from apps.disbursement.services.notices import BankResult
from apps.disbursement.tests.factories import NOON, a_lender, a_loan, staff
from apps.disbursement.tests.orders import AMOUNT, SignedOrder, a_signed_order
from apps.flows import selectors as flows
from apps.ledger import audit
from apps.loans import selectors as loans
from apps.organisations.models import BusinessDay

pytestmark = pytest.mark.django_db
LATER = NOON + dt.timedelta(minutes=31)
ACTIVITY = "payment_unresolved"


@pytest.fixture
def order(sandbox) -> SignedOrder:
    clock.move_to(NOON)
    order = a_signed_order()
    reviewer = staff(order.entity, "disbursement.review")
    services.review_disbursement(disbursement_id=order.disbursement.id, outcome="approve", reason="", actor=reviewer, now=NOON)
    return order


@pytest.fixture
def debit(sandbox) -> RepaymentOrder:
    """The due day's order, written down and not yet sent."""
    loan = a_loan()
    BusinessDay.objects.filter(legal_entity=loan.entity).delete()
    BusinessDay.objects.create(legal_entity=loan.entity, date=loan.first_due, opened_at=clock.beijing(loan.first_due))
    clock.move_to(clock.beijing(loan.first_due, 12))
    eod.order_debits(entity_id=loan.entity.id, day=loan.first_due, partition={}, now=clock.now())
    return RepaymentOrder.objects.get(loan_ref=loan.id)


def lost(order: SignedOrder) -> Disbursement:
    """Noted as sent and never received; when it is sent again, the bank refuses it."""
    transfers._prepare(order.disbursement.id, NOON)
    Disbursement.objects.filter(id=order.disbursement.id).update(payee_name="")
    services.send_transfer(disbursement_id=order.disbursement.id, now=NOON)
    return order.payment()


def task(row):
    kind = "disbursement" if isinstance(row, Disbursement) else "repayment_order"
    return flows.task_for(kind, row.id, ACTIVITY)


def propose(row, outcome, *, actor=None, bank_ref="B77", reason="电话核实", amount=None):
    maker = actor or staff(row.legal_entity, "disbursement.pay", "disbursement.view")
    return services.propose_result(
        order_no=row.order_no, outcome=outcome, bank_ref=bank_ref, reason=reason, amount=amount, actor=maker, now=NOON
    )


def approve(change, row):
    return approvals.approve(request_id=change.id, actor=staff(row.legal_entity, "approvals.check"), now=NOON)


def test_a_payment_that_the_bank_has_not_got_and_refuses_goes_before_a_person(order):
    payment = lost(order)
    assert payment.state == "unknown"
    assert payment.reason
    found = task(payment)
    assert (found.permission, found.due_at) == ("disbursement.pay", NOON + dt.timedelta(minutes=30))
    services.sweep_transfers(now=LATER)
    assert task(payment).id == found.id


def test_two_people_say_that_the_money_moved(order):
    payment = lost(order)
    change = propose(payment, "succeeded")
    assert change.preview == {"order_no": payment.order_no, "amount": str(AMOUNT), "state": "unknown", "becomes": "succeeded"}
    assert order.payment().state == "unknown"
    assert approve(change, payment).state == "executed"
    assert (order.payment().state, order.payment().bank_ref) == ("succeeded", "B77")
    assert task(payment) is None
    assert loans.loan_by_application(order.application.id) is not None
    assert [check.name for check in audit.checks(order.entity.id) if not check.ok] == []


def test_two_people_say_that_no_money_moved_and_the_position_is_free_again(order):
    payment = lost(order)
    approve(propose(payment, "failed", bank_ref=""), payment)
    assert order.payment().state == "failed"
    assert FundingAccount.objects.get(legal_entity=order.entity).reserved == 0
    assert task(payment) is None
    outbox.dispatch()
    assert flows.task_for("disbursement", payment.id, "transfer_failed") is not None
    assert selectors.position_offenders(order.entity.id) == []


def test_the_bank_s_own_word_ends_the_task_and_stands_against_a_late_proposal(order):
    payment = lost(order)
    change = propose(payment, "failed")
    services.record_transfer_result(order_no=payment.order_no, outcome="succeeded", amount=AMOUNT, bank_ref="B1", reason="", now=NOON)
    assert task(payment) is None
    assert approve(change, payment).state == "failed"
    assert order.payment().state == "succeeded"


def test_nobody_decides_alone_and_nothing_is_proposed_lightly(order):
    payment = lost(order)
    one = staff(order.entity, "disbursement.pay", "approvals.check")
    change = propose(payment, "succeeded", actor=one)
    with pytest.raises(approvals.OwnProposal):
        approvals.approve(request_id=change.id, actor=one, now=NOON)
    with pytest.raises(NotPermitted):
        propose(payment, "succeeded", actor=staff(order.entity, "disbursement.view"))
    with pytest.raises(NotFound):
        propose(payment, "succeeded", actor=staff(a_lender(), "disbursement.pay"))
    for wrong in ({"outcome": "reversed"}, {"outcome": "succeeded", "bank_ref": " "}, {"outcome": "failed", "reason": " "}):
        with pytest.raises(BadInput):
            propose(payment, **wrong)


def test_a_payment_that_has_ended_takes_no_proposal(order, sandbox):
    services.send_transfer(disbursement_id=order.disbursement.id, now=NOON)
    sandbox.deliver_callbacks()
    with pytest.raises(by_hand.OrderHasEnded):
        propose(order.payment(), "failed")


def test_a_transfer_that_should_have_gone_out_long_ago_is_seen(order, settings):
    settings.SANDBOX_URL = "http://127.0.0.1:9"
    services.sweep_transfers(now=NOON)
    assert task(order.payment()) is None
    services.sweep_transfers(now=LATER)
    services.sweep_transfers(now=LATER + dt.timedelta(minutes=31))
    assert task(order.payment()) is not None


def test_a_transfer_that_waits_for_bank_hours_is_not_late(order):
    Disbursement.objects.filter(id=order.disbursement.id).update(due_at=LATER + dt.timedelta(hours=20), submitted_at=NOON)
    services.sweep_transfers(now=LATER)
    assert task(order.payment()) is None


def test_a_debit_without_a_result_goes_before_a_person_and_two_people_end_it(debit):
    now = clock.now()
    repayments._prepare(debit.id, now)
    RepaymentOrder.objects.filter(id=debit.id).update(agreement_no="")
    services.send_debit(order_id=debit.id, now=now)
    lost_one = RepaymentOrder.objects.get(id=debit.id)
    assert (lost_one.state, task(lost_one) is not None) == ("unknown", True)
    approve(propose(lost_one, "succeeded"), lost_one)
    assert RepaymentOrder.objects.get(id=debit.id).state == "succeeded"
    assert loans.payments_of(debit.legal_entity_id) == {debit.reference: debit.amount}
    assert task(lost_one) is None


def test_a_debit_that_waits_for_long_is_seen_once_and_its_result_ends_the_task(debit, sandbox):
    now = clock.now()
    services.send_debit(order_id=debit.id, now=now)
    held = sandbox.take_callbacks()
    sandbox.add_fault("bank", "query_debit", "error", times=99)
    for minutes in (10, 31, 32):
        services.sweep_debits(now=now + dt.timedelta(minutes=minutes))
        row = RepaymentOrder.objects.get(id=debit.id)
        assert (task(row) is not None) == (minutes > 30)
    assert [sandbox.post_callback(callback.party, callback.payload) for callback in held] == [200]
    assert RepaymentOrder.objects.get(id=debit.id).state == "succeeded"
    assert task(row) is None


def test_a_bank_that_stays_with_another_amount_is_asked_no_more_and_two_people_book_what_came(debit):
    now, came = clock.now(), debit.amount - Decimal("100.00")
    repayments._prepare(debit.id, now)
    answer = BankResult(debit.order_no, "succeeded", came, "B1")
    assert [results.record(answer, now, asked=True) for _ in range(2)] == ["wrong_amount", "wrong_amount"]
    assert BankNotice.objects.filter(order_no=debit.order_no).count() == 1
    assert services.sweep_debits(now=now + dt.timedelta(minutes=10)) == 0
    stuck = RepaymentOrder.objects.get(id=debit.id)
    assert (stuck.state, task(stuck) is not None) == ("unknown", True)
    change = propose(stuck, "succeeded", amount=came)
    assert change.preview["came"] == str(came)
    approve(change, stuck)
    ended = RepaymentOrder.objects.get(id=debit.id)
    assert (ended.state, ended.amount, ended.booked_as, task(stuck)) == ("succeeded", came, "repayment", None)
    assert loans.payments_of(debit.legal_entity_id) == {debit.reference: came}
    assert [check.name for check in audit.checks(debit.legal_entity_id) if not check.ok] == []


def test_a_transfer_has_paid_what_was_ordered_or_nothing(order):
    with pytest.raises(BadInput):
        propose(lost(order), "succeeded", amount=AMOUNT - 1)
