"""Results that outside parties send to us: verify, apply once through the owning context, record, answer.

The nonce of a callback is kept together with what it did, in one transaction: when that fails, the same bytes may come again. A callback
that is repeated because our answer was lost is told what the first was told, and does nothing.

The answer steers the sender's repetition: 200 ends it (applied, or known already), 404 asks for it (the order is not recorded yet),
422 is a definite no (unreadable, wrong amount, contradiction: nothing is changed and staff see it), 401 means the signature does not stand,
or its nonce was used for other bytes.
"""

from __future__ import annotations

import datetime as dt
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import structlog
from django.db import transaction
from prometheus_client import Counter

from apps.common.actors import Actor
from apps.common.audit import recorded_as
from apps.common.errors import NotFound
from apps.common.gateways import GatewayUnknown, gateway
from apps.common.models import GatewayCall
from apps.customers import services as customers
from apps.disbursement import services as disbursement
from apps.integrations.models import CallbackNonce
from apps.integrations.notices import BankNotice, CallbackReader, IdentityNotice, Notice, SmsNotice
from apps.integrations.redaction import fingerprint, redacted
from apps.integrations.signatures import MAX_AGE_S, Headers, SignatureRefused
from apps.messaging import services as messaging

log = structlog.get_logger(__name__)
_RECEIVED = Counter("carloan_callbacks_total", "Callbacks of outside parties.", ["party", "outcome"])
_STATUS = {"applied": 200, "duplicate": 200, "progress": 200, "superseded": 200, "unknown_order": 404}
REFUSED_STATUS = 422
REPLAYED_STATUS = 401
PURGED_AT_ONCE = 100


@dataclass(frozen=True)
class Deed:
    """What a notice leads to: `reference` is our own number of the order, check or message; `operation` what it is about."""

    operation: str
    reference: str
    apply: Callable[[dt.datetime], str]


def receive(*, party: str, path: str, body: bytes, headers: Headers, now: dt.datetime) -> tuple[int, str]:
    """Take one callback; the HTTP status to answer, and the outcome in a word."""
    started = time.monotonic()
    reader = cast(CallbackReader, gateway(party))
    try:
        nonce = reader.check_callback(path=path, body=body, headers=headers)
    except SignatureRefused as error:
        # Not recorded in the database: strangers shall not fill it.
        _RECEIVED.labels(party, error.code).inc()
        log.warning("callback_not_trusted", party=party, reason=error.code)
        return 401, error.code
    operation, reference, outcome = "callback", "", "defect"
    try:
        _forget_stale_nonces()
        try:
            deed = _deed(reader.read_callback(body))
        except (GatewayUnknown, KeyError, ValueError, TypeError):
            outcome = "unreadable"
            return REFUSED_STATUS, outcome
        operation, reference = deed.operation, deed.reference
        with recorded_as(Actor.system(f"integrations.{party}"), reason="callback", reference=reference):
            first, told = _apply_once(party, nonce, fingerprint(body)["sha256"], deed, now)
        outcome = told if first else "replayed"
        return _STATUS.get(told, REPLAYED_STATUS if told == "replayed" else REFUSED_STATUS), told
    finally:
        _RECEIVED.labels(party, outcome).inc()
        _record(party, operation, reference, outcome, body, nonce, round((time.monotonic() - started) * 1000))


@transaction.atomic
def _apply_once(party: str, nonce: str, digest: str, deed: Deed, now: dt.datetime) -> tuple[bool, str]:
    """Do the deed unless its nonce did it before; whether this was the first time, and the outcome to tell.

    Of two that come at once, the second waits here for the first. An order that is not recorded yet leaves no nonce: the sender shall ask
    again.
    """
    seen, is_new = CallbackNonce.objects.get_or_create(party=party, nonce=nonce, defaults={"digest": digest})
    if not is_new:
        return False, seen.outcome if seen.digest == digest else "replayed"
    outcome = deed.apply(now)
    if outcome == "unknown_order":
        seen.delete()
    else:
        seen.outcome = outcome
        seen.save(update_fields=["outcome"])
    return True, outcome


@transaction.atomic
def _forget_stale_nonces() -> None:
    stale = CallbackNonce.objects.filter(seen_at__lt=dt.datetime.now(dt.UTC) - dt.timedelta(seconds=2 * MAX_AGE_S))
    old = list(stale.select_for_update(skip_locked=True).values_list("id", flat=True)[:PURGED_AT_ONCE])
    if old:
        CallbackNonce.objects.filter(id__in=old).delete()


def _deed(notice: Notice) -> Deed:
    match notice:
        case BankNotice():
            return _bank_deed(notice)
        case IdentityNotice():
            return _identity_deed(notice)
        case SmsNotice():
            return _sms_deed(notice)


def _record(party: str, operation: str, reference: str, outcome: str, body: bytes, nonce: str, milliseconds: int) -> None:
    try:
        fields = redacted(json.loads(body))
    except ValueError:
        fields = None
    GatewayCall.objects.create(
        gateway=party,
        direction=GatewayCall.Direction.IN,
        operation=operation,
        reference=reference[:128],
        outcome=outcome,
        request={"fields": fields, "nonce": nonce, **fingerprint(body)},
        milliseconds=milliseconds,
    )
    log.info("gateway_callback", party=party, operation=operation, reference=reference, outcome=outcome, ms=milliseconds)


def _bank_deed(notice: BankNotice) -> Deed:
    record = {"transfer": disbursement.record_transfer_result, "debit": disbursement.record_debit_result}[notice.operation]
    answer = notice.answer

    def apply(now: dt.datetime) -> str:
        verdict = record(
            order_no=answer.order_no, outcome=answer.outcome, amount=answer.amount, bank_ref=answer.bank_ref, reason=answer.reason, now=now
        )
        return "applied" if verdict == "apply" else verdict

    return Deed(f"{notice.operation}_result", answer.order_no, apply)


def _identity_deed(notice: IdentityNotice) -> Deed:
    answer = notice.answer

    def apply(now: dt.datetime) -> str:
        if answer.outcome == "accepted":
            return "progress"
        try:
            check = customers.record_identity_result(
                check_id=notice.check_id,
                outcome=answer.outcome,
                score=answer.score,
                raw=answer.raw,
                provider=answer.provider,
                reason=answer.reason,
                now=now,
            )
        except NotFound:
            return "unknown_order"
        if check.finished_at == now:
            return "applied"
        return "duplicate" if check.state == answer.outcome else "superseded"

    return Deed("liveness_result", str(notice.check_id), apply)


def _sms_deed(notice: SmsNotice) -> Deed:
    def apply(now: dt.datetime) -> str:
        return messaging.record_receipt(message_id=notice.message_id, status=notice.status, reason=notice.reason, now=now)

    return Deed("receipt", str(notice.message_id), apply)


# Parties that report later; each one's adapter reads its callbacks.
PARTIES = ("bank", "identity", "sms")
