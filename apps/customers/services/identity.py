"""Identity checks: started by the customer, answered by outside parties at once or later, and ended by a sweep when nobody answers."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import structlog
from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from apps.common import clock
from apps.common.actors import Actor
from apps.common.crypto import blind_index
from apps.common.errors import BadInput, Conflict, NotFound, TooMany
from apps.common.gateways import GatewayError, GatewayRefused, gateway
from apps.common.models import new_id
from apps.common.outbox import publish
from apps.common.privacy import mask_id_number, mask_name
from apps.customers.domain import (
    CHECK_ASK_AGAIN_AFTER,
    CHECK_GIVE_UP_AFTER,
    CHECK_VALIDITY,
    CHECKS_PER_KIND_A_DAY,
    REQUIRED_CHECKS,
    CheckKind,
    parse_id_number,
    parse_name,
)
from apps.customers.events import CustomerVerified, IdentityCheckFinished, IdentityCheckRequested
from apps.customers.gateways import PORT, IdentityAnswer, IdentityGateway
from apps.customers.models import BankCard, Customer, IdentityAttempt, IdentityCheck
from apps.customers.selectors import passed_checks
from apps.customers.services.access import lock_customer, parsed
from apps.customers.services.consents import require_consents

log = structlog.get_logger(__name__)
ANSWERS: Final = frozenset({"passed", "failed", "unknown"})
SWEEP_LIMIT: Final = 200


class IdentityFixed(Conflict):
    """Name or ID number differ from those proved already."""

    code = "identity_fixed"
    title = _("Your name and ID number are already confirmed and cannot be changed here. Please call the service line.")


class IdNumberTaken(Conflict):
    """Another account of this lender has the ID number."""

    code = "id_number_taken"
    title = _("This ID number belongs to another account. Sign in with the phone used there, or call the service line.")


class IdCardExpired(BadInput):
    """The ID card's validity has ended."""

    code = "id_card_expired"
    title = _("Your ID card has expired. Please renew it first.")


class IdentityFirst(Conflict):
    """Liveness and card are compared with a proved identity."""

    code = "identity_first"
    title = _("Please confirm your name and ID number first.")


class TooManyChecks(TooMany):
    """Each attempt costs money; five a day and kind."""

    code = "too_many_checks"
    title = _("Too many attempts today. Please try again tomorrow, or visit a branch.")


class NoSuchCheck(NotFound):
    """No attempt or check has this reference."""

    code = "no_such_check"
    title = _("There is no such identity check.")


class CheckNotOpen(Conflict):
    """A person decides only on checks of onboarding that failed or stayed unknown."""

    code = "check_not_open"
    title = _("This check needs no decision.")


@dataclass(frozen=True)
class _Question:
    """What the party is asked, in clear; never logged."""

    kind: str
    reference: UUID
    name: str
    id_number: str
    video_ref: str
    card_number: str
    phone: str
    accepted: bool


@transaction.atomic
def start_identity_check(
    *,
    customer_id: UUID,
    kind: str,
    actor: Actor,
    now: dt.datetime,
    name: str = "",
    id_number: str = "",
    id_valid_until: dt.date | None = None,
    address: str = "",
    video_ref: str = "",
    purpose: str = IdentityCheck.Purpose.ONBOARDING,
) -> IdentityCheck:
    """Start, or start again, a check of ID authenticity or liveness; the answer follows. Cards are checked by `bind_card`.

    One that is pending, or has passed and may still be relied upon (for liveness before signing: never), is returned as it is.
    Raises `ConsentMissing`, `PersonalDataInvalid`, `IdCardExpired`, `IdentityFixed`, `IdNumberTaken`, `IdentityFirst`, `TooManyChecks`.
    """
    row = lock_customer(customer_id, actor)
    actor.require("api.customer")
    require_consents(row.id, "identity_check")
    if kind == CheckKind.ID_AUTHENTICITY:
        _state_identity(row, name=name, id_number=id_number, valid_until=id_valid_until, address=address, now=now)
        purpose = IdentityCheck.Purpose.ONBOARDING
    elif kind == CheckKind.LIVENESS:
        if CheckKind.ID_AUTHENTICITY not in passed_checks(row.id, now=now):
            raise IdentityFirst
    else:
        raise BadInput(fields={"kind": [str(_("Bank cards are checked when they are bound."))]})
    return begin_check(row, kind=kind, purpose=purpose, video_ref=video_ref, now=now)


def begin_check(
    row: Customer, *, kind: str, purpose: str, now: dt.datetime, video_ref: str = "", card: BankCard | None = None
) -> IdentityCheck:
    """A pending check with a new attempt, in the caller's transaction, which holds the customer's lock."""
    mine = IdentityCheck.objects.select_for_update().filter(customer=row, kind=kind, card=card)
    check: IdentityCheck | None = mine.filter(state=IdentityCheck.State.PENDING).first()
    if check is not None:
        return check
    if purpose == IdentityCheck.Purpose.ONBOARDING:
        standing: IdentityCheck | None = mine.filter(Q(expires_at=None) | Q(expires_at__gt=now), state=IdentityCheck.State.PASSED).first()
        if standing is not None:
            return standing
    today = IdentityAttempt.objects.filter(
        check_record__customer=row, check_record__kind=kind, created_at__gt=now - dt.timedelta(days=1), created_at__lte=now
    )
    if today.count() >= CHECKS_PER_KIND_A_DAY:
        raise TooManyChecks
    check = (
        mine.filter(state__in=[IdentityCheck.State.FAILED, IdentityCheck.State.UNKNOWN], purpose=purpose).order_by("-requested_at").first()
    )
    if check is None:
        check = IdentityCheck(id=new_id(), customer=row, kind=kind, purpose=purpose, card=card, requested_at=now)
        check.save(force_insert=True)
        no, attempt_id = 1, check.id
    else:
        check.try_again()
        check.requested_at, check.finished_at, check.score, check.reason = now, None, None, ""
        check.save()
        no, attempt_id = check.attempts.count() + 1, new_id()
    IdentityAttempt.objects.create(id=attempt_id, created_at=now, check_record=check, no=no, video_ref=video_ref)
    publish(IdentityCheckRequested(check_id=check.id, attempt_id=attempt_id, kind=kind))
    return check


def _state_identity(row: Customer, *, name: str, id_number: str, valid_until: dt.date | None, address: str, now: dt.datetime) -> None:
    """Put name and ID number on the customer; what was proved does not change."""
    today = clock.local_date(now)
    person = parsed("id_number", lambda: parse_id_number(id_number, on=today))
    full_name = parsed("name", lambda: parse_name(name))
    if valid_until is not None and valid_until < today:
        raise IdCardExpired(fields={"id_valid_until": [str(IdCardExpired.title)]})
    number_hash = blind_index(person.number, purpose="id_number")
    if _proved(row) and (number_hash != row.id_number_hash or full_name != row.name):
        raise IdentityFixed
    pending = IdentityCheck.objects.filter(customer=row, kind=CheckKind.ID_AUTHENTICITY, state=IdentityCheck.State.PENDING).exists()
    if pending:
        return  # the answer under way is to what was stated then
    _make_way(row, number_hash)
    row.name, row.masked_name = full_name, mask_name(full_name)
    row.id_number, row.id_number_hash, row.masked_id_number = person.number, number_hash, mask_id_number(person.number)
    row.id_valid_until = valid_until
    if address:
        row.address = address
    row.save()


def _proved(row: Customer) -> bool:
    """Whether name and ID number were confirmed once; an old proof fixes them, too."""
    states = [IdentityCheck.State.PASSED, IdentityCheck.State.EXPIRED]
    return IdentityCheck.objects.filter(customer=row, kind=CheckKind.ID_AUTHENTICITY, state__in=states).exists()


def _make_way(row: Customer, number_hash: str) -> None:
    """Only a claim that was proved, or is being proved, reserves an ID number; another account's empty claim gives way.

    Raises `IdNumberTaken`.
    """
    others = Customer.objects.filter(legal_entity_id=row.legal_entity_id, id_number_hash=number_hash).exclude(id=row.id)
    other = others.exclude(state=Customer.State.CLOSED).select_for_update().first()
    if other is None:
        return
    reserving = [IdentityCheck.State.PENDING, IdentityCheck.State.PASSED, IdentityCheck.State.EXPIRED]
    if IdentityCheck.objects.filter(customer=other, kind=CheckKind.ID_AUTHENTICITY, state__in=reserving).exists():
        raise IdNumberTaken
    _forget_claim(other)


def _forget_claim(row: Customer) -> None:
    """The ID number that was only claimed is free again; what was claimed stays readable for staff who decide by hand."""
    row.id_number_hash = ""
    row.save()


def _claim_again(row: Customer) -> None:
    """A claim that a person finds true takes its ID number after all. Raises `IdNumberTaken`."""
    number_hash = blind_index(row.id_number, purpose="id_number")
    _make_way(row, number_hash)
    row.id_number_hash = number_hash
    row.save()


def ask_party(*, attempt_id: UUID, now: dt.datetime) -> None:
    """Put an attempt's question to its party and keep the answer; outside any transaction, safe to repeat.

    Raises `GatewayUnavailable` and `GatewayUnknown`: asking again with the same reference is harmless, so the caller tries later.
    """
    question = _submit(attempt_id, now)
    if question is None:
        return
    try:
        answer = _ask(question)
    except GatewayRefused as refusal:
        answer = IdentityAnswer("unknown", reason=refusal.code, raw={"code": refusal.code, "message": refusal.message})
    if answer.outcome == "accepted":
        with transaction.atomic():
            IdentityAttempt.objects.filter(id=attempt_id, answered_at=None).update(accepted_at=now)
        return
    record_identity_result(
        check_id=attempt_id,
        outcome=answer.outcome,
        score=answer.score,
        raw=answer.raw,
        provider=answer.provider,
        reason=answer.reason,
        now=now,
    )


@transaction.atomic
def _submit(attempt_id: UUID, now: dt.datetime) -> _Question | None:
    """Mark an attempt as being sent and give its question; None when it has its answer."""
    attempt = (
        IdentityAttempt.objects.select_for_update(of=("self",))
        .select_related("check_record__customer", "check_record__card")
        .filter(id=attempt_id, answered_at=None)
        .first()
    )
    if attempt is None:
        return None
    attempt.submitted_at = now
    attempt.save(update_fields=["submitted_at"])
    check, person, card = attempt.check_record, attempt.check_record.customer, attempt.check_record.card
    return _Question(
        kind=check.kind,
        reference=attempt.id,
        name=person.name,
        id_number=person.id_number,
        video_ref=attempt.video_ref,
        card_number=card.number if card else "",
        phone=card.phone if card else "",
        accepted=attempt.accepted_at is not None,
    )


def _ask(question: _Question) -> IdentityAnswer:
    party: IdentityGateway = gateway(PORT)
    reference, name, id_number = question.reference, question.name, question.id_number
    if question.accepted:
        return party.query(check_id=reference)
    if question.kind == CheckKind.LIVENESS:
        return party.check_liveness(check_id=reference, name=name, id_number=id_number, video_ref=question.video_ref)
    if question.kind == CheckKind.BANK_CARD:
        return party.check_card(check_id=reference, name=name, id_number=id_number, card_number=question.card_number, phone=question.phone)
    return party.check_id(check_id=reference, name=name, id_number=id_number)


@transaction.atomic
def record_identity_result(
    *,
    check_id: UUID,
    outcome: str,
    score: Decimal | None,
    raw: Mapping[str, Any],
    now: dt.datetime,
    provider: str = "",
    reason: str = "",
) -> IdentityCheck:
    """Keep a party's answer to the attempt that it knows as `check_id`. Duplicates, late and out-of-order answers change nothing.

    `outcome` is passed, failed or unknown; anything else (`accepted`: not yet) changes nothing. Raises `NoSuchCheck`.
    """
    found = IdentityAttempt.objects.filter(id=check_id).values_list("check_record_id", "check_record__customer_id").first()
    if found is None:
        raise NoSuchCheck
    row = Customer.objects.select_for_update().get(id=found[1])
    check: IdentityCheck = IdentityCheck.objects.select_for_update().get(id=found[0])
    attempt = IdentityAttempt.objects.select_for_update().get(id=check_id)
    newest = check.attempts.order_by("-no").values_list("id", flat=True).first()
    if outcome not in ANSWERS or attempt.answered_at is not None or check.state != IdentityCheck.State.PENDING or newest != attempt.id:
        log.info("identity_answer_ignored", check=str(check.id), attempt=str(check_id), outcome=outcome, state=check.state)
        return check
    attempt.answered_at, attempt.outcome = now, outcome
    attempt.raw = json.dumps(dict(raw), ensure_ascii=False, default=str)
    attempt.save()
    _finish(row, check, outcome=outcome, score=score, provider=provider, reason=reason, now=now)
    return check


def _finish(
    row: Customer, check: IdentityCheck, *, outcome: str, score: Decimal | None, provider: str, reason: str, now: dt.datetime
) -> None:
    """Move a pending check to its end, and with it the card and perhaps the customer."""
    check.provider, check.score, check.reason, check.finished_at = provider, score, reason[:64], now
    if outcome == "passed":
        check.succeed()
        if check.kind == CheckKind.ID_AUTHENTICITY and not row.id_number_hash:
            _claim_again(row)
        validity = CHECK_VALIDITY[CheckKind(check.kind)]
        check.expires_at = now + validity if validity else None
    elif outcome == "failed":
        check.fail()
        if check.kind == CheckKind.ID_AUTHENTICITY and not _proved(row):
            _forget_claim(row)
    else:
        check.give_up()
    check.save()
    if check.card_id is not None:
        from apps.customers.services.cards import settle_card

        settle_card(check.card_id, passed=outcome == "passed", now=now)
    if outcome == "passed" and row.state == Customer.State.REGISTERED and passed_checks(row.id, now=now) >= REQUIRED_CHECKS:
        row.verify()
        row.verified_at = now
        row.save()
        publish(CustomerVerified(customer_id=row.id, legal_entity_id=row.legal_entity_id))
    publish(IdentityCheckFinished(check_id=check.id, customer_id=row.id, kind=check.kind, state=check.state))


@transaction.atomic
def decide_check_by_person(*, check_id: UUID, outcome: str, reason: str, actor: Actor, now: dt.datetime) -> IdentityCheck:
    """The manual path: staff who saw the papers decide on a check that failed or stayed unknown. `outcome` is passed or failed.

    Only onboarding: nobody answers for the face of somebody who signs. Raises `NoSuchCheck`, `CheckNotOpen`, `IdNumberTaken`, `BadInput`
    without a reason.
    """
    actor.require("customers.verify")
    if outcome not in ("passed", "failed") or not reason.strip():
        raise BadInput(fields={"reason": [str(_("Say what you saw, and decide passed or failed."))]})
    found = IdentityCheck.objects.within(actor.data_scope).filter(id=check_id).values_list("customer_id", flat=True).first()
    if found is None:
        raise NoSuchCheck
    row = Customer.objects.select_for_update().get(id=found)
    check: IdentityCheck = IdentityCheck.objects.select_for_update().get(id=check_id)
    open_states = (IdentityCheck.State.FAILED, IdentityCheck.State.UNKNOWN)
    if check.state not in open_states or check.purpose != IdentityCheck.Purpose.ONBOARDING:
        raise CheckNotOpen
    check.try_again()
    check.requested_at = now
    check.save()
    if check.card_id is not None:
        from apps.customers.services.cards import reopen_card

        reopen_card(check.card_id)
    IdentityAttempt.objects.create(
        created_at=now,
        check_record=check,
        no=check.attempts.count() + 1,
        submitted_at=now,
        answered_at=now,
        outcome=outcome,
        raw=json.dumps({"decided_by": str(actor), "reason": reason}, ensure_ascii=False),
    )
    _finish(row, check, outcome=outcome, score=None, provider=f"person:{actor.label}"[:64], reason="by_person", now=now)
    return check


def sweep_identity_checks(*, now: dt.datetime) -> dict[str, int]:
    """Ask again for attempts that wait too long, end those that wait far too long as unknown, and expire old proofs. Safe to repeat."""
    asked = ended = 0
    waiting = IdentityAttempt.objects.filter(answered_at=None, created_at__lte=now - CHECK_ASK_AGAIN_AFTER).order_by("created_at")
    for attempt_id, created_at in list(waiting.values_list("id", "created_at")[:SWEEP_LIMIT]):
        try:
            ask_party(attempt_id=attempt_id, now=now)
            asked += 1
        except GatewayError as error:
            log.warning("identity_party_silent", attempt=str(attempt_id), error=str(error)[:200])
        if created_at <= now - CHECK_GIVE_UP_AFTER:
            ended += _give_up(attempt_id, now)
    return {"asked": asked, "ended": ended, "expired": _expire(now)}


def _give_up(attempt_id: UUID, now: dt.datetime) -> int:
    before = IdentityAttempt.objects.filter(id=attempt_id, answered_at=None).exists()
    if before:
        record_identity_result(check_id=attempt_id, outcome="unknown", score=None, raw={}, reason="no_answer", now=now)
    return int(before)


def _expire(now: dt.datetime) -> int:
    old = IdentityCheck.objects.filter(state=IdentityCheck.State.PASSED, expires_at__lte=now).values_list("id", flat=True)
    expired = 0
    for check_id in list(old[:SWEEP_LIMIT]):
        with transaction.atomic():
            check = IdentityCheck.objects.select_for_update(skip_locked=True).filter(id=check_id, state=IdentityCheck.State.PASSED).first()
            if check is not None:
                check.expire()
                check.save()
                expired += 1
    return expired
