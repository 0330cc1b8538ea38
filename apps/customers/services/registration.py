"""Signing in by phone and SMS code; the first time registers."""

from __future__ import annotations

import datetime as dt
import hmac
import secrets
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _
from rest_framework_simplejwt.token_blacklist.models import OutstandingToken
from rest_framework_simplejwt.tokens import RefreshToken

from apps.common.actors import Actor
from apps.common.crypto import blind_index
from apps.common.errors import BadInput, CarloanError, NotPermitted, TooMany
from apps.common.models import new_id
from apps.common.outbox import publish
from apps.common.privacy import mask_phone
from apps.common.purge import days_ago
from apps.customers.domain import (
    CODE_DIGITS,
    CODE_LIFETIME,
    CODE_MAX_ATTEMPTS,
    CODE_MIN_INTERVAL,
    CODES_PER_IP_AN_HOUR,
    CODES_PER_PHONE_A_DAY,
    CODES_PER_PHONE_AN_HOUR,
    parse_phone,
)
from apps.customers.events import CustomerRegistered
from apps.customers.models import Customer, LoginCode, LoginRecord
from apps.customers.services.access import parsed
from apps.messaging import services as messaging
from apps.organisations import services as organisations

REGISTRATION = Actor.system("customers.registration")


class CodeTooSoon(TooMany):
    """A code was sent less than a minute ago, or too many were sent."""

    code = "login_code_too_soon"
    title = _("A code was sent already. Please wait before asking for another one.")


class CodeWrong(BadInput):
    """Not the code that was sent."""

    code = "login_code_wrong"
    title = _("The code is wrong. Please check the SMS.")


class CodeExpired(BadInput):
    """No code is waiting: never sent, older than five minutes, used, or tried too often."""

    code = "login_code_expired"
    title = _("The code is no longer valid. Please ask for a new one.")


class SignInRefused(NotPermitted):
    """The person's account is switched off."""

    code = "sign_in_refused"
    title = _("This account cannot sign in. Please call the service line.")


@dataclass(frozen=True)
class CodeSent:
    """How long the code is valid and when another one may be asked for, in seconds."""

    expires_in_s: int
    resend_after_s: int


@dataclass(frozen=True)
class SignedIn:
    """Tokens of a customer; `registered` is true the first time."""

    customer_id: UUID
    access: str
    refresh: str
    registered: bool


@transaction.atomic
def request_login_code(*, phone: str, legal_entity_id: UUID, ip: str | None, actor: Actor, now: dt.datetime) -> CodeSent:
    """Send a code of six digits by SMS. Raises `PersonalDataInvalid`, `CodeTooSoon`."""
    number = parsed("phone", lambda: parse_phone(phone))
    phone_hash = blind_index(number, purpose="phone")
    _one_at_a_time(phone_hash)
    _within_limits(phone_hash, ip, now)
    code = f"{secrets.randbelow(10**CODE_DIGITS):0{CODE_DIGITS}d}"
    row_id = new_id()
    LoginCode.objects.create(
        id=row_id, created_at=now, phone_hash=phone_hash, code_hash=_code_hash(row_id, code), ip=ip, expires_at=now + CODE_LIFETIME
    )
    messaging.send(
        template="login_code",
        phone=number,
        variables={"code": code, "minutes": int(CODE_LIFETIME.total_seconds()) // 60},
        legal_entity_id=legal_entity_id,
        urgent=True,
        dedupe_key=f"login_code:{row_id}",
        actor=actor,
        now=now,
    )
    return CodeSent(int(CODE_LIFETIME.total_seconds()), int(CODE_MIN_INTERVAL.total_seconds()))


def sign_in(
    *,
    phone: str,
    code: str,
    legal_entity_id: UUID,
    device_id: str,
    now: dt.datetime,
    device_name: str = "",
    ip: str | None = None,
    place: str = "",
) -> SignedIn:
    """Exchange a code for tokens, registering the person the first time. A wrong code counts even though it is refused.

    Raises `PersonalDataInvalid`, `CodeWrong`, `CodeExpired`, `SignInRefused`.
    """
    number = parsed("phone", lambda: parse_phone(phone))
    phone_hash = blind_index(number, purpose="phone")
    with transaction.atomic():
        _one_at_a_time(phone_hash)
        refusal = _use_code(phone_hash, code, now)
        if refusal is None:
            row, registered = _enter(number, phone_hash, legal_entity_id, now)
            LoginRecord.objects.create(
                customer=row,
                at=now,
                device_hash=blind_index(device_id, purpose="device") if device_id else "",
                device_name=device_name,
                ip=ip,
                place=place,
            )
            user: Any = row.user
            token = RefreshToken.for_user(user)
    if refusal is not None:
        raise refusal
    return SignedIn(row.id, str(token.access_token), str(token), registered)


def _one_at_a_time(phone_hash: str) -> None:
    """Parallel requests of one phone wait for each other, also before any row exists to lock."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"login:{phone_hash}"])


def _within_limits(phone_hash: str, ip: str | None, now: dt.datetime) -> None:
    hour, day = now - dt.timedelta(hours=1), now - dt.timedelta(days=1)
    mine = LoginCode.objects.filter(phone_hash=phone_hash, created_at__lte=now)
    last = mine.order_by("-created_at").first()
    if last is not None and now - last.created_at < CODE_MIN_INTERVAL:
        wait = int((last.created_at + CODE_MIN_INTERVAL - now).total_seconds()) + 1
        raise CodeTooSoon(retry_after_s=wait)
    too_many = (
        mine.filter(created_at__gt=hour).count() >= CODES_PER_PHONE_AN_HOUR
        or mine.filter(created_at__gt=day).count() >= CODES_PER_PHONE_A_DAY
        or (ip is not None and LoginCode.objects.filter(ip=ip, created_at__gt=hour).count() >= CODES_PER_IP_AN_HOUR)
    )
    if too_many:
        raise CodeTooSoon(retry_after_s=3600)


def _use_code(phone_hash: str, code: str, now: dt.datetime) -> CarloanError | None:
    """Use the last code sent to a phone; returns the refusal instead of raising it, so that the attempt is kept."""
    row = LoginCode.objects.select_for_update().filter(phone_hash=phone_hash).order_by("-created_at").first()
    if row is None or row.used_at is not None or row.expires_at <= now or row.attempts >= CODE_MAX_ATTEMPTS:
        return CodeExpired()
    row.attempts += 1
    right = hmac.compare_digest(row.code_hash, _code_hash(row.id, code))
    if right:
        row.used_at = now
    row.save(update_fields=["attempts", "used_at"])
    return None if right else CodeWrong(attempts_left=CODE_MAX_ATTEMPTS - row.attempts)


def _code_hash(row_id: UUID, code: str) -> str:
    return blind_index(code, purpose=f"login_code:{row_id}")


def _enter(number: str, phone_hash: str, legal_entity_id: UUID, now: dt.datetime) -> tuple[Customer, bool]:
    """The person behind a proved phone, and whether this is the first time."""
    row: Customer | None = (
        Customer.objects.select_for_update(of=("self",))
        .select_related("user")
        .filter(legal_entity_id=legal_entity_id, phone_hash=phone_hash)
        .exclude(state=Customer.State.CLOSED)
        .first()
    )
    if row is not None:
        if row.user is None or not row.user.is_active:
            raise SignInRefused
        return row, False
    row = Customer(id=new_id(), legal_entity_id=legal_entity_id, phone=number, phone_hash=phone_hash, masked_phone=mask_phone(number))
    row.user = _user_for(row, now)
    row.save(force_insert=True)
    publish(CustomerRegistered(customer_id=row.id, legal_entity_id=legal_entity_id))
    return row, True


def _user_for(row: Customer, now: dt.datetime) -> Any:
    return organisations.create_user(
        username=f"c-{row.id}",
        password=None,
        kind="customer",
        roles=["customer"],
        legal_entity_id=row.legal_entity_id,
        display_name=row.masked_phone,
        scope_kind="customer",
        scope_ref=row.id,
        actor=REGISTRATION,
        now=now,
    )


def expired_login_codes(now: dt.datetime) -> QuerySet[LoginCode]:
    """Codes that neither open anything nor count for a limit any more; they hold network addresses."""
    return LoginCode.objects.filter(expires_at__lt=days_ago("login_codes", now))


def expired_tokens(now: dt.datetime) -> QuerySet[OutstandingToken]:
    """Refresh tokens past their end, which is of the wall clock."""
    return OutstandingToken.objects.filter(expires_at__lt=Now())
