"""Deeds on legal entities, people, second factors, parameters and the first business day."""

from __future__ import annotations

import base64
import datetime as dt
import json
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django_otp.plugins.otp_totp.models import TOTPDevice

from apps.common.actors import Actor
from apps.common.errors import BadInput, Conflict, NotFound, NotPermitted
from apps.organisations.domain import ROLES_OF_KIND, parameter_value
from apps.organisations.models import Branch, BusinessDay, LegalEntity, Parameter, User

SHIPPED_PARAMETERS = Path(__file__).parent / "data" / "parameters.json"
TOTP_KEY_BYTES = 20


class CodeTaken(Conflict):
    """A code or user name is in use."""

    code = "code_taken"
    title = gettext_lazy("This code or user name is taken. Choose another one.")


class RoleNotForKind(BadInput):
    """A role does not exist, or people of this kind cannot hold it."""

    code = "role_not_for_kind"
    title = gettext_lazy("This role does not exist or is not for this kind of user.")


class WeakPassword(BadInput):
    """The password is too easy."""

    code = "weak_password"


class UserUnknown(NotFound):
    """There is no such user in the actor's view."""

    code = "user_unknown"
    title = gettext_lazy("There is no such user.")


class BadSecretKey(BadInput):
    """A one-time code key is not 20 bytes in hexadecimal."""

    code = "bad_secret_key"
    title = gettext_lazy("The key of a second factor is 40 hexadecimal digits.")


class BusinessDayOpen(Conflict):
    """The entity has a business day already."""

    code = "business_day_open"
    title = gettext_lazy("The legal entity has a business day already. The end of day opens the next ones.")


class BadParameter(BadInput):
    """A parameter's value, kind or validity is not acceptable."""

    code = "bad_parameter"
    title = gettext_lazy("The value does not suit the parameter.")


@dataclass(frozen=True)
class TotpEnrolment:
    """What a person needs to set up an authenticator; shown once, never logged."""

    key_hex: str
    secret_base32: str
    otpauth_url: str


def _require_operator(actor: Actor) -> None:
    """Deeds across legal entities belong to operators of the whole system."""
    if actor.data_scope.kind != "all":
        raise NotPermitted


def _require_entity(actor: Actor, legal_entity_id: UUID | None) -> None:
    if actor.data_scope.kind != "all" and (legal_entity_id is None or actor.data_scope.owner_id != legal_entity_id):
        raise NotPermitted


@transaction.atomic
def create_legal_entity(
    *,
    code: str,
    name: str,
    short_name: str,
    actor: Actor,
    now: dt.datetime,
    uscc: str = "",
    lender_type: str = LegalEntity.LenderType.LICENSED,
    address: str = "",
    phone: str = "",
) -> LegalEntity:
    """A new lender. Raises `CodeTaken`."""
    _require_operator(actor)
    if lender_type not in LegalEntity.LenderType.values:
        raise BadInput(fields={"lender_type": [_("Choose one of the lender types.")]})
    if LegalEntity.objects.filter(code=code).exists():
        raise CodeTaken(code=code)
    return LegalEntity.objects.create(
        code=code, name=name, short_name=short_name, uscc=uscc, lender_type=lender_type, address=address, phone=phone
    )


@transaction.atomic
def create_branch(*, legal_entity_id: UUID, code: str, name: str, actor: Actor, now: dt.datetime, city: str = "") -> Branch:
    """A new branch of a legal entity. Raises `CodeTaken`."""
    actor.require("organisations.edit")
    _require_entity(actor, legal_entity_id)
    if Branch.objects.filter(legal_entity_id=legal_entity_id, code=code).exists():
        raise CodeTaken(code=code)
    return Branch.objects.create(legal_entity_id=legal_entity_id, code=code, name=name, city=city)


# Who may create people of a kind; customers register by themselves.
_CREATE_PERMISSION = {"staff": "organisations.edit", "client": "organisations.edit", "dealer": "dealers.edit"}


@transaction.atomic
def create_user(
    *,
    username: str,
    password: str | None,
    kind: str,
    roles: list[str],
    legal_entity_id: UUID | None,
    display_name: str,
    actor: Actor,
    now: dt.datetime,
    scope_kind: str = "",
    scope_ref: UUID | None = None,
    branch_id: UUID | None = None,
    totp_key: str | None = None,
) -> User:
    """Somebody who may sign in; `totp_key` (40 hexadecimal digits) enrols a second factor at once.

    Raises `RoleNotForKind`, `WeakPassword`, `CodeTaken`, `BadSecretKey`.
    """
    if kind not in ROLES_OF_KIND:
        raise RoleNotForKind
    if kind in _CREATE_PERMISSION:
        actor.require(_CREATE_PERMISSION[kind])
        _require_entity(actor, legal_entity_id)
    unknown = sorted(set(roles) - ROLES_OF_KIND[kind])
    if unknown:
        raise RoleNotForKind(roles=", ".join(unknown), kind=kind)
    if User.objects.filter(username=username).exists():
        raise CodeTaken(username=username)
    user = User(
        username=username,
        kind=kind,
        roles=sorted(set(roles)),
        legal_entity_id=legal_entity_id,
        branch_id=branch_id,
        display_name=display_name,
        scope_kind=scope_kind,
        scope_ref=scope_ref,
    )
    _set_password(user, password)
    user.save()
    if totp_key is not None:
        _enrol(user, totp_key)
    return user


def _set_password(user: User, password: str | None) -> None:
    if password is not None:
        try:
            validate_password(password, user)
        except ValidationError as error:
            raise WeakPassword(" ".join(error.messages)) from None
    user.set_password(password)


def _lock_user(user_id: UUID, actor: Actor) -> User:
    """The user for changing by a colleague with the right to; raises `UserUnknown` outside the actor's view."""
    user: User | None = User.objects.within(actor.data_scope).select_for_update().filter(id=user_id).first()
    if user is None:
        raise UserUnknown
    if actor.user_id != user.id and user.kind in _CREATE_PERMISSION:
        actor.require(_CREATE_PERMISSION[user.kind])
    return user


@transaction.atomic
def change_roles(*, user_id: UUID, roles: list[str], actor: Actor, now: dt.datetime) -> User:
    """Give a user other roles. Nobody changes their own. Raises `RoleNotForKind`, `UserUnknown`."""
    user = _lock_user(user_id, actor)
    if actor.user_id == user.id:
        raise NotPermitted(_("Somebody else has to change your roles."))
    unknown = sorted(set(roles) - ROLES_OF_KIND[user.kind])
    if unknown:
        raise RoleNotForKind(roles=", ".join(unknown), kind=user.kind)
    user.roles = sorted(set(roles))
    user.save(update_fields=["roles"])
    return user


@transaction.atomic
def deactivate_user(*, user_id: UUID, actor: Actor, now: dt.datetime) -> User:
    """The user can no longer sign in and sees nothing; open sessions end with the next request."""
    user = _lock_user(user_id, actor)
    user.is_active = False
    user.save(update_fields=["is_active"])
    return user


@transaction.atomic
def enrol_totp(*, user_id: UUID, actor: Actor, now: dt.datetime, key_hex: str | None = None) -> TotpEnrolment:
    """A new second factor for a user, in place of the old one; a random key unless one is given. Raises `BadSecretKey`."""
    return _enrol(_lock_user(user_id, actor), key_hex)


def _enrol(user: User, key_hex: str | None) -> TotpEnrolment:
    key_hex = (key_hex or secrets.token_hex(TOTP_KEY_BYTES)).lower()
    try:
        key = bytes.fromhex(key_hex)
    except ValueError:
        raise BadSecretKey from None
    if len(key) != TOTP_KEY_BYTES:
        raise BadSecretKey
    TOTPDevice.objects.filter(user=user).delete()
    device = TOTPDevice.objects.create(user=user, name="totp", key=key_hex, confirmed=True)
    return TotpEnrolment(key_hex=key_hex, secret_base32=base64.b32encode(key).decode(), otpauth_url=device.config_url)


@transaction.atomic
def open_business_day(entity_id: UUID, day: dt.date) -> BusinessDay:
    """The entity's first business day; `manage.py eod` opens all later ones. Repeating it with the same day changes nothing.

    Raises `BusinessDayOpen`.
    """
    LegalEntity.objects.select_for_update().get(id=entity_id)
    last = BusinessDay.objects.filter(legal_entity_id=entity_id).order_by("-date").first()
    if last is None:
        from apps.common import clock

        return BusinessDay.objects.create(legal_entity_id=entity_id, date=day, opened_at=clock.now())
    if last.date == day and last.state == BusinessDay.State.OPEN:
        return last
    raise BusinessDayOpen


def shipped_parameters() -> list[dict[str, Any]]:
    """The parameters that ship with the project, as their file states them."""
    with SHIPPED_PARAMETERS.open(encoding="utf-8") as file:
        rows: list[dict[str, Any]] = json.load(file)
    return rows


@transaction.atomic
def install_parameters(*, actor: Actor, now: dt.datetime) -> int:
    """Add the shipped parameters that are missing; returns how many were added. What staff have changed stays as it is."""
    _require_operator(actor)
    present = set(Parameter.objects.filter(legal_entity=None, product_code="").values_list("code", "effective_from"))
    new = []
    for row in shipped_parameters():
        effective_from = dt.date.fromisoformat(row["from"])
        if (row["code"], effective_from) in present:
            continue
        parameter_value(row["kind"], row["value"])
        new.append(
            Parameter(
                code=row["code"],
                kind=row["kind"],
                value=row["value"],
                effective_from=effective_from,
                effective_to=dt.date.fromisoformat(row["to"]) if row.get("to") else None,
                source=row["source"],
                certainty=row["certainty"],
                note=row.get("note", ""),
            )
        )
    Parameter.objects.bulk_create(new)
    return len(new)


@transaction.atomic
def set_parameter(
    *,
    code: str,
    value: Any,
    effective_from: dt.date,
    source: str,
    certainty: str,
    actor: Actor,
    now: dt.datetime,
    legal_entity_id: UUID | None = None,
    product_code: str = "",
    note: str = "",
) -> Parameter:
    """A new value from a day on; the value in force until then ends the day before. Dated rows are never changed otherwise.

    Raises `BadParameter` for a code that is unknown, a value not of its kind, or a day before an existing later row.
    """
    actor.require("organisations.edit")
    if legal_entity_id is None:
        _require_operator(actor)
    else:
        _require_entity(actor, legal_entity_id)
    kind = Parameter.objects.filter(code=code).order_by("created_at").values_list("kind", flat=True).first()
    if kind is None:
        raise BadParameter(_("This parameter is not known."), code=code)
    try:
        parameter_value(kind, value)
    except ValueError as error:
        raise BadParameter(str(error), code=code) from None
    rows = Parameter.objects.select_for_update().filter(code=code, legal_entity_id=legal_entity_id, product_code=product_code)
    if rows.filter(effective_from__gte=effective_from).exists():
        raise BadParameter(_("A value from this day or a later one exists already."), code=code)
    rows.filter(Q(effective_to=None) | Q(effective_to__gte=effective_from)).update(effective_to=effective_from - dt.timedelta(days=1))
    try:
        return Parameter.objects.create(
            code=code,
            legal_entity_id=legal_entity_id,
            product_code=product_code,
            kind=kind,
            value=value,
            effective_from=effective_from,
            source=source,
            certainty=certainty,
            note=note,
        )
    except IntegrityError:
        raise BadParameter(_("Another value was set at the same time. Please look again."), code=code) from None
