"""Stories of contracts: made, read, signed, checked, voided."""

from __future__ import annotations

import datetime as dt
import re
import subprocess
from typing import Any

import pgtrigger
import pytest
from django.db import IntegrityError, transaction
from django.db.models.signals import post_save
from django.db.utils import ProgrammingError

from apps.applications import services as applications
from apps.applications.models import State as ApplicationState
from apps.applications.services.records import NoSuchApplication, WrongState
from apps.common import clock, outbox
from apps.common.actors import Actor
from apps.common.errors import NotPermitted
from apps.common.models import GatewayCall, OutboxMessage
from apps.common.scope import DataScope
from apps.contracts import selectors, services
from apps.contracts.models import EDGES, Contract, SigningConsent, State
from apps.contracts.selectors import NoSuchContract
from apps.contracts.tests.factories import NOW, Order, an_accepted_order, read_from
from apps.customers.models import BankCard, Consent
from apps.customers.selectors import NoDebitCard
from apps.documents import selectors as archive
from apps.documents import services as documents
from apps.messaging.models import Message
from apps.organisations.tests.factories import LegalEntityFactory

pytestmark = pytest.mark.django_db

REVIEWER = Actor.system("reviewer")


@pytest.fixture
def order(sandbox: Any, settings: Any, tmp_path: Any) -> Order:
    settings.ARCHIVE_DIR = tmp_path
    clock.move_to(NOW)
    return an_accepted_order()


def text_of(content: bytes, tmp_path: Any) -> str:
    path = tmp_path / "paper.pdf"
    path.write_bytes(content)
    said = subprocess.run(["pdftotext", str(path), "-"], capture_output=True, text=True, check=True).stdout
    return re.sub(r"\s+", "", said)


def events(name: str) -> int:
    return OutboxMessage.objects.filter(name=f"contracts.{name}").count()


class TestMaking:
    def test_a_contract_is_rendered_archived_and_laid_before_the_customer(self, order: Order, tmp_path: Any) -> None:
        contract = services.generate_contract(application_id=order.application.id, actor=order.shop.seller, now=NOW)
        assert (contract.state, order.state()) == (State.DRAFT, "contracting")
        outbox.dispatch()
        contract = order.contract()
        assert contract.state == State.SIGNING
        said = text_of(documents.read(contract.unsigned_id), tmp_path)
        for words in (
            contract.number,
            order.customer.name,
            order.customer.id_number,
            f"{contract.amount:,.2f}",
            "售后回租",
            "人民币",
            "附件二",
        ):
            assert words in said, words
        table = text_of(documents.read(contract.cost_document_id), tmp_path)
        assert "综合融资成本明示表" in table
        assert "不收取任何其他费用" in table
        assert Message.objects.get(template_code="please_sign").person_ref == order.customer.id

    def test_the_figures_are_those_of_the_accepted_plan(self, order: Order) -> None:
        contract = services.generate_contract(application_id=order.application.id, actor=order.shop.seller, now=NOW)
        offer = order.application.chosen_offer
        assert (contract.amount, contract.installments, contract.annual_rate) == (offer.principal, offer.installments, offer.annual_rate)
        assert contract.apr_irr == offer.apr_irr / 100
        assert contract.first_due > contract.made_on

    def test_asking_twice_makes_one(self, order: Order) -> None:
        first = services.generate_contract(application_id=order.application.id, actor=order.shop.seller, now=NOW)
        second = services.generate_contract(application_id=order.application.id, actor=order.shop.seller, now=NOW)
        assert first.id == second.id
        outbox.dispatch()
        services.make_papers(contract_id=first.id, now=NOW)
        assert events("ContractReady") == 1
        assert len(archive.owned_by("application", order.application.id)) == 3  # authorisation, cost table, contract

    def test_a_page_left_open_does_not_pull_a_signed_order_back(self, order: Order) -> None:
        contract = order.sign(order.prepared())
        for _step in range(2):
            before = order.state()
            again = services.generate_contract(application_id=order.application.id, actor=order.shop.seller, now=NOW)
            assert (again.id, again.state, order.state()) == (contract.id, State.ARCHIVED, before)
            if before == "signed":
                applications.mark_disbursement_review(application_id=order.application.id, actor=REVIEWER, now=NOW)
        assert order.state() == "disbursement_review"

    def test_after_signing_only_the_reviewer_s_return_opens_the_way_to_a_new_one(self, order: Order) -> None:
        contract = order.sign(order.prepared())
        if order.state() == "signed":
            applications.mark_disbursement_review(application_id=order.application.id, actor=REVIEWER, now=NOW)
        services.void_contract(contract_id=contract.id, reason="资料有误", actor=REVIEWER, now=NOW)
        with pytest.raises(WrongState):
            services.generate_contract(application_id=order.application.id, actor=order.shop.seller, now=NOW)
        assert order.state() == "disbursement_review"
        applications.mark_contracting(application_id=order.application.id, actor=REVIEWER, now=NOW)
        again = services.generate_contract(application_id=order.application.id, actor=order.shop.seller, now=NOW)
        assert again.id != contract.id

    def test_the_database_keeps_one_standing_contract_per_application(self, order: Order) -> None:
        contract = services.generate_contract(application_id=order.application.id, actor=order.shop.seller, now=NOW)
        contract.pk, contract.number = None, "HT-OTHER"
        with pytest.raises(IntegrityError), transaction.atomic():
            contract.save(force_insert=True)

    def test_a_customer_without_a_card_is_told_before_anything_is_made(self, order: Order) -> None:
        BankCard.objects.filter(customer=order.customer).update(is_default=False)
        with pytest.raises(NoDebitCard):
            services.generate_contract(application_id=order.application.id, actor=order.shop.seller, now=NOW)
        assert order.state() == "accepted"
        assert not Contract.objects.exists()

    def test_only_the_order_s_own_people_make_it(self, order: Order) -> None:
        stranger = Actor("dealer", "x", permissions=frozenset({"portal.use"}), data_scope=DataScope("consultant", order.customer.id))
        with pytest.raises(NoSuchApplication):
            services.generate_contract(application_id=order.application.id, actor=stranger, now=NOW)
        with pytest.raises(NotPermitted):
            services.generate_contract(application_id=order.application.id, actor=order.signer, now=NOW)

    def test_an_order_without_accepted_plan_has_no_contract(self, order: Order) -> None:
        applications.withdraw(application_id=order.application.id, reason="不买了", actor=order.signer, now=NOW)
        with pytest.raises(WrongState):
            services.generate_contract(application_id=order.application.id, actor=order.shop.seller, now=NOW)


class TestSigning:
    def test_the_whole_way(self, order: Order, tmp_path: Any) -> None:
        contract = order.sign(order.prepared())
        assert (contract.state, order.state()) == (State.ARCHIVED, order.state())
        assert order.state() in (ApplicationState.SIGNED, ApplicationState.DISBURSEMENT_REVIEW)
        content = documents.read(contract.signed_id)
        found = documents.verify(content)
        assert (found.valid, found.archived, found.number) == (True, True, contract.number)
        assert [signer.name for signer in found.signers] == [order.customer.name, order.shop.entity.name]
        path = tmp_path / "signed.pdf"
        path.write_bytes(content)
        report = subprocess.run(["pdfsig", str(path)], capture_output=True, text=True, check=False).stdout
        assert report.count("Signature is Valid") == 2
        assert archive.by_number(contract.number).id == contract.signed_id
        assert events("ContractSigned") == 1

    def test_the_evidence_names_version_time_and_files(self, order: Order) -> None:
        contract = order.sign(order.prepared(), cost_table_version="2026-08")
        kept = SigningConsent.objects.get(contract=contract)
        assert (kept.seconds_read, kept.seconds_required, kept.cost_table_version) == (12, 10, contract.cost_table["version"])
        assert kept.contract_sha256 == archive.brief(contract.unsigned_id).sha256
        assert kept.cost_table_sha256 == archive.brief(contract.cost_document_id).sha256
        assert kept.actor == str(order.signer)
        with pytest.raises(ProgrammingError), transaction.atomic():
            SigningConsent.objects.update(seconds_read=999)

    def test_the_word_given_twice_signs_once(self, order: Order) -> None:
        contract = order.sign(order.prepared())
        services.sign_by_customer(contract_id=contract.id, **read_from(contract), seconds_read=0, actor=order.signer, now=NOW)
        outbox.dispatch()
        services.set_signatures(contract_id=contract.id, now=NOW)
        assert (SigningConsent.objects.count(), events("SigningConfirmed"), events("ContractSigned")) == (1, 1, 1)

    @pytest.mark.parametrize(("read", "later"), [(9, 60), (0, 60), (300, 3)])
    def test_too_little_reading_is_told_with_the_rest(self, order: Order, read: int, later: int) -> None:
        """Whatever the app says, nobody has read longer than the table has been on the screen."""
        contract = order.prepared()
        order.look(NOW)
        with pytest.raises(services.ReadLonger) as told:
            services.sign_by_customer(
                contract_id=contract.id, **read_from(contract), seconds_read=read, actor=order.signer, now=NOW + dt.timedelta(seconds=later)
            )
        assert told.value.facts["required"] == 10
        assert not SigningConsent.objects.exists()

    def test_what_was_never_opened_was_not_read(self, order: Order) -> None:
        contract = services.generate_contract(application_id=order.application.id, actor=order.shop.seller, now=NOW)
        outbox.dispatch()
        with pytest.raises(services.NotYetToSign):
            services.sign_by_customer(
                contract_id=contract.id, **read_from(contract), seconds_read=60, actor=order.signer, now=NOW + dt.timedelta(hours=1)
            )

    def test_the_reading_time_runs_from_the_first_look(self, order: Order) -> None:
        contract = order.prepared()
        services.open_contract(contract_id=contract.id, actor=order.signer, now=NOW + dt.timedelta(minutes=5))
        assert order.contract().opened_at == contract.opened_at

    def test_another_version_than_the_one_read_is_not_signed(self, order: Order) -> None:
        contract = order.prepared()
        for other in ({"cost_table_version": "2020-01"}, {"cost_table_sha256": "0" * 64}):
            with pytest.raises(services.OtherVersionRead):
                order.sign(contract, **other)
        assert not SigningConsent.objects.exists()

    def test_the_table_of_the_contract_before_is_not_the_one_that_is_signed(self, order: Order) -> None:
        """The layout is the same, the figures may not be."""
        first = order.prepared()
        read = read_from(first)
        services.void_contract(contract_id=first.id, reason="价格写错", actor=order.shop.seller, now=NOW)
        second = order.prepared()
        assert second.cost_table["version"] == first.cost_table["version"]
        with pytest.raises(services.OtherVersionRead):
            order.sign(second, **read)
        assert order.sign(second).state == State.ARCHIVED

    @pytest.mark.parametrize("minutes", [None, 16, -5])
    def test_without_a_fresh_liveness_check_nothing_is_signed(self, order: Order, minutes: int | None) -> None:
        contract = order.prepared()
        order.forget_looks()
        at = NOW + dt.timedelta(seconds=20)
        if minutes is not None:
            order.look(at - dt.timedelta(minutes=minutes))
        with pytest.raises(services.LivenessStale) as told:
            services.sign_by_customer(contract_id=contract.id, **read_from(contract), seconds_read=12, actor=order.signer, now=at)
        assert told.value.facts["minutes"] == 15

    def test_without_consent_to_electronic_signatures_nothing_is_signed(self, order: Order) -> None:
        contract = order.prepared()
        Consent.objects.filter(customer=order.customer, kind="e_sign").update(withdrawn_at=NOW)
        with pytest.raises(services.SigningConsentMissing):
            order.sign(contract)

    def test_nobody_signs_for_another(self, order: Order) -> None:
        contract = order.prepared()
        stranger = Actor(
            "customer", "x", user_id=contract.id, permissions=frozenset({"api.customer"}), data_scope=DataScope("customer", contract.id)
        )
        with pytest.raises(NoSuchContract):
            order.sign(contract, actor=stranger)
        with pytest.raises(NotPermitted):
            order.sign(contract, actor=order.shop.seller)

    def test_an_outage_of_the_time_stamp_leaves_it_to_be_signed_and_the_retry_completes_it(self, order: Order, sandbox: Any) -> None:
        contract = order.prepared()
        sandbox.add_fault("timestamp", "stamp", "refused")
        assert order.sign(contract).state == State.SIGNING
        services.set_signatures(contract_id=contract.id, now=NOW + dt.timedelta(minutes=1))
        outbox.dispatch()
        assert order.contract().state == State.ARCHIVED

    def test_an_order_given_up_takes_no_word(self, order: Order) -> None:
        """Before the news of it has reached the contract."""
        contract = order.prepared()
        applications.withdraw(application_id=order.application.id, reason="不买了", actor=order.signer, now=NOW)
        with pytest.raises(services.NotYetToSign):
            order.sign(contract)
        assert not SigningConsent.objects.exists()

    def given_word(self, order: Order) -> Contract:
        contract = order.prepared()
        order.look(NOW)
        services.sign_by_customer(
            contract_id=contract.id, **read_from(contract), seconds_read=12, actor=order.signer, now=NOW + dt.timedelta(seconds=15)
        )
        return contract

    def test_an_order_given_up_after_the_word_gets_no_signed_contract(self, order: Order, sandbox: Any) -> None:
        contract = self.given_word(order)
        applications.withdraw(application_id=order.application.id, reason="不买了", actor=order.signer, now=NOW)
        calls = GatewayCall.objects.count()
        services.set_signatures(contract_id=contract.id, now=NOW)
        assert archive.by_number(contract.number) is None
        assert GatewayCall.objects.count() == calls  # nor is the authority asked
        outbox.dispatch()
        assert (order.contract().state, order.state(), events("ContractSigned")) == (State.VOIDED, "withdrawn", 0)

    @pytest.mark.parametrize("how", ["withdrawn", "voided"])
    def test_what_is_given_up_while_the_time_stamp_is_fetched_is_not_kept(self, order: Order, sandbox: Any, how: str) -> None:
        contract = self.given_word(order)

        def give_up(**_signal: Any) -> None:
            post_save.disconnect(give_up, sender=GatewayCall)
            if how == "withdrawn":
                applications.withdraw(application_id=order.application.id, reason="不买了", actor=order.signer, now=NOW)
            else:
                services.void_contract(contract_id=contract.id, reason="车型写错", actor=order.shop.seller, now=NOW)

        post_save.connect(give_up, sender=GatewayCall)  # the authority has answered, the file is not kept yet
        services.set_signatures(contract_id=contract.id, now=NOW)
        assert not post_save.disconnect(give_up, sender=GatewayCall)
        assert archive.by_number(contract.number) is None
        assert events("ContractSigned") == 0

    def test_a_signed_file_that_does_not_verify_is_not_archived(self, order: Order, settings: Any, tmp_path: Any) -> None:
        contract = order.prepared()
        order.look(NOW)
        services.sign_by_customer(
            contract_id=contract.id, **read_from(contract), seconds_read=12, actor=order.signer, now=NOW + dt.timedelta(seconds=15)
        )
        services.set_signatures(contract_id=contract.id, now=NOW)
        settings.PKI_DIR = tmp_path / "other"  # an authority that never issued these certificates
        with pytest.raises(services.SignatureBroken):
            services.archive_contract(contract_id=contract.id, actor=REVIEWER, now=NOW)
        assert order.contract().state == State.SIGNED


class TestVoiding:
    def test_before_signing_the_shop_voids_it_and_makes_a_new_one(self, order: Order) -> None:
        first = order.prepared()
        services.void_contract(contract_id=first.id, reason="车型写错", actor=order.shop.seller, now=NOW)
        second = order.prepared()
        assert second.id != first.id
        assert (order.contract(first.id).state, second.state, order.state()) == (State.VOIDED, State.SIGNING, "contracting")
        assert selectors.contract_of(order.application.id).id == second.id

    def test_a_signed_one_is_voided_by_the_reviewer_only_and_with_a_reason(self, order: Order) -> None:
        contract = order.sign(order.prepared())
        with pytest.raises(NotPermitted):
            services.void_contract(contract_id=contract.id, reason="x", actor=order.shop.seller, now=NOW)
        with pytest.raises(services.ReasonMissing):
            services.void_contract(contract_id=contract.id, reason=" ", actor=REVIEWER, now=NOW)
        services.void_contract(contract_id=contract.id, reason="资料有误", actor=REVIEWER, now=NOW)
        assert order.contract().state == State.VOIDED
        assert selectors.signed_contract(order.application.id) is None

    def test_after_the_payment_was_approved_it_stands(self, order: Order) -> None:
        contract = order.sign(order.prepared())
        if order.state() == "signed":
            applications.mark_disbursement_review(application_id=order.application.id, actor=REVIEWER, now=NOW)
        applications.mark_approved(application_id=order.application.id, actor=REVIEWER, now=NOW)
        with pytest.raises(services.TooLateToVoid):
            services.void_contract(contract_id=contract.id, reason="x", actor=REVIEWER, now=NOW)

    def test_the_contract_of_an_order_given_up_falls(self, order: Order) -> None:
        order.prepared()
        applications.withdraw(application_id=order.application.id, reason="不买了", actor=order.signer, now=NOW)
        outbox.dispatch()
        assert order.contract().state == State.VOIDED


class TestKnowing:
    def test_what_the_payment_needs_of_a_signed_contract(self, order: Order) -> None:
        assert selectors.signed_contract(order.application.id) is None
        contract = order.sign(order.prepared())
        facts = selectors.signed_contract(order.application.id)
        assert (facts.contract_id, facts.amount, facts.document_id) == (contract.id, contract.amount, contract.signed_id)
        assert facts.first_due == contract.first_due

    def test_another_lender_sees_nothing(self, order: Order) -> None:
        order.prepared()
        assert Contract.objects.within(DataScope("entity", order.shop.entity.id)).count() == 1
        assert Contract.objects.within(DataScope("entity", LegalEntityFactory().id)).count() == 0
        assert Contract.objects.within(DataScope("consultant", order.shop.consultant.id)).count() == 1
        assert Contract.objects.within(order.signer.data_scope).count() == 1


def test_the_database_knows_the_same_edges_as_the_model(order: Order) -> None:
    moves = {(move.source, move.target) for move in Contract(state="draft").get_all_state_transitions()}
    assert moves == {(source, target) for source, targets in EDGES.items() for target in targets}
    [trigger] = [trigger for trigger in Contract._meta.triggers if isinstance(trigger, pgtrigger.FSM)]
    assert set(trigger.transitions) == moves
    contract = order.prepared()
    with pytest.raises(ProgrammingError), transaction.atomic():
        Contract.objects.filter(id=contract.id).update(state="archived")
