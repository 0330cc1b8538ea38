"""Contracts: made, read, signed, archived, voided."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.applications import selectors as applications
from apps.applications import services as application_deeds
from apps.common import clock
from apps.common.actors import Actor
from apps.common.calendar import is_working_day
from apps.common.errors import BadInput, Conflict
from apps.common.numbers import next_number
from apps.common.outbox import publish
from apps.contracts import papers
from apps.contracts.domain import KINDS, TEMPLATE_VERSION, price_from
from apps.contracts.events import ContractReady, ContractRequested, ContractSigned, ContractVoided, SigningConfirmed
from apps.contracts.models import Contract, SigningConsent, State
from apps.contracts.selectors import NoSuchContract
from apps.customers import selectors as customers
from apps.documents import selectors as archive
from apps.documents import services as documents
from apps.messaging import services as messaging
from apps.organisations import selectors as organisations
from apps.products import selectors as products

_MAKER = Actor.system("contracts.papers")
# The app counts whole seconds on its own clock; ours may differ by so much.
_READING_TOLERANCE = dt.timedelta(seconds=2)
_TO_BE_MADE = ("accepted", "contracting")
_BEFORE_PAYMENT = ("accepted", "contracting", "signed", "disbursement_review", "withdrawn", "expired", "refused")


class NotYetToSign(Conflict):
    """The contract is not laid before the customer, or does not stand any more."""

    code = "contract_not_to_sign"
    title = gettext_lazy("This contract cannot be signed now. Load it again to see where it stands.")


class ReadLonger(BadInput):
    """The full cost table was read too short a time."""

    code = "read_longer"
    title = gettext_lazy("Please read the full cost table to its end before signing.")


class OtherVersionRead(BadInput):
    """What was read is not what would be signed."""

    code = "other_version_read"
    title = gettext_lazy("The cost table has changed since you read it. Please load and read it again.")


class LivenessStale(Conflict):
    """No liveness check young enough."""

    code = "liveness_stale"
    title = gettext_lazy("Please pass a liveness check now; it must be fresh when you sign.")


class SigningConsentMissing(Conflict):
    """The person has not agreed to sign electronically."""

    code = "e_sign_consent_missing"
    title = gettext_lazy("Please agree to electronic signatures first.")


class TooLateToVoid(Conflict):
    """The money has been released."""

    code = "contract_too_late_to_void"
    title = gettext_lazy("The payment was approved already; this contract can no longer be voided.")


class ReasonMissing(BadInput):
    """A contract was to be voided without saying why."""

    code = "reason_missing"
    title = gettext_lazy("Say why the contract is voided.")


class SignatureBroken(Conflict):
    """The signed file does not pass its own check."""

    code = "signature_broken"
    title = gettext_lazy("The signed file does not pass the check of its signatures.")


def _locked(contract_id: UUID, actor: Actor) -> Contract:
    found = Contract.objects.within(actor.data_scope).select_for_update(of=("self",)).filter(id=contract_id).first()
    if found is None:
        raise NoSuchContract
    contract: Contract = found
    return contract


def _held(contract_id: UUID, actor: Actor) -> tuple[str, Contract]:
    """The order's state and the contract, both locked, the order first as everywhere. Raises `NoSuchContract`."""
    application_id = Contract.objects.within(actor.data_scope).filter(id=contract_id).values_list("application_id", flat=True).first()
    if application_id is None:
        raise NoSuchContract
    return application_deeds.hold(application_id=application_id, actor=_MAKER), _locked(contract_id, actor)


@transaction.atomic
def generate_contract(*, application_id: UUID, actor: Actor, now: dt.datetime) -> Contract:
    """Start the contract of an accepted application; its papers are rendered after the commit.

    A standing one is returned as it is, whatever became of the order since: a page left open must not move it. Raises `NotPermitted`,
    the application's `NoSuchApplication`, `WrongState`, `NoAcceptedPlan`, and the customer's `NoDebitCard`.
    """
    if actor.kind == "dealer":
        actor.require("portal.use")
    else:
        actor.require("contracts.generate")
    state = application_deeds.hold(application_id=application_id, actor=actor)
    standing = Contract.objects.filter(application_id=application_id).exclude(state=State.VOIDED).first()
    if standing is not None:
        return standing
    if state not in _TO_BE_MADE:
        raise application_deeds.WrongState(state=state)
    application_deeds.mark_contracting(application_id=application_id, actor=actor, now=now)
    facts = applications.contract_facts(application_id)
    customers.require_may_borrow(facts.customer_id, now)
    customers.debit_card(facts.customer_id)
    made_on = clock.local_date(now)
    priced = price_from(facts.plan, made_on, is_working_day=is_working_day)
    contract = Contract.objects.create(
        number=next_number("HT", made_on),
        kind=KINDS[priced.plan.kind],
        legal_entity_id=facts.legal_entity_id,
        application_id=application_id,
        customer_ref=facts.customer_id,
        dealer_ref=facts.dealer_id,
        shop_ref=facts.shop_id,
        consultant_ref=facts.consultant_id,
        made_on=made_on,
        amount=priced.plan.principal,
        installments=priced.plan.installments,
        annual_rate=priced.plan.annual_rate,
        apr_irr=priced.quote.apr_irr / 100,
        installment=priced.quote.installment,
        first_due=priced.first_due,
        cost_table=json.loads(json.dumps(dataclasses.asdict(products.cost_table(priced.plan)), default=str)),
        template_version=TEMPLATE_VERSION,
    )
    publish(ContractRequested(contract_id=contract.id))
    return contract


def make_papers(*, contract_id: UUID, now: dt.datetime) -> None:
    """Render and archive the contract and its cost table, then lay them before the customer. Takes a second; repeated it does nothing."""
    contract = Contract.objects.get(id=contract_id)
    if contract.state != State.DRAFT:
        return
    content = papers.contract_content(contract, _reading_seconds(contract, now))
    belongs: dict[str, Any] = {
        "legal_entity_id": contract.legal_entity_id,
        "owner_kind": "application",
        "owner_ref": contract.application_id,
        "customer_ref": contract.customer_ref,
        "dealer_ref": contract.dealer_ref,
        "shop_ref": contract.shop_ref,
        "consultant_ref": contract.consultant_ref,
        "signers": [],
        "actor": _MAKER,
        "now": now,
    }
    table = documents.issue(kind="cost_table", number=f"{contract.number}-C", template="cost_table.html", context=content, **belongs)
    unsigned = documents.issue(
        kind="contract", number=f"{contract.number}-U", mark=contract.number, template="loan_contract.html", context=content, **belongs
    )
    _lay_before_customer(contract_id, unsigned_id=unsigned.id, cost_document_id=table.id, now=now)


@transaction.atomic
def _lay_before_customer(contract_id: UUID, *, unsigned_id: UUID, cost_document_id: UUID, now: dt.datetime) -> None:
    contract = _locked(contract_id, _MAKER)
    if contract.state != State.DRAFT:
        return
    contract.unsigned_id, contract.cost_document_id, contract.generated_at = unsigned_id, cost_document_id, now
    contract.finish_making()
    contract.save()
    contract.lay_before_customer()
    contract.save()
    publish(ContractReady(contract_id=contract.id, application_id=contract.application_id, customer_id=contract.customer_ref))


@transaction.atomic
def ask_customer_to_sign(*, contract_id: UUID, actor: Actor, now: dt.datetime) -> None:
    """Tell the customer that the contract waits."""
    contract = Contract.objects.get(id=contract_id)
    messaging.send(
        template="please_sign",
        phone=customers.phone_of(contract.customer_ref),
        variables={"number": contract.number},
        legal_entity_id=contract.legal_entity_id,
        person_ref=contract.customer_ref,
        dedupe_key=f"please_sign:{contract.id}",
        actor=actor,
        now=now,
    )


def _reading_seconds(contract: Contract, now: dt.datetime) -> int:
    day = clock.local_date(now)
    return int(organisations.parameter("cost_table.reading_seconds_min", on=day, legal_entity_id=contract.legal_entity_id))


def reading_seconds(contract: Contract, *, now: dt.datetime) -> int:
    """How long the full cost table has to be read before signing, in seconds."""
    return _reading_seconds(contract, now)


@transaction.atomic
def open_contract(*, contract_id: UUID, actor: Actor, now: dt.datetime) -> Contract:
    """The contract as its customer sees it; the first look at one that is to be signed starts the reading time. Raises `NoSuchContract`."""
    contract = _locked(contract_id, actor)
    if contract.state == State.SIGNING and contract.opened_at is None and actor.user_id is not None:
        contract.opened_at = now
        contract.save(update_fields=["opened_at"])
    return contract


@transaction.atomic
def sign_by_customer(
    *, contract_id: UUID, seconds_read: int, cost_table_version: str, cost_table_sha256: str, actor: Actor, now: dt.datetime
) -> Contract:
    """The customer's word to sign, kept as evidence; the signatures follow after the commit. Given twice, the first stands.

    `seconds_read` is what the app counted while the full cost table was on the screen; it must reach the parameter and cannot be longer
    than the time since the contract was first shown. Version and SHA-256 are those of the table that was on the screen: its layout and its
    figures. Raises `NoSuchContract`, `NotYetToSign`, `OtherVersionRead`, `ReadLonger`,
    `SigningConsentMissing`, `LivenessStale`.
    """
    state, contract = _held(contract_id, actor)
    actor.require("api.customer")
    if SigningConsent.objects.filter(contract=contract).exists() and contract.state != State.VOIDED:
        return contract
    if contract.state != State.SIGNING or contract.opened_at is None or state != "contracting":
        raise NotYetToSign
    version = contract.cost_table["version"]
    sha256 = _sha256(contract.cost_document_id)
    if (cost_table_version, cost_table_sha256.lower()) != (version, sha256):
        raise OtherVersionRead(version=version, sha256=sha256)
    required = _reading_seconds(contract, now)
    _check_reading(contract.opened_at, seconds_read, required, now)
    if customers.missing_consents(contract.customer_ref, "signing"):
        raise SigningConsentMissing
    minutes = _check_liveness(contract, now)
    customers.require_may_borrow(contract.customer_ref, now)
    SigningConsent.objects.create(
        contract=contract,
        customer_ref=contract.customer_ref,
        at=now,
        cost_table_version=version,
        contract_sha256=_sha256(contract.unsigned_id),
        cost_table_sha256=sha256,
        opened_at=contract.opened_at,
        seconds_read=seconds_read,
        seconds_required=required,
        liveness_minutes=minutes,
        actor=str(actor),
    )
    publish(SigningConfirmed(contract_id=contract.id))
    return contract


def _check_reading(opened_at: dt.datetime, seconds_read: int, required: int, now: dt.datetime) -> None:
    since = now - opened_at + _READING_TOLERANCE
    possible = min(seconds_read, int(since.total_seconds()))
    if possible < required:
        raise ReadLonger(
            _("Please read the full cost table for at least %(seconds)s seconds; %(rest)s are left.")
            % {"seconds": required, "rest": required - max(0, possible)},
            required=required,
            read=max(0, possible),
        )


def _check_liveness(contract: Contract, now: dt.datetime) -> int:
    minutes = int(
        organisations.parameter("contracts.liveness_fresh_minutes", on=clock.local_date(now), legal_entity_id=contract.legal_entity_id)
    )
    if not customers.liveness_fresh(contract.customer_ref, dt.timedelta(minutes=minutes), now):
        raise LivenessStale(
            _("Please pass a liveness check now: it may be at most %(minutes)s minutes old when you sign.") % {"minutes": minutes},
            minutes=minutes,
        )
    return minutes


def _sha256(document_id: UUID | None) -> str:
    brief = archive.brief(document_id) if document_id else None
    if brief is None:
        raise NotYetToSign
    return brief.sha256


def set_signatures(*, contract_id: UUID, now: dt.datetime) -> None:
    """Set both signatures with their time stamps and archive the result. Calls the time stamp authority; repeated it does nothing.

    An order that was given up meanwhile gets no signed contract: asked before the call, and again under lock before the file is kept.
    """
    contract = Contract.objects.get(id=contract_id)
    if contract.unsigned_id is None or not _awaits_signatures(contract, applications.by_id(contract.application_id).state):
        return
    signed = documents.sign(content=documents.read(contract.unsigned_id), signers=papers.signers_of(contract), now=now)
    _keep_signed(contract_id, signed, now)


def _awaits_signatures(contract: Contract, order_state: str) -> bool:
    return contract.state == State.SIGNING and order_state == "contracting"


@transaction.atomic
def _keep_signed(contract_id: UUID, signed: bytes, now: dt.datetime) -> None:
    state, contract = _held(contract_id, _MAKER)
    if not _awaits_signatures(contract, state):
        return
    document = documents.store(
        content=signed,
        filename=f"{contract.number}.pdf",
        kind="signed_contract",
        legal_entity_id=contract.legal_entity_id,
        owner_kind="application",
        owner_ref=contract.application_id,
        customer_ref=contract.customer_ref,
        dealer_ref=contract.dealer_ref,
        shop_ref=contract.shop_ref,
        consultant_ref=contract.consultant_ref,
        number=contract.number,
        is_signed=True,
        actor=_MAKER,
        now=now,
    )
    contract.signed_id, contract.signed_at = document.id, now
    contract.complete()
    contract.save()
    application_deeds.mark_signed(application_id=contract.application_id, actor=_MAKER, now=now)
    publish(ContractSigned(contract_id=contract.id, application_id=contract.application_id))


@transaction.atomic
def archive_contract(*, contract_id: UUID, actor: Actor, now: dt.datetime) -> None:
    """Check the signed file as the verify page would, then close the contract's making. Raises `SignatureBroken`."""
    contract = _locked(contract_id, actor)
    if contract.state != State.SIGNED or contract.signed_id is None:
        return
    checked = documents.verify(documents.read(contract.signed_id))
    if not (checked.valid and checked.archived):
        raise SignatureBroken(checked.reason or None, number=contract.number)
    contract.archive()
    contract.archived_at = now
    contract.save()


@transaction.atomic
def void_contract(*, contract_id: UUID, reason: str, actor: Actor, now: dt.datetime) -> Contract:
    """The contract does not stand any more; possible until the payment is approved. A voided one is returned as it is.

    The application of a signed contract goes back to contracting, unless the caller moves it further. Raises `NotPermitted`,
    `NoSuchContract`, `ReasonMissing`, `TooLateToVoid`.
    """
    state, contract = _held(contract_id, actor)
    if actor.kind == "dealer" and contract.state in (State.DRAFT, State.GENERATED, State.SIGNING):
        actor.require("portal.use")
    else:
        actor.require("contracts.void")
    if contract.state == State.VOIDED:
        return contract
    if not reason.strip():
        raise ReasonMissing
    if state not in _BEFORE_PAYMENT:
        raise TooLateToVoid
    _void(contract, reason, now)
    if state == "signed":
        application_deeds.mark_contracting(application_id=contract.application_id, actor=actor, now=now, reason=reason)
    return contract


def _void(contract: Contract, reason: str, now: dt.datetime) -> None:
    contract.void()
    contract.voided_at, contract.void_reason = now, reason[:300]
    contract.save()
    publish(ContractVoided(contract_id=contract.id, application_id=contract.application_id, reason=reason[:300]))


@transaction.atomic
def drop_contract_of(*, application_id: UUID, reason: str, actor: Actor, now: dt.datetime) -> None:
    """Void what stands of an application that was given up; the caller knows that no money has left."""
    standing = Contract.objects.filter(application_id=application_id).exclude(state=State.VOIDED).values_list("id", flat=True).first()
    if standing is not None:
        _void(_locked(standing, actor), reason, now)
