"""Sending: one row per message, once per dedupe key, in the hours and up to the number that rules allow."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import structlog
from django.db import IntegrityError, transaction
from django.db.models import Q, TextField
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.common import clock, crypto, privacy
from apps.common.actors import Actor
from apps.common.bulk import any_of, insert_rows
from apps.common.errors import BadInput
from apps.common.gateways import GatewayRefused, GatewayUnavailable, GatewayUnknown
from apps.common.models import new_id
from apps.common.outbox import publish
from apps.messaging import selectors
from apps.messaging.domain import Template, fill, places_of, send_time
from apps.messaging.events import MessageQueued
from apps.messaging.gateways import sms
from apps.messaging.models import Message, MessageTemplate, Receipt, State
from apps.organisations import selectors as organisations
from apps.organisations.services import require_entity

log = structlog.get_logger(__name__)
MAX_ATTEMPTS = 8
# A worker that died while sending leaves its message here for so long; longer than any time-out of the gateway.
LEASE = dt.timedelta(minutes=2)
RETRY_AFTER = dt.timedelta(minutes=1)
CLOCK_TOLERANCE = dt.timedelta(seconds=2)  # the worker's clock may stand behind that of the process that queued
SWEEP_LIMIT = 500
_BATCH = 5000


class VariableMissing(BadInput):
    """The template names a variable that did not come."""

    code = "message_variable_missing"
    title = gettext_lazy("A variable of the message template is missing.")


class BadTemplate(BadInput):
    """A text that cannot be a template."""

    code = "bad_message_template"
    title = gettext_lazy("The message text is not right.")


@dataclass(frozen=True)
class Recipient:
    """One addressee of a batch."""

    phone: str
    variables: Mapping[str, Any]
    dedupe_key: str
    person_ref: UUID | None = None


@dataclass(frozen=True)
class _Rules:
    """What holds for ordinary messages of an entity on a day."""

    quiet_from: dt.time
    quiet_until: dt.time
    daily_cap: int

    def send_time(self, now: dt.datetime) -> dt.datetime:
        """When an ordinary message of this moment may go out."""
        return send_time(now.astimezone(clock.BEIJING), quiet_from=self.quiet_from, quiet_until=self.quiet_until)


def _rules(legal_entity_id: UUID | None, now: dt.datetime) -> _Rules:
    values = organisations.parameters_of("messaging.", on=clock.local_date(now), legal_entity_id=legal_entity_id)
    missing = [name for name in ("quiet_from", "quiet_until", "daily_cap") if f"messaging.{name}" not in values]
    if missing:
        raise organisations.ParameterMissing(code=f"messaging.{missing[0]}", on=clock.local_date(now))
    return _Rules(values["messaging.quiet_from"], values["messaging.quiet_until"], values["messaging.daily_cap"])


@transaction.atomic
def send(
    *,
    template: str,
    phone: str,
    variables: Mapping[str, Any],
    legal_entity_id: UUID | None = None,
    person_ref: UUID | None = None,
    urgent: bool = False,
    dedupe_key: str,
    actor: Actor,
    now: dt.datetime,
) -> Message:
    """Queue one message; the same `dedupe_key` again returns the first. It goes out after the commit.

    An ordinary message waits for the end of the quiet hours, and is noted but not sent beyond the daily number per phone. An urgent one
    (by argument or by its template) knows neither. Raises `selectors.NoSuchTemplate`, `VariableMissing`.
    """
    existing = Message.objects.filter(dedupe_key=dedupe_key).first()
    if existing is not None:
        return existing
    chosen = selectors.template_of(template, legal_entity_id)
    recipient = Recipient(phone, variables, dedupe_key, person_ref)
    rules = None if urgent or chosen.urgent else _rules(legal_entity_id, now)
    same = _of_all(chosen, legal_entity_id, rules=rules, now=now)
    message = Message(**same, **_of_one(chosen, recipient, given=_given(legal_entity_id)))
    try:
        with transaction.atomic():
            message.save(force_insert=True)
    except IntegrityError:
        return Message.objects.get(dedupe_key=dedupe_key)
    if rules is not None:
        _hold_to_cap(message, rules.daily_cap)
    if message.state == State.QUEUED and message.send_at <= now:
        publish(MessageQueued(message_id=message.id, urgent=message.urgent))
        if message.urgent:
            transaction.on_commit(lambda: _nudge_urgent(message.id))
    return message


def send_batch(*, template: str, recipients: Sequence[Recipient], legal_entity_id: UUID | None, actor: Actor, now: dt.datetime) -> int:
    """Queue many messages of one template, never urgent; returns how many are new. The sweep sends them in bounded portions, so a single
    message or a code never waits for them. The daily number per phone is looked at when each is sent.

    Raises `selectors.NoSuchTemplate`, `VariableMissing`.
    """
    chosen, given = selectors.template_of(template, legal_entity_id), _given(legal_entity_id)
    same = _of_all(chosen, legal_entity_id, rules=_rules(legal_entity_id, now), now=now)
    queued = 0
    for start in range(0, len(recipients), _BATCH):
        batch = {one.dedupe_key: one for one in recipients[start : start + _BATCH]}
        known = set(Message.objects.filter(any_of("dedupe_key", batch, TextField())).values_list("dedupe_key", flat=True))
        rows = [_of_one(chosen, one, given=given) for key, one in batch.items() if key not in known]
        with transaction.atomic():
            queued += len(insert_rows(Message, rows, same=same))
    return queued


def _of_all(chosen: Template, legal_entity_id: UUID | None, *, rules: _Rules | None, now: dt.datetime) -> dict[str, Any]:
    """What the rows of all messages of one template and moment have in common; without rules they are urgent."""
    send_at = now if rules is None else rules.send_time(now)
    return {
        "state": State.QUEUED,
        "template_code": chosen.code,
        "channel": chosen.channel,
        "legal_entity_id": legal_entity_id,
        "urgent": rules is None,
        "queued_at": now,
        "send_at": send_at,
        "send_day": clock.local_date(send_at),
        "expires_at": now + dt.timedelta(minutes=chosen.valid_minutes) if chosen.valid_minutes else None,
        "attempts": 0,
        "provider_ref": "",
        "reason": "",
    }


def _of_one(chosen: Template, recipient: Recipient, *, given: Mapping[str, Any]) -> dict[str, Any]:
    """What is a message's own."""
    return {
        "id": new_id(),
        "person_ref": recipient.person_ref,
        "phone": recipient.phone,
        "phone_hash": crypto.blind_index(recipient.phone, purpose="phone"),
        "masked_phone": privacy.mask_phone(recipient.phone),
        "text": _text(chosen, {**given, **recipient.variables}),
        "dedupe_key": recipient.dedupe_key,
    }


def _given(legal_entity_id: UUID | None) -> dict[str, str]:
    """What every text may name without being told: the lender and its telephone."""
    if legal_entity_id is None:
        return {"lender": "车贷通", "service_phone": ""}
    entity = organisations.entity(legal_entity_id)
    return {"lender": entity.short_name, "service_phone": entity.phone}


def _text(chosen: Template, variables: Mapping[str, Any]) -> str:
    try:
        return fill(chosen.text, variables)
    except KeyError as error:
        raise VariableMissing(
            _("The template “%(code)s” needs the variable %(name)s.") % {"code": chosen.code, "name": error.args[0]}
        ) from None


def _hold_to_cap(message: Message, cap: int) -> None:
    if _sent_on_day(message) >= cap:
        message.suppress()
        message.reason = "daily_cap"
        message.save_course()


def _sent_on_day(message: Message) -> int:
    """Ordinary messages to the same phone that count for the same day, this one apart."""
    others = Message.objects.filter(phone_hash=message.phone_hash, send_day=message.send_day, urgent=False).exclude(id=message.id)
    return others.exclude(state__in=[State.SUPPRESSED, State.FAILED]).count()


def _nudge_urgent(message_id: UUID) -> None:
    from apps.messaging.tasks import deliver_urgent

    try:
        deliver_urgent.delay(str(message_id))
    except Exception as error:  # noqa: BLE001  (the broker may be away; the outbox delivers)
        log.warning("urgent_nudge_failed", error=str(error))


def deliver_message(*, message_id: UUID, now: dt.datetime) -> str:
    """Hand one message to the provider and note what became of it; returns the state afterwards. Not inside a transaction.

    Safe to repeat and to run twice at once: only one caller takes the message, and the provider knows a repetition by its id.
    """
    taken = _take(message_id, now)
    if taken is None:
        return str(_unread(message_id).state)
    try:
        provider_ref = sms().send(message_id=taken.id, phone=taken.phone, text=taken.text)
    except GatewayRefused as refusal:
        return _note(message_id, "fail", now, reason=f"{refusal.code}: {refusal.message}")
    except GatewayUnavailable as error:
        return _note(message_id, "give_back", now, reason=str(error))
    except GatewayUnknown as error:
        return _note(message_id, "lose", now, reason=str(error))
    return _note(message_id, "accept", now, provider_ref=provider_ref)


@transaction.atomic
def _take(message_id: UUID, now: dt.datetime) -> Message | None:
    """The message, marked as being sent; None when it is not its time, another worker has it, or it must not go out any more."""
    message = Message.objects.select_for_update(skip_locked=True).filter(id=message_id, state__in=[State.QUEUED, State.UNKNOWN]).first()
    if message is None or message.send_at > now + CLOCK_TOLERANCE or _is_held_overnight(message, now):
        return None
    if message.state == State.QUEUED and _must_not_go(message, now):
        return None
    message.start()
    message.attempts += 1
    message.tried_at = now
    message.save_course()
    taken: Message = message
    return taken


def _is_held_overnight(message: Message, now: dt.datetime) -> bool:
    """Whether an ordinary message fell due by day, but its turn comes in the quiet hours: then it waits, and counts, for their end."""
    if message.urgent:
        return False
    allowed = _rules(message.legal_entity_id, now).send_time(now)
    if allowed <= now:
        return False
    message.send_at, message.send_day = allowed, clock.local_date(allowed)
    message.save_course()
    return True


def _must_not_go(message: Message, now: dt.datetime) -> bool:
    """Too late, or, for a batch's message on its turn, beyond the daily number."""
    reason = ""
    if message.expires_at is not None and message.expires_at < now:
        reason = "too_late"
    elif not message.urgent and message.attempts == 0 and _earlier_on_day(message) >= _rules(message.legal_entity_id, now).daily_cap:
        reason = "daily_cap"
    if reason:
        message.suppress()
        message.reason = reason
        message.save_course()
    return bool(reason)


def _earlier_on_day(message: Message) -> int:
    others = Message.objects.filter(phone_hash=message.phone_hash, send_day=message.send_day, urgent=False, id__lt=message.id)
    return others.exclude(state__in=[State.SUPPRESSED, State.FAILED]).count()


@transaction.atomic
def _note(message_id: UUID, deed: str, now: dt.datetime, *, provider_ref: str = "", reason: str = "") -> str:
    """Write down the result. A delivery report may have been faster than the provider's answer: then it stands."""
    message = _unread(message_id, lock=True)
    if message.state != State.SUBMITTING:
        return str(message.state)
    if deed in ("give_back", "lose") and message.attempts >= MAX_ATTEMPTS:
        deed, reason = "fail", f"attempts: {reason}"
    getattr(message, deed)()
    message.reason = reason[:200]
    if deed == "accept":
        message.sent_at, message.provider_ref = now, provider_ref[:64]
    elif deed in ("give_back", "lose"):
        message.send_at = now + RETRY_AFTER * message.attempts
    message.save_course()
    return str(message.state)


@transaction.atomic
def _note_defect(message_id: UUID, now: dt.datetime, error: Exception) -> str:
    """One try more of a message that cannot be handed over for a reason of ours, such as a number that cannot be decrypted."""
    message = _unread(message_id, lock=True)
    deed = "give_back" if message.state == State.QUEUED else "lose"
    if message.state in (State.QUEUED, State.UNKNOWN):
        message.start()
        message.attempts += 1
        message.tried_at = now
        message.save_course()
    return _note(message_id, deed, now, reason=f"defect: {type(error).__name__}")


def _unread(message_id: UUID, *, lock: bool = False) -> Message:
    """The message without what lies encrypted: to be had also when its key is missing."""
    rows = Message.objects.select_for_update() if lock else Message.objects.all()
    message: Message = rows.defer("phone", "text").get(id=message_id)
    return message


def sweep_messages(*, now: dt.datetime, limit: int = SWEEP_LIMIT) -> dict[str, int]:
    """Send what waits and is due (held over night, batches, tried in vain), at most `limit`, urgent ones first; and call unknown what a
    dead worker left behind. One that cannot be sent does not stop the others. Returns counts by resulting state."""
    counts: dict[str, int] = {"abandoned": _release_abandoned(now)}
    due = Message.objects.filter(Q(state=State.QUEUED) | Q(state=State.UNKNOWN), send_at__lte=now)
    for message_id in due.order_by("-urgent", "send_at", "id").values_list("id", flat=True)[:limit]:
        try:
            state = deliver_message(message_id=message_id, now=now)
        except Exception as error:  # whatever is wrong with one message, the others wait for this sweep
            log.exception("message_defect", message_id=str(message_id), error=type(error).__name__)
            state = _note_defect(message_id, now, error)
        counts[state] = counts.get(state, 0) + 1
    return counts


@transaction.atomic
def _release_abandoned(now: dt.datetime) -> int:
    released = 0
    rows = Message.objects.select_for_update(skip_locked=True).filter(state=State.SUBMITTING, tried_at__lt=now - LEASE)
    for message in rows.defer("phone", "text"):
        message.lose()
        message.reason, message.send_at = "abandoned", now
        message.save_course()
        released += 1
    return released


@transaction.atomic
def record_receipt(*, message_id: UUID, status: str, reason: str = "", now: dt.datetime) -> str:
    """Note a delivery report: `delivered`, `failed`, or anything in between. Returns `applied`, `duplicate`, `progress`,
    `contradiction` (failed after delivered) or `unknown_order`."""
    message = Message.objects.select_for_update().filter(id=message_id).first()
    if message is None:
        return "unknown_order"
    if status not in (State.DELIVERED, State.FAILED):
        return "progress"
    if message.state == status:
        return "duplicate"
    if message.state in (State.DELIVERED, State.FAILED, State.SUPPRESSED, State.QUEUED):
        return "contradiction"
    if message.state == State.SUBMITTING:
        message.accept()
        message.sent_at = now
        message.save_course()
    Receipt.objects.create(message=message, at=now, status=status, reason=reason[:200])
    if status == State.DELIVERED:
        message.deliver()
        message.delivered_at = now
    else:
        message.fail()
        message.reason = reason[:200]
    message.save_course()
    return "applied"


@transaction.atomic
def set_template(
    *, code: str, text: str, legal_entity_id: UUID | None, urgent: bool = False, valid_minutes: int | None = None, actor: Actor
) -> MessageTemplate:
    """Put an own text in the place of the shipped one. It may use only the places of the shipped text, and `lender`, `service_phone`.
    Staff of a lender set their own lender's texts; those for all lenders belong to operators of the whole system.

    Raises `BadTemplate`, `selectors.NoSuchTemplate`, `NotPermitted`.
    """
    actor.require("messaging.edit")
    require_entity(actor, legal_entity_id)
    shipped = selectors.shipped_templates().get(code)
    if shipped is None:
        raise selectors.NoSuchTemplate(code=code)
    try:
        strange = places_of(text) - places_of(shipped.text) - {"lender", "service_phone"}
    except ValueError as error:
        raise BadTemplate(str(error)) from error
    if strange:
        raise BadTemplate(_("These variables do not come with this message: %(names)s.") % {"names": ", ".join(sorted(strange))})
    row, _created = MessageTemplate.objects.update_or_create(
        code=code, channel="sms", legal_entity_id=legal_entity_id, defaults={"text": text, "urgent": urgent, "valid_minutes": valid_minutes}
    )
    saved: MessageTemplate = row
    return saved
