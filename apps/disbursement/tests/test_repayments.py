"""Payments in: ordered once, sent once, booked once, whatever the bank and the network do."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from apps.common import clock, outbox
from apps.common.errors import BadInput
from apps.common.gateways import GatewayUnavailable
from apps.disbursement import eod, selectors, services
from apps.disbursement.models import BankNotice, RepaymentOrder
from apps.disbursement.tests.factories import LoanInTests, a_customer, a_lender, a_loan, staff
from apps.flows import selectors as flows
from apps.ledger import audit
from apps.ledger import selectors as ledger
from apps.loans import selectors as loans
from apps.loans import services as loan_services
from apps.loans.models import Loan
from apps.organisations import end_of_day
from apps.organisations.models import BusinessDay, StepRun

pytestmark = pytest.mark.django_db


def reach(loan: LoanInTests, day: dt.date) -> dt.datetime:
    """Make `day` the business day; its noon."""
    BusinessDay.objects.filter(legal_entity=loan.entity).delete()
    BusinessDay.objects.create(legal_entity=loan.entity, date=day, opened_at=clock.beijing(day))
    clock.move_to(clock.beijing(day, 12))
    return clock.beijing(day, 12)


@pytest.fixture
def loan() -> LoanInTests:
    return a_loan()


@pytest.fixture
def due(loan: LoanInTests) -> dt.datetime:
    """Noon of the first due day."""
    return reach(loan, loan.first_due)


def order_debits(loan: LoanInTests, day: dt.date) -> int:
    result = eod.order_debits(entity_id=loan.entity.id, day=day, partition={}, now=clock.beijing(day, 1))
    assert result.set_aside == []
    return result.done


def the_order(loan: LoanInTests) -> RepaymentOrder:
    return RepaymentOrder.objects.get(loan_ref=loan.id)


def verdicts(order: RepaymentOrder) -> list[str]:
    return list(BankNotice.objects.filter(order_no=order.order_no).order_by("id").values_list("verdict", flat=True))


def result(order: RepaymentOrder, outcome: str, amount: Decimal | None = None, *, now: dt.datetime, reason: str = "") -> str:
    return services.record_debit_result(order_no=order.order_no, outcome=outcome, amount=amount, bank_ref="B1", reason=reason, now=now)


def test_the_business_day_orders_the_debit_of_what_is_due_once(loan, due, sandbox):
    assert order_debits(loan, loan.opened_on) == 0
    assert order_debits(loan, loan.first_due) == 1
    assert order_debits(loan, loan.first_due) == 0
    order = the_order(loan)
    assert (order.purpose, order.origin, order.state) == ("due", "batch", "created")
    assert order.amount == loans.amount_due(loan.id, loan.first_due).total > 0


def test_a_debit_is_sent_and_its_callback_books_the_repayment(loan, due, sandbox):
    order_debits(loan, loan.first_due)
    outbox.dispatch()
    assert the_order(loan).state == "processing"
    assert sandbox.deliver_callbacks() == [200]
    order = the_order(loan)
    assert (order.state, order.booked_as) == ("succeeded", "repayment")
    assert order.bank_ref
    assert loans.payments_of(loan.entity.id) == {order.reference: order.amount}
    assert loans.amount_due(loan.id, loan.first_due).total == 0
    assert ledger.balance("1012", loan.entity.id, subject_ref=loan.id) == order.amount - Decimal("36000.00")
    assert selectors.booked_payments(loan.entity.id) == loans.payments_of(loan.entity.id)


def test_a_debit_that_fails_keeps_its_reason_and_names_the_next_day(loan, due, sandbox):
    sandbox.add_fault("bank", "debit", "insufficient_funds")
    order_debits(loan, loan.first_due)
    outbox.dispatch()
    sandbox.deliver_callbacks()
    order = the_order(loan)
    assert (order.state, order.reason) == ("failed", "insufficient_funds")
    assert order.next_debit_date == loan.first_due + dt.timedelta(days=1)
    assert loans.payments_of(loan.entity.id) == {}


def test_an_overdue_loan_is_debited_again_on_the_days_of_the_plan(loan, due, sandbox):
    debited = []
    for past in range(9):
        day = loan.first_due + dt.timedelta(days=past)
        now = reach(loan, day)
        if order_debits(loan, day):
            debited.append(past)
            order = RepaymentOrder.objects.get(loan_ref=loan.id, business_date=day)
            services.send_debit(order_id=order.id, now=now)
            result(order, "failed", now=now, reason="insufficient_funds")
    assert debited == [0, 1, 3, 5, 7]


def test_the_same_callback_twice_books_once(loan, due, sandbox):
    order_debits(loan, loan.first_due)
    outbox.dispatch()
    order = the_order(loan)
    assert result(order, "succeeded", order.amount, now=due) == "apply"
    assert result(order, "succeeded", order.amount, now=due) == "duplicate"
    assert result(order, "processing", now=due) == "progress"
    assert verdicts(order) == ["apply", "duplicate", "progress"]
    assert loans.payments_of(loan.entity.id) == {order.reference: order.amount}


@pytest.mark.parametrize("wrong", [Decimal("0.01"), None])
def test_a_wrong_amount_changes_nothing_and_is_seen(loan, due, sandbox, wrong):
    order_debits(loan, loan.first_due)
    outbox.dispatch()
    order = the_order(loan)
    reported = None if wrong is None else order.amount + wrong
    assert result(order, "succeeded", reported, now=due) == "wrong_amount"
    assert result(order, "succeeded", reported, now=due) == "wrong_amount"
    assert the_order(loan).state == "unknown"
    assert flows.task_for("repayment_order", order.id, "payment_unresolved") is not None
    assert loans.payments_of(loan.entity.id) == {}
    assert [notice.verdict for notice in selectors.notices_to_look_at(staff(loan.entity, "disbursement.view"))] == ["wrong_amount"]
    assert result(order, "succeeded", order.amount, now=due) == "apply"


def test_money_that_comes_after_the_order_failed_is_held_in_suspense_for_finance(loan, due, sandbox):
    order_debits(loan, loan.first_due)
    outbox.dispatch()
    order = the_order(loan)
    assert result(order, "failed", now=due, reason="insufficient_funds") == "apply"
    assert result(order, "succeeded", order.amount, now=due) == "contradiction"
    assert result(order, "succeeded", order.amount, now=due) == "duplicate"
    assert (the_order(loan).state, the_order(loan).booked_as) == ("failed", "suspense")
    assert loans.payments_of(loan.entity.id) == {}
    assert ledger.balance("224103", loan.entity.id) == order.amount
    assert flows.task_for("repayment_order", order.id, "money_in_suspense").permission == "disbursement.pay"
    assert [check.name for check in audit.checks(loan.entity.id) if not check.ok] == []


def test_a_failure_told_after_the_money_came_goes_before_a_person(loan, due, sandbox):
    order_debits(loan, loan.first_due)
    outbox.dispatch()
    order = the_order(loan)
    result(order, "succeeded", order.amount, now=due)
    assert result(order, "failed", now=due) == "contradiction"
    assert the_order(loan).state == "succeeded"
    assert flows.task_for("repayment_order", order.id, "payment_contradicted") is not None


def test_a_result_for_a_number_that_is_not_ours_is_only_noted(loan, due):
    verdict = services.record_debit_result(order_no="R999", outcome="succeeded", amount=Decimal("1.00"), bank_ref="B", reason="", now=due)
    assert verdict == "unknown_order"
    assert BankNotice.objects.get(order_no="R999").legal_entity_id is None


def test_a_lost_callback_is_asked_for_by_the_sweep(loan, due, sandbox):
    order_debits(loan, loan.first_due)
    outbox.dispatch()
    sandbox.take_callbacks()
    assert services.sweep_debits(now=due + dt.timedelta(seconds=90)) == 0
    assert services.sweep_debits(now=due + dt.timedelta(minutes=3)) == 1
    assert the_order(loan).state == "succeeded"


def test_a_call_without_answer_makes_the_order_unknown_and_is_never_sent_blindly_again(loan, due, sandbox):
    sandbox.add_fault("bank", "debit", "error")
    order_debits(loan, loan.first_due)
    outbox.dispatch()
    order = the_order(loan)
    assert order.state == "unknown"
    services.sweep_debits(now=due + dt.timedelta(minutes=3))
    assert the_order(loan).state == "succeeded"


def test_a_crash_between_sending_and_noting_asks_before_sending(loan, due, sandbox, monkeypatch):
    order_debits(loan, loan.first_due)
    order = the_order(loan)
    from apps.disbursement.services import repayments

    step, prepared = repayments._prepare(order.id, due)
    assert step == "send"
    repayments._debit(prepared)  # sent, and the process dies before anything else
    services.send_debit(order_id=order.id, now=due)
    assert the_order(loan).state == "succeeded"
    assert [call.operation for call in _calls(order)] == ["debit", "query_debit"]


def test_an_order_that_never_reached_the_bank_is_sent_under_its_own_number(loan, due, sandbox):
    from apps.disbursement.services import repayments

    order_debits(loan, loan.first_due)
    order = the_order(loan)
    repayments._prepare(order.id, due)  # noted as sent; the process dies before the call
    services.send_debit(order_id=order.id, now=due)
    assert [call.operation for call in _calls(order)] == ["query_debit", "debit"]
    sandbox.deliver_callbacks()
    assert the_order(loan).state == "succeeded"


def _calls(order):
    from apps.common.models import GatewayCall

    return GatewayCall.objects.filter(reference=order.order_no, direction="out").order_by("id")


def test_a_bank_that_cannot_be_reached_leaves_the_order_for_later(loan, due, sandbox, settings):
    order_debits(loan, loan.first_due)
    reachable, settings.SANDBOX_URL = settings.SANDBOX_URL, "http://127.0.0.1:9"
    with pytest.raises(GatewayUnavailable):
        services.send_debit(order_id=the_order(loan).id, now=due)
    assert the_order(loan).state == "processing"
    settings.SANDBOX_URL = reachable


def test_a_definite_no_fails_the_order(loan, due, sandbox):
    order_debits(loan, loan.first_due)
    outbox.dispatch()
    order = the_order(loan)
    assert result(order, "failed", now=due, reason="agreement_ended") == "apply"
    assert the_order(loan).reason == "agreement_ended"


def test_a_customer_without_a_card_is_set_aside(sandbox):
    entity = a_lender()
    loan = a_loan(entity, customer=a_customer(entity, card=False))
    reach(loan, loan.first_due)
    outcome = eod.order_debits(entity_id=entity.id, day=loan.first_due, partition={}, now=clock.beijing(loan.first_due, 1))
    assert outcome.done == 0
    assert [reference for reference, _error in outcome.set_aside] == [loans.loan_brief(loan.id).number]


class TestCustomersPayment:
    def pay(self, loan, now, purpose="due", **facts):
        return services.pay_now(loan_id=loan.id, purpose=purpose, actor=loan.customer_actor, now=now, **facts)

    def test_pays_what_is_due(self, loan, due, sandbox):
        order = self.pay(loan, due)
        assert order.amount == loans.amount_due(loan.id, loan.first_due).total
        assert order.origin == "customer"

    def test_refuses_when_nothing_is_due(self, loan, sandbox):
        with pytest.raises(services.NothingDue):
            self.pay(loan, reach(loan, loan.opened_on + dt.timedelta(days=3)))

    def test_a_second_payment_waits_for_the_first(self, loan, due, sandbox):
        self.pay(loan, due)
        with pytest.raises(services.PaymentUnderWay):
            self.pay(loan, due)
        assert order_debits(loan, loan.first_due) == 0

    def test_prepays_part_of_the_principal(self, loan, sandbox):
        day = loan.first_due - dt.timedelta(days=5)
        now = reach(loan, day)
        self.pay(loan, now, "prepayment", amount=Decimal("10000.00"), mode="reduce")
        outbox.dispatch()
        sandbox.deliver_callbacks()
        assert the_order(loan).booked_as == "prepayment"
        assert loans.loan_brief(loan.id).principal_outstanding < Decimal("26500.00")

    @pytest.mark.parametrize(
        ("amount", "mode"),
        [
            (None, "reduce"),
            (Decimal("99999.00"), "reduce"),
            (Decimal("5000.00"), ""),
            (Decimal("1.00"), "reduce"),
            (Decimal("1.00"), "shorten"),
        ],
    )
    def test_refuses_a_prepayment_that_cannot_be(self, loan, sandbox, amount, mode):
        now = reach(loan, loan.first_due - dt.timedelta(days=5))
        with pytest.raises(BadInput):
            self.pay(loan, now, "prepayment", amount=amount, mode=mode)
        assert not RepaymentOrder.objects.exists()

    def test_settles_early_with_the_payoff_of_the_day(self, loan, sandbox):
        day = loan.first_due - dt.timedelta(days=5)
        now = reach(loan, day)
        order = self.pay(loan, now, "early_settlement")
        assert order.amount == loans.payoff_quote(loan_id=loan.id, on=day).total
        outbox.dispatch()
        sandbox.deliver_callbacks()
        assert loans.loan_brief(loan.id).state == "settled"

    def test_does_not_see_anothers_loan(self, loan, due, sandbox):
        other = a_loan(loan.entity)
        from apps.disbursement.services.repayments import NoSuchLoan

        with pytest.raises(NoSuchLoan):
            services.pay_now(loan_id=loan.id, purpose="due", actor=other.customer_actor, now=due)

    def test_money_for_a_loan_that_ended_meanwhile_waits_in_suspense(self, loan, due, sandbox):
        order = self.pay(loan, due)
        services.send_debit(order_id=order.id, now=due)
        payoff = loans.payoff_quote(loan_id=loan.id, on=loan.first_due).total
        loan_services.settle_early(
            loan_id=loan.id, value_date=loan.first_due, amount=payoff, reference="counter:1", source="counter", actor=_system(), now=due
        )
        assert result(order, "succeeded", order.amount, now=due) == "apply"
        assert the_order(loan).booked_as == "suspense"
        assert flows.task_for("repayment_order", order.id, "money_in_suspense") is not None
        assert ledger.balance("224103", loan.entity.id) == order.amount


@pytest.mark.parametrize(("surplus", "task"), [("0.00", False), ("50.00", True)])
def test_what_was_paid_too_much_on_a_settled_loan_is_finance_s_task(loan, due, surplus, task):
    amount = loans.payoff_quote(loan_id=loan.id, on=loan.first_due).total + Decimal(surplus)
    loan_services.settle_early(
        loan_id=loan.id, value_date=loan.first_due, amount=amount, reference="counter:1", source="counter", actor=_system(), now=due
    )
    outbox.dispatch()
    assert loans.loan_brief(loan.id).credit == Decimal(surplus)
    assert (flows.task_for("loan", loan.id, "credit_left") is not None) is task


def _system():
    from apps.common.actors import Actor

    return Actor.system("tests")


def test_one_loan_that_cannot_be_worked_out_is_set_aside_and_stops_no_day(loan, sandbox, monkeypatch):
    """The whole end of day over a due day and the day after, cut into parts of one loan each; both debits of the due day are taken back."""
    monkeypatch.setattr(loans.due, "LOANS_PER_PART", 1)
    good = a_loan(loan.entity)
    Loan.objects.filter(id=loan.id).update(terms={**Loan.objects.get(id=loan.id).terms, "installments": 0})
    after = loan.first_due + dt.timedelta(days=1)
    clock.move_to(clock.beijing(after, 12))
    end_of_day.run(entity_id=loan.entity.id, to=loan.first_due - dt.timedelta(days=1), actor=_system())
    assert RepaymentOrder.objects.update(state="cancelled") == 2
    end_of_day.run(entity_id=loan.entity.id, to=loan.first_due, actor=_system())
    assert RepaymentOrder.objects.get(business_date=after).loan_ref == good.id
    assert BusinessDay.objects.get(legal_entity=loan.entity, state="open").date == after
    number = loans.loan_brief(loan.id).number
    runs = StepRun.objects.filter(legal_entity=loan.entity, day=after, step="debit_orders")
    assert [(row.done_count, row.set_aside) for row in runs.order_by("done_count")] == [
        (0, [[number, "installments: must be a whole number from 1 to 1200"]]),
        (1, []),
    ]
    quiet = StepRun.objects.get(legal_entity=loan.entity, day=loan.opened_on + dt.timedelta(days=5), step="debit_orders")
    assert (quiet.state, quiet.partition) == ("done", {})
