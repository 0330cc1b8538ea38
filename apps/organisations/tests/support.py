"""Helpers for tests that sign people in."""

from __future__ import annotations

import time

from django.test import Client
from django_otp import DEVICE_ID_SESSION_KEY
from django_otp.plugins.otp_totp.models import TOTPDevice

from apps.organisations.domain import totp
from apps.organisations.models import User

KEY_HEX = "3132333435363738393031323334353637383930"


def code_now(key_hex: str = KEY_HEX, *, steps_ahead: int = 0) -> str:
    """The code an authenticator shows now; each code signs in once, so a second sign-in takes the next one (`steps_ahead=1`)."""
    return totp(key_hex, int(time.time()) + 30 * steps_ahead)


def sign_in(client: Client, user: User) -> User:
    """A session of a user who has signed in with both factors."""
    device, _ = TOTPDevice.objects.get_or_create(user=user, defaults={"name": "totp", "key": KEY_HEX, "confirmed": True})
    client.force_login(user, backend="apps.organisations.auth.RoleBackend")
    session = client.session
    session[DEVICE_ID_SESSION_KEY] = device.persistent_id
    session.save()
    return user
