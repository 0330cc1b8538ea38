"""People who sign in, their roles and second factors."""

from __future__ import annotations

import base64
import datetime as dt
import secrets
from dataclasses import dataclass, field
from uuid import UUID

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django_otp.plugins.otp_totp.models import TOTPDevice

from apps.common.actors import Actor
from apps.common.errors import BadInput, NotFound, NotPermitted
from apps.organisations.domain import ROLES_OF_KIND, SCOPES_OF_KIND
from apps.organisations.models import SecondFactorEnrolment, User
from apps.organisations.services.access import CodeTaken, require_entity

TOTP_KEY_BYTES = 20


class RoleNotForKind(BadInput):
    """A role does not exist, or people of this kind cannot hold it."""

    code = "role_not_for_kind"
    title = gettext_lazy("This role does not exist or is not for this kind of user.")


class ScopeNotForKind(BadInput):
    """A data scope does not exist, is not for people of this kind, or does not say whose rows it means."""

    code = "scope_not_for_kind"
    title = gettext_lazy("This user cannot see the rows of such an owner.")


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


@dataclass(frozen=True)
class TotpEnrolment:
    """What a person needs to set up an authenticator; shown once, never logged."""

    key_hex: str = field(repr=False)
    secret_base32: str = field(repr=False)
    otpauth_url: str = field(repr=False)


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

    Raises `RoleNotForKind`, `ScopeNotForKind`, `WeakPassword`, `CodeTaken`, `BadSecretKey`.
    """
    if kind not in ROLES_OF_KIND:
        raise RoleNotForKind
    if kind in _CREATE_PERMISSION:
        actor.require(_CREATE_PERMISSION[kind])
        require_entity(actor, legal_entity_id)
    unknown = sorted(set(roles) - ROLES_OF_KIND[kind])
    if unknown:
        raise RoleNotForKind(roles=", ".join(unknown), kind=kind)
    if scope_kind not in SCOPES_OF_KIND[kind] or bool(scope_kind) != bool(scope_ref):
        raise ScopeNotForKind(kind=kind, scope_kind=scope_kind)
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
        _enrol(user, totp_key, actor, now)
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
    """A new second factor for a user, in place of the old one; a random key unless one is given. Who gave it, and when, is recorded.

    Raises `BadSecretKey`, `UserUnknown`.
    """
    return _enrol(_lock_user(user_id, actor), key_hex, actor, now)


def _enrol(user: User, key_hex: str | None, actor: Actor, now: dt.datetime) -> TotpEnrolment:
    key_hex = (key_hex or secrets.token_hex(TOTP_KEY_BYTES)).lower()
    try:
        key = bytes.fromhex(key_hex)
    except ValueError:
        raise BadSecretKey from None
    if len(key) != TOTP_KEY_BYTES:
        raise BadSecretKey
    dropped, _per_model = TOTPDevice.objects.filter(user=user).delete()
    SecondFactorEnrolment.objects.create(user=user, at=now, actor=str(actor), actor_ref=actor.user_id, replaced=dropped > 0)
    device = TOTPDevice.objects.create(user=user, name="totp", key=key_hex, confirmed=True)
    return TotpEnrolment(key_hex=key_hex, secret_base32=base64.b32encode(key).decode(), otpauth_url=device.config_url)
