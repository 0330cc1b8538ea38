"""From the signed contract to the open loan: review, voucher, transfer, and everything that can go wrong on the way."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction
from django_fsm import TransitionNotAllowed

from apps.common import clock, outbox
from apps.common.errors import Conflict, NotFound, NotPermitted
from apps.common.gateways import GatewayMisconfigured, GatewayUnavailable
from apps.common.models import GatewayCall
from apps.contracts.models import Contract
from apps.customers.services import restrict_customer
from apps.disbursement import selectors, services
from apps.disbursement.models import BankNotice, Disbursement, Funder, FundingAccount, Voucher
from apps.disbursement.services import transfers
from apps.disbursement.tests.factories import DAY, NOON, SYSTEM, a_funder, a_lender, staff
from apps.disbursement.tests.orders import AMOUNT, PRICE, SignedOrder, a_signed_order
from apps.documents import selectors as documents_read
from apps.documents import services as documents
from apps.flows import selectors as flows
from apps.ledger import selectors as ledger
from apps.loans import selectors as loans
from apps.messaging.models import Message
from apps.products.models import ProductVersion

pytestmark = pytest.mark.django_db


@pytest.fixture
def order(sandbox) -> SignedOrder:
    clock.move_to(NOON)
    return a_signed_order()


def reviewer(order: SignedOrder):
    return staff(order.entity, "disbursement.review", "disbursement.view")


def approve(order: SignedOrder, now: dt.datetime = NOON) -> None:
    services.review_disbursement(disbursement_id=order.disbursement.id, outcome="approve", reason="", actor=reviewer(order), now=now)


def voucher(order: SignedOrder) -> Voucher:
    found = selectors.voucher_of(order.application.id)
    assert found is not None
    return found


def account(order: SignedOrder, code: str = "OWN") -> FundingAccount:
    return FundingAccount.objects.get(legal_entity=order.entity, funder__code=code)


def result(order: SignedOrder, outcome: str, amount: Decimal | None = AMOUNT, *, order_no: str | None = None, reason: str = "") -> str:
    return services.record_transfer_result(
        order_no=order_no or order.payment().order_no or "", outcome=outcome, amount=amount, bank_ref="B1", reason=reason, now=NOON
    )


def test_a_signed_contract_waits_for_a_reviewer(order):
    payment = order.payment()
    assert (payment.state, payment.amount, payment.payee_masked[:4]) == ("created", AMOUNT, "****")
    assert order.state() == "disbursement_review"
    task = flows.task_for("disbursement", payment.id, "disbursement_review")
    assert task is not None
    assert task.permission == "disbursement.review"
    assert services.open_disbursement(application_id=order.application.id, contract_id=order.contract.id, actor=SYSTEM, now=NOON) == payment


def test_the_whole_way(order, sandbox):
    approve(order)
    assert (order.state(), voucher(order).state) == ("vouchered", "issued")
    assert ledger.balance("9001", order.entity.id) == AMOUNT
    assert flows.task_for("disbursement", order.disbursement.id, "disbursement_review") is None

    outbox.dispatch()
    assert order.payment().state == "submitted"
    assert account(order).reserved == AMOUNT
    issued = documents_read.by_number(voucher(order).number)
    assert issued is not None
    assert voucher(order).document_ref == issued.id
    assert documents.verify(documents.read(issued.id)).valid

    assert sandbox.deliver_callbacks().count(200) >= 1
    outbox.dispatch()
    payment = order.payment()
    assert payment.state == "succeeded"
    loan = loans.loan_by_application(order.application.id)
    assert loan is not None
    assert (loan.id, loan.principal, loan.opened_on, loan.state) == (payment.loan_ref, AMOUNT, DAY, "active")
    assert (account(order).reserved, account(order).paid) == (Decimal("0.00"), AMOUNT)
    assert voucher(order).state == "paid"
    assert ledger.balance("9001", order.entity.id) == 0
    assert ledger.balance("1012", order.entity.id) == -AMOUNT
    assert Message.objects.filter(person_ref=order.customer.id, template_code="money_paid_out").count() == 1

    services.use_voucher(voucher_id=voucher(order).id, actor=order.consultant_actor, now=NOON)
    assert (order.state(), voucher(order).state) == ("delivered", "settled")


def test_a_direct_lease_is_booked_as_its_product_says(order, sandbox):
    terms = {"is_finance_lease": True, "offsets_deposit": True, "purchase_price": Decimal("100.00")}
    ProductVersion.objects.filter(product__legal_entity=order.entity).update(**terms)
    approve(order)
    outbox.dispatch()
    sandbox.deliver_callbacks()
    outbox.dispatch()
    loan = loans.loan_by_application(order.application.id)
    assert ledger.balance("1531", order.entity.id) - ledger.balance("1532", order.entity.id) == AMOUNT
    assert ledger.balance("1303", order.entity.id) == 0
    view = loans.lease_view(loans.loan_of(loan.id), DAY)
    assert (view.lease.kind, view.is_customers, view.lease.offsets_deposit) == ("direct", False, True)
    assert (view.lease.deposit, view.lease.purchase_price) == (PRICE - AMOUNT, Decimal("100.00"))


def test_the_car_may_leave_before_the_transfer_arrives(order, sandbox):
    approve(order)
    services.use_voucher(voucher_id=voucher(order).id, actor=order.consultant_actor, now=NOON)
    assert (order.state(), voucher(order).state) == ("delivered", "used")
    outbox.dispatch()
    assert ledger.balance("9001", order.entity.id) == AMOUNT
    sandbox.deliver_callbacks()
    assert voucher(order).state == "settled"
    assert ledger.balance("9001", order.entity.id) == 0


def test_a_voucher_is_used_once_in_time_and_by_its_shop(order):
    approve(order)
    with pytest.raises(NotFound):
        services.use_voucher(voucher_id=voucher(order).id, actor=staff(a_lender(), "portal.use"), now=NOON)
    with pytest.raises(Conflict, match="2026"):
        services.use_voucher(voucher_id=voucher(order).id, actor=order.consultant_actor, now=NOON + dt.timedelta(days=16))
    services.use_voucher(voucher_id=voucher(order).id, actor=order.consultant_actor, now=NOON)
    with pytest.raises(Conflict):
        services.use_voucher(voucher_id=voucher(order).id, actor=order.consultant_actor, now=NOON)


def test_a_voucher_can_be_revoked_until_it_is_used_or_the_money_is_on_its_way(order):
    approve(order)
    services.revoke_voucher(voucher_id=voucher(order).id, reason="客户取消", actor=reviewer(order), now=NOON)
    assert (voucher(order).state, order.payment().state, order.state()) == ("revoked", "cancelled", "cancelled")
    contract = Contract.objects.get(id=order.contract.id)
    assert (contract.state, contract.void_reason) == ("voided", "客户取消")
    assert ledger.balance("9001", order.entity.id) == 0
    outbox.dispatch()
    assert order.payment().state == "cancelled"


def test_a_voucher_stands_while_the_transfer_is_under_way(order, sandbox):
    approve(order)
    services.send_transfer(disbursement_id=order.disbursement.id, now=NOON)
    with pytest.raises(TransitionNotAllowed):
        services.revoke_voucher(voucher_id=voucher(order).id, reason="客户取消", actor=reviewer(order), now=NOON)


class TestReview:
    def test_needs_the_right_and_another_person(self, order):
        with pytest.raises(NotPermitted):
            services.review_disbursement(
                disbursement_id=order.disbursement.id, outcome="approve", reason="", actor=staff(order.entity), now=NOON
            )
        with pytest.raises(NotFound):
            services.review_disbursement(
                disbursement_id=order.disbursement.id,
                outcome="approve",
                reason="",
                actor=staff(a_lender(), "disbursement.review"),
                now=NOON,
            )
        from apps.applications.models import ApplicationEvent

        own = reviewer(order)
        ApplicationEvent.objects.create(
            application=order.application, at=NOON, deed="approve", actor=str(own), origin="back office", to_state="signed"
        )
        with pytest.raises(NotPermitted, match="part"):
            services.review_disbursement(disbursement_id=order.disbursement.id, outcome="approve", reason="", actor=own, now=NOON)

    def test_decides_once(self, order):
        approve(order)
        with pytest.raises(Conflict):
            approve(order)

    @pytest.mark.parametrize(("outcome", "state"), [("refuse", "refused"), ("return", "contracting")])
    def test_turning_down_voids_the_contract(self, order, outcome, state):
        services.review_disbursement(
            disbursement_id=order.disbursement.id, outcome=outcome, reason="资料不符", actor=reviewer(order), now=NOON
        )
        order.contract.refresh_from_db(fields=["void_reason"])
        assert (order.payment().state, order.state(), order.contract.void_reason) == ("cancelled", state, "资料不符")

    def test_looks_at_everything_again(self, order):
        with pytest.raises(services.ChecksFailed) as refusal:
            approve(order, NOON + dt.timedelta(days=8))
        assert refusal.value.facts == {"failed": "person_seen"}
        assert order.payment().state == "created"

    def test_refuses_when_the_position_is_short(self, sandbox):
        order = a_signed_order(a_lender(position="79999.99"))
        with pytest.raises(services.PositionShort):
            approve(order)
        assert order.state() == "disbursement_review"
        services.top_up(
            account_id=account(order).id,
            amount=Decimal("0.01"),
            reference="second",
            actor=staff(order.entity, "disbursement.pay"),
            now=NOON,
        )
        approve(order)
        assert order.state() == "vouchered"


class TestTransfer:
    def test_a_double_callback_opens_one_loan(self, order, sandbox):
        approve(order)
        services.send_transfer(disbursement_id=order.disbursement.id, now=NOON)
        assert result(order, "processing", None) == "progress"
        assert result(order, "succeeded") == "apply"
        assert result(order, "succeeded") == "duplicate"
        assert result(order, "failed", None) == "contradiction"
        assert flows.task_for("disbursement", order.disbursement.id, "payment_contradicted") is not None
        assert account(order).paid == AMOUNT
        assert ledger.balance("1012", order.entity.id) == -AMOUNT

    def test_a_wrong_amount_changes_nothing_and_the_query_ends_it(self, order, sandbox):
        approve(order)
        services.send_transfer(disbursement_id=order.disbursement.id, now=NOON)
        assert result(order, "succeeded", AMOUNT + Decimal("0.01")) == "wrong_amount"
        assert order.payment().state == "unknown"
        assert flows.task_for("disbursement", order.disbursement.id, "payment_unresolved") is not None
        assert BankNotice.objects.get(verdict="wrong_amount").amount == AMOUNT + Decimal("0.01")
        assert services.sweep_transfers(now=NOON + dt.timedelta(minutes=3)) == 1
        assert order.payment().state == "succeeded"

    def test_without_an_answer_it_is_unknown_and_queried(self, order, sandbox):
        approve(order)
        sandbox.add_fault("bank", "transfer", "error")
        services.send_transfer(disbursement_id=order.disbursement.id, now=NOON)
        assert order.payment().state == "unknown"
        services.send_transfer(disbursement_id=order.disbursement.id, now=NOON)
        assert order.payment().state == "succeeded"
        assert calls(order) == ["transfer", "query_transfer"]

    def test_a_bank_that_does_not_let_us_in_never_makes_a_failed_payment(self, order, sandbox, settings):
        right, settings.SANDBOX_SECRET = settings.SANDBOX_SECRET, "bm90IHRoZSBzZWNyZXQ="
        approve(order)
        for _ in range(2):  # the order, then the question
            with pytest.raises(GatewayMisconfigured):
                services.send_transfer(disbursement_id=order.disbursement.id, now=NOON)
            assert (order.payment().state, account(order).reserved) == ("submitted", AMOUNT)
        settings.SANDBOX_SECRET = right
        services.send_transfer(disbursement_id=order.disbursement.id, now=NOON)
        sandbox.deliver_callbacks()
        assert order.payment().state == "succeeded"
        assert calls(order) == ["transfer", "query_transfer", "query_transfer", "transfer"]

    def test_a_paid_voucher_is_good_until_pick_up_however_late(self, order, sandbox):
        approve(order)
        services.send_transfer(disbursement_id=order.disbursement.id, now=NOON)
        services.send_transfer(disbursement_id=order.disbursement.id, now=NOON)
        assert voucher(order).state == "paid"
        late = NOON + dt.timedelta(days=60)
        assert services.use_voucher(voucher_id=voucher(order).id, actor=SYSTEM, now=late).state == "settled"

    def test_a_crash_after_sending_asks_before_it_sends(self, order, sandbox):
        approve(order)
        step, prepared = transfers._prepare(order.disbursement.id, NOON)
        assert step == "send"
        transfers._transfer(prepared)  # sent, and the process dies before anything else
        services.send_transfer(disbursement_id=order.disbursement.id, now=NOON)
        assert order.payment().state == "succeeded"
        assert calls(order) == ["transfer", "query_transfer"]

    def test_a_crash_before_sending_sends_under_the_noted_number(self, order, sandbox):
        approve(order)
        transfers._prepare(order.disbursement.id, NOON)  # noted, and the process dies before the call
        services.send_transfer(disbursement_id=order.disbursement.id, now=NOON)
        assert calls(order) == ["query_transfer", "transfer"]
        sandbox.deliver_callbacks()
        assert order.payment().state == "succeeded"
        assert order.payment().attempt == 1

    def test_a_bank_out_of_reach_leaves_it_submitted_and_reserved_once(self, order, sandbox, settings):
        approve(order)
        reachable, settings.SANDBOX_URL = settings.SANDBOX_URL, "http://127.0.0.1:9"
        for _ in range(2):
            with pytest.raises(GatewayUnavailable):
                services.send_transfer(disbursement_id=order.disbursement.id, now=NOON)
        settings.SANDBOX_URL = reachable
        assert (order.payment().state, account(order).reserved) == ("submitted", AMOUNT)

    def test_a_failure_moves_on_to_the_next_funder_under_another_number(self, order, sandbox):
        a_funder(order.entity, code="ZWEI", cost_rate=Decimal("0.05"))
        approve(order)
        sandbox.add_fault("bank", "transfer", "refused")
        outbox.dispatch()
        first = order.payment().order_no
        sandbox.deliver_callbacks()
        assert order.payment().state == "failed"
        assert account(order).reserved == 0
        outbox.dispatch()
        payment = order.payment()
        assert (payment.state, payment.attempt, payment.account) == ("submitted", 2, account(order, "ZWEI"))
        assert payment.order_no != first
        assert result(order, "succeeded", order_no=first) == "contradiction"
        sandbox.deliver_callbacks()
        assert order.payment().state == "succeeded"
        assert (account(order).paid, account(order, "ZWEI").paid) == (Decimal("0.00"), AMOUNT)

    def test_a_failure_without_another_funder_goes_to_finance_and_can_be_sent_again(self, order, sandbox):
        approve(order)
        sandbox.add_fault("bank", "transfer", "refused")
        outbox.dispatch()
        sandbox.deliver_callbacks()
        outbox.dispatch()
        assert order.payment().state == "failed"
        task = flows.task_for("disbursement", order.disbursement.id, "transfer_failed")
        assert task is not None
        assert ledger.balance("9001", order.entity.id) == AMOUNT
        services.reroute(disbursement_id=order.disbursement.id, actor=staff(order.entity, "disbursement.pay"), now=NOON)
        assert flows.task_for("disbursement", order.disbursement.id, "transfer_failed") is None
        outbox.dispatch()
        sandbox.deliver_callbacks()
        assert order.payment().state == "succeeded"

    def test_finance_alone_never_sends_what_no_reviewer_has_approved(self, order, sandbox):
        treasurer = staff(order.entity, "disbursement.pay")
        with pytest.raises(Conflict, match="failed"):
            services.reroute(disbursement_id=order.disbursement.id, actor=treasurer, now=NOON)
        with pytest.raises(TransitionNotAllowed):
            order.payment().route()
        assert order.payment().state == "created"

    def test_a_payment_without_approval_never_reaches_the_bank(self, order, sandbox):
        approve(order)
        Disbursement.objects.filter(id=order.disbursement.id).update(approved_by="")
        with pytest.raises(IntegrityError, match="disbursement_sent_with_approval"), transaction.atomic():
            Disbursement.objects.filter(id=order.disbursement.id).update(state="submitted", order_no="X")
        services.send_transfer(disbursement_id=order.disbursement.id, now=NOON)
        assert (order.payment().state, order.payment().reason, calls(order)) == ("failed", "checks: approved", [])

    def test_a_large_amount_waits_for_the_bank_and_is_swept(self, order, sandbox, django_assert_max_num_queries):
        from apps.organisations.models import Parameter

        Parameter.objects.filter(code="rails.instant").update(value={"item_max": "50000.00"})
        evening = NOON.replace(hour=20)
        approve(order, evening)
        services.send_transfer(disbursement_id=order.disbursement.id, now=evening)
        assert (order.payment().state, order.state()) == ("routed", "vouchered")
        assert services.sweep_transfers(now=evening + dt.timedelta(hours=1)) == 0
        morning = NOON.replace(hour=8, minute=30) + dt.timedelta(days=1)
        assert order.payment().due_at == morning
        assert services.sweep_transfers(now=morning) == 1
        assert order.payment().state == "submitted"

    def test_checks_are_made_again_at_the_moment_of_paying(self, order, sandbox):
        approve(order)
        services.send_transfer(disbursement_id=order.disbursement.id, now=NOON + dt.timedelta(days=8))
        assert (order.payment().state, order.payment().reason) == ("failed", "checks: person_seen")
        assert account(order).reserved == 0


def test_whom_staff_restrict_is_not_paid_for(order, sandbox):
    approve(order)
    restrict_customer(customer_id=order.disbursement.customer_ref, reason="court order", actor=SYSTEM, now=NOON)
    outbox.dispatch()
    payment = order.payment()
    assert payment.state == "failed"
    assert "may_borrow" in payment.reason
    assert not GatewayCall.objects.filter(operation="transfer").exists()


def test_whom_staff_restrict_is_not_approved_for_payment(order):
    restrict_customer(customer_id=order.disbursement.customer_ref, reason="court order", actor=SYSTEM, now=NOON)
    with pytest.raises(Conflict):
        approve(order)
    assert order.state() == "disbursement_review"


def calls(order: SignedOrder) -> list[str]:
    return list(
        GatewayCall.objects.filter(reference=order.payment().order_no, direction="out").order_by("id").values_list("operation", flat=True)
    )


def test_the_position_warns_once_and_never_overdraws(sandbox):
    clock.move_to(NOON)
    entity = a_lender(position="88000.00")
    order = a_signed_order(entity)
    approve(order)
    services.send_transfer(disbursement_id=order.disbursement.id, now=NOON)
    from apps.common.models import OutboxMessage

    assert OutboxMessage.objects.filter(name="disbursement.PositionRanLow").count() == 1
    outbox.dispatch()
    held = account(order)
    assert flows.task_for("funding_account", held.id, "position_low") is not None
    treasurer = staff(entity, "disbursement.pay")
    services.top_up(account_id=held.id, amount=Decimal("900000.00"), reference="second", actor=treasurer, now=NOON)
    assert flows.task_for("funding_account", held.id, "position_low") is None
    assert account(order).position.available == Decimal("908000.00")
    assert selectors.position_offenders(entity.id) == []


def test_a_funder_s_day_quota_holds_when_both_were_routed_before_either_was_sent(sandbox):
    clock.move_to(NOON)
    first = a_signed_order()
    second = a_signed_order(first.entity)
    Funder.objects.filter(legal_entity=first.entity).update(day_quota=AMOUNT + 1)
    for order in (first, second):
        approve(order)
    outbox.dispatch()
    assert sorted(order.payment().state for order in (first, second)) == ["failed", "submitted"]
    waiting = first if first.payment().state == "failed" else second
    assert waiting.payment().reason == "day quota used up"
    assert flows.task_for("disbursement", waiting.disbursement.id, "transfer_failed") is not None
    assert account(first).reserved == AMOUNT


def test_a_reference_stands_for_one_amount():
    held = FundingAccount.objects.get(legal_entity=a_lender(position="500.00"))
    services.top_up(account_id=held.id, amount=Decimal("500.00"), reference="first", actor=SYSTEM, now=NOON)
    with pytest.raises(Conflict, match="reference"):
        services.top_up(account_id=held.id, amount=Decimal("7.00"), reference="first", actor=SYSTEM, now=NOON)
    assert FundingAccount.objects.get(id=held.id).topped_up == Decimal("500.00")


def test_another_lender_sees_nothing(order):
    approve(order)
    stranger = staff(a_lender(), "disbursement.view")
    assert not selectors.disbursements_of(stranger).exists()
    assert not selectors.accounts_of(stranger).filter(legal_entity=order.entity).exists()
    assert not Voucher.objects.visible_to(stranger).exists()
