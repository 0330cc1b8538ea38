"""Reminders, collection cases under the contact rules, delivery papers, certificates and titles."""

from __future__ import annotations

import datetime as dt
import io
from decimal import Decimal

import pytest
from django.test import Client
from PIL import Image

from apps.common import clock, outbox
from apps.common.errors import BadInput, Conflict, NotFound, NotPermitted
from apps.disbursement import selectors as disbursement_read
from apps.disbursement import services as disbursement
from apps.disbursement.tests.factories import NOON, SYSTEM, LoanInTests, a_customer, a_lender, a_loan, staff
from apps.disbursement.tests.orders import SignedOrder, a_signed_order
from apps.documents import selectors as documents_read
from apps.documents import services as documents
from apps.loans import selectors as loans
from apps.loans import services as loan_deeds
from apps.loans.models import Loan, LoanTransaction
from apps.messaging.models import Message
from apps.organisations.models import BusinessDay
from apps.postloan import eod, selectors, services
from apps.postloan.models import CollectionCase, DeliveryPaper, SettlementCertificate, TitleRelease
from apps.postloan.services.collecting import ContactForbidden

pytestmark = pytest.mark.django_db


def picture(shade: int = 0) -> bytes:
    """A photograph, small."""
    file = io.BytesIO()
    Image.new("RGB", (8, 8), (shade, 0, 0)).save(file, "PNG")
    return file.getvalue()


PNG = picture()


def open_day(loan: LoanInTests, day: dt.date) -> dt.datetime:
    """The state of things at the opening of a day: the loan core has brought the loan there."""
    from apps.loans import eod as loan_steps

    BusinessDay.objects.filter(legal_entity=loan.entity).delete()
    BusinessDay.objects.create(legal_entity=loan.entity, date=day, opened_at=clock.beijing(day))
    clock.move_to(clock.beijing(day, 9))
    before = day - dt.timedelta(days=1)
    running = list(Loan.objects.filter(legal_entity=loan.entity, run__as_of__lte=before))
    if running and before >= loan.opened_on:
        loan_steps._replay(running, before)
    return clock.beijing(day, 9)


def remind(loan: LoanInTests, day: dt.date) -> int:
    now = open_day(loan, day)
    return eod.send_reminders(entity_id=loan.entity.id, day=day, partition={}, now=now).done


def texts(loan: LoanInTests) -> list[str]:
    return list(Message.objects.filter(person_ref=loan.customer.id).order_by("queued_at", "id").values_list("template_code", flat=True))


def take_in(loan: LoanInTests, day: dt.date) -> int:
    now = open_day(loan, day)
    return eod.take_in_overdue(entity_id=loan.entity.id, day=day, partition={}, now=now).done


def pay(loan: LoanInTests, day: dt.date) -> None:
    amount = loans.amount_due(loan.id, day).total
    loan_deeds.record_repayment(
        loan_id=loan.id, amount=amount, value_date=day, source="counter", reference=f"counter:{day}", actor=SYSTEM, now=clock.now()
    )


@pytest.fixture
def loan() -> LoanInTests:
    return a_loan()


def after(loan: LoanInTests, days: int) -> dt.date:
    return loan.first_due + dt.timedelta(days=days)


class TestReminders:
    def test_go_out_on_three_days_before_and_the_due_day_and_overdue_only_a_day_after(self, loan):
        sent = {days: remind(loan, after(loan, days)) for days in range(-5, 4)}
        assert sent == {-5: 0, -4: 0, -3: 1, -2: 1, -1: 1, 0: 1, 1: 1, 2: 0, 3: 0}
        assert texts(loan) == ["due_reminder"] * 4 + ["overdue_reminder"]

    def test_are_not_repeated_when_the_step_runs_again(self, loan):
        day = after(loan, -3)
        remind(loan, day)
        remind(loan, day)
        assert len(texts(loan)) == 1

    def test_an_instalment_paid_on_its_day_is_not_called_overdue(self, loan):
        remind(loan, loan.first_due)
        pay(loan, loan.first_due)
        remind(loan, after(loan, 1))
        assert "overdue_reminder" not in texts(loan)


class TestCollection:
    def test_a_case_opens_with_the_first_overdue_day_and_follows_the_days(self, loan):
        assert take_in(loan, loan.first_due) == 0
        assert take_in(loan, after(loan, 1)) == 1
        assert take_in(loan, after(loan, 4)) == 1
        case = CollectionCase.objects.get()
        assert (case.state, case.days_past_due, case.grade) == ("open", 4, "voice")
        assert case.overdue_amount == loans.amount_due(loan.id, after(loan, 4)).total
        assert case.loans.get().loan_ref == loan.id

    def test_one_case_per_customer(self, loan):
        a_loan(loan.entity, customer=loan.customer)
        assert take_in(loan, after(loan, 1)) == 1
        assert CollectionCase.objects.get().loans.count() == 2

    def test_closes_when_the_loan_is_cured(self, loan):
        take_in(loan, after(loan, 2))
        pay(loan, after(loan, 2))
        outbox.dispatch()
        case = CollectionCase.objects.get()
        assert (case.state, case.outcome) == ("closed", "cured")
        assert not case.loans.filter(is_overdue=True).exists()

    def test_closes_at_the_intake_when_nothing_is_overdue_any_more(self, loan):
        take_in(loan, after(loan, 2))
        pay(loan, after(loan, 2))
        take_in(loan, after(loan, 3))
        assert CollectionCase.objects.get().outcome == "cured"

    def test_a_broken_promise_comes_back_into_work(self, loan):
        take_in(loan, after(loan, 1))
        case = CollectionCase.objects.get()
        collector = staff(loan.entity, "postloan.collect")
        services.take_case(case_id=case.id, actor=collector, now=clock.now())
        services.note_promise(case_id=case.id, promised_on=after(loan, 2), amount=Decimal("100.00"), actor=collector, now=clock.now())
        take_in(loan, after(loan, 2))
        assert CollectionCase.objects.get().state == "promised"
        take_in(loan, after(loan, 3))
        assert CollectionCase.objects.get().state == "working"

    def test_needs_the_right_and_the_same_lender(self, loan):
        take_in(loan, after(loan, 1))
        case = CollectionCase.objects.get()
        with pytest.raises(NotPermitted):
            services.take_case(case_id=case.id, actor=staff(loan.entity), now=clock.now())
        stranger = staff(a_lender(), "postloan.collect", "postloan.view")
        with pytest.raises(NotFound):
            services.take_case(case_id=case.id, actor=stranger, now=clock.now())
        assert not selectors.cases_of(stranger).exists()


class TestContactRules:
    @pytest.fixture
    def case(self, loan) -> CollectionCase:
        take_in(loan, after(loan, 1))
        return CollectionCase.objects.get()

    def contact(self, loan, case, at, result="unanswered", phone="13800000001", **facts):
        return services.record_contact(
            case_id=case.id, channel="call", phone=phone, result=result, actor=staff(loan.entity, "postloan.collect"), now=at, **facts
        )

    def test_quiet_hours(self, loan, case):
        night = clock.beijing(after(loan, 1), 22)
        with pytest.raises(ContactForbidden) as refusal:
            self.contact(loan, case, night)
        assert refusal.value.facts == {"rule": "quiet_hours"}
        assert not case.contacts.exists()

    def test_three_effective_calls_a_day(self, loan, case):
        morning = clock.beijing(after(loan, 1), 9)
        for _ in range(3):
            self.contact(loan, case, morning, "effective")
        with pytest.raises(ContactForbidden):
            self.contact(loan, case, morning, phone="13800000002")
        self.contact(loan, case, morning + dt.timedelta(days=1), "effective")

    def test_six_unanswered_dials_of_a_number_a_day(self, loan, case):
        morning = clock.beijing(after(loan, 1), 9)
        for _ in range(6):
            self.contact(loan, case, morning)
        with pytest.raises(ContactForbidden):
            self.contact(loan, case, morning)
        self.contact(loan, case, morning, phone="13800000002")

    def test_a_third_person_only_after_three_tries_and_until_asked_to_stop(self, loan, case):
        morning = clock.beijing(after(loan, 1), 9)
        relative = {"phone": "13900000009", "third_party": True}
        with pytest.raises(ContactForbidden):
            self.contact(loan, case, morning, **relative)
        for _ in range(3):
            self.contact(loan, case, morning)
        self.contact(loan, case, morning, "stop", **relative)
        with pytest.raises(ContactForbidden):
            self.contact(loan, case, morning, **relative)
        assert "139****0009" in set(case.contacts.values_list("number_masked", flat=True))

    def test_is_asked_before_dialling(self, loan, case):
        asked = services.ask_contact(
            case_id=case.id, phone="13800000001", actor=staff(loan.entity, "postloan.collect"), now=clock.beijing(after(loan, 1), 7)
        )
        assert (asked.allowed, asked.rule) == (False, "quiet_hours")


class TestPapers:
    @pytest.fixture
    def order(self, sandbox) -> SignedOrder:
        clock.move_to(NOON)
        order = a_signed_order(lease_type="leaseback")
        disbursement.review_disbursement(
            disbursement_id=order.disbursement.id, outcome="approve", reason="", actor=staff(order.entity, "disbursement.review"), now=NOON
        )
        voucher = disbursement_read.voucher_of(order.application.id)
        disbursement.use_voucher(voucher_id=voucher.id, actor=order.consultant_actor, now=NOON)
        outbox.dispatch()
        return order

    def upload(self, order, kind, content=PNG):
        return services.receive_paper(
            application_id=order.application.id, kind=kind, content=content, filename="照片.png", actor=order.consultant_actor, now=NOON
        )

    def test_the_checklist_opens_at_the_pick_up(self, order):
        papers = selectors.papers_of(order.application.id)
        assert papers.count() == 6
        assert papers.first().kind == "handover_note"
        assert papers.get(kind="mortgage_registration").due_date == clock.local_date(NOON) + dt.timedelta(days=45)
        assert services.open_checklist(application_id=order.application.id, used_on=clock.local_date(NOON), actor=SYSTEM, now=NOON) == 6

    def test_the_order_is_completed_with_the_last_paper_and_the_transfer(self, order, sandbox):
        for paper in selectors.papers_of(order.application.id):
            self.upload(order, paper.kind)
        assert order.state() == "delivered"
        sandbox.deliver_callbacks()
        outbox.dispatch()
        assert order.state() == "completed"

    def test_or_with_the_transfer_and_the_last_paper(self, order, sandbox):
        sandbox.deliver_callbacks()
        outbox.dispatch()
        for paper in selectors.papers_of(order.application.id):
            assert order.state() == "delivered"
            self.upload(order, paper.kind)
        assert order.state() == "completed"

    def test_a_paper_is_handed_in_once_and_again_after_it_was_sent_back(self, order):
        paper = self.upload(order, "purchase_invoice")
        with pytest.raises(Conflict):
            self.upload(order, "purchase_invoice")
        clerk = staff(order.entity, "postloan.papers")
        with pytest.raises(BadInput):
            services.check_paper(paper_id=paper.id, accept=False, actor=clerk, now=NOON)
        services.check_paper(paper_id=paper.id, accept=False, reason="看不清", actor=clerk, now=NOON)
        self.upload(order, "purchase_invoice", picture(9))
        services.check_paper(paper_id=paper.id, accept=True, actor=clerk, now=NOON)
        assert DeliveryPaper.objects.get(id=paper.id).state == "checked"

    def test_refuses_what_is_no_picture_or_not_asked_for_or_not_his(self, order):
        from apps.common.errors import CarloanError

        with pytest.raises(CarloanError):
            self.upload(order, "purchase_invoice", b"MZ not a picture")
        with pytest.raises(NotFound):
            self.upload(order, "birth_certificate")
        other = a_signed_order(order.entity)
        with pytest.raises(NotFound):
            services.receive_paper(
                application_id=order.application.id,
                kind="purchase_invoice",
                content=PNG,
                filename="x.png",
                actor=other.consultant_actor,
                now=NOON,
            )


class TestSettlement:
    @pytest.fixture
    def order(self, sandbox) -> SignedOrder:
        clock.move_to(NOON)
        order = a_signed_order()
        disbursement.review_disbursement(
            disbursement_id=order.disbursement.id, outcome="approve", reason="", actor=staff(order.entity, "disbursement.review"), now=NOON
        )
        outbox.dispatch()
        sandbox.deliver_callbacks()
        loan_id = order.payment().loan_ref
        disbursement.pay_now(loan_id=loan_id, purpose="early_settlement", actor=staff(order.entity, "disbursement.pay"), now=NOON)
        outbox.dispatch()
        sandbox.deliver_callbacks()
        outbox.dispatch()
        return order

    def test_brings_a_sealed_certificate_a_message_and_the_title_to_release(self, order):
        loan_id = order.payment().loan_ref
        certificate = selectors.certificate_of(loan_id)
        document = documents_read.by_number(certificate.number)
        assert certificate.document_ref == document.id
        assert document.customer_ref == order.customer.id
        assert documents.verify(documents.read(document.id)).valid
        assert Message.objects.filter(person_ref=order.customer.id, template_code="settled").count() == 1
        release = selectors.release_of(loan_id)
        assert (release.state, release.due_date) == ("pending", clock.local_date(NOON) + dt.timedelta(days=10))
        clerk = staff(order.entity, "postloan.papers")
        services.release_title(release_id=release.id, actor=clerk, now=NOON)
        assert TitleRelease.objects.get().state == "released"

    def test_a_loan_that_owes_again_loses_its_certificate_and_keeps_its_title(self, order):
        loan_id = order.payment().loan_ref
        reference = next(iter(loans.payments_of(order.entity.id)))
        loan_deeds.reverse_transaction(
            loan_id=loan_id,
            transaction_id=LoanTransaction.objects.get(loan_id=loan_id, reference=reference).id,
            reason="银行退回",
            reference="reversal:1",
            actor=SYSTEM,
            now=NOON,
        )
        outbox.dispatch()
        assert selectors.certificate_of(loan_id) is None
        withdrawn = SettlementCertificate.objects.get()
        assert withdrawn.withdrawn_at is not None
        told = Client().get("/verify/", {"number": withdrawn.number}).content.decode()
        assert ("Genuine, but voided on" in told, "Issued by us" in told) == (True, False)
        with pytest.raises(Conflict):
            services.release_title(release_id=selectors.release_of(loan_id).id, actor=staff(order.entity, "postloan.papers"), now=NOON)


def test_a_customer_without_phone_does_not_stop_the_reminders_of_others(loan, monkeypatch):
    from apps.customers.models import Customer

    second = a_loan(loan.entity, customer=a_customer(loan.entity))
    Customer.objects.filter(id=loan.customer.id).update(phone="")
    result = eod.send_reminders(entity_id=loan.entity.id, day=after(loan, -3), partition={}, now=open_day(loan, after(loan, -3)))
    assert result.done + len(result.set_aside) == 2
    assert texts(second) == ["due_reminder"]


def test_a_case_stays_open_while_its_loan_cannot_be_worked_out():
    loan = a_loan()
    day = loan.first_due + dt.timedelta(days=5)
    assert take_in(loan, day) == 1
    Loan.objects.filter(id=loan.id).update(terms={**Loan.objects.get(id=loan.id).terms, "installments": 0})
    following = day + dt.timedelta(days=1)
    outcome = eod.take_in_overdue(entity_id=loan.entity.id, day=following, partition={}, now=clock.beijing(following, 1))
    assert [number for number, _error in outcome.set_aside] == [loans.loan_brief(loan.id).number]
    assert CollectionCase.objects.get(customer_ref=loan.customer.id).state != "closed"
