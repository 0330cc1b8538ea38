"""Sign-in with password and one-time code, for the back office and the dealer portal alike."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.contrib.auth import authenticate
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.signals import user_login_failed
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext_lazy as _
from django_otp import devices_for_user
from unfold.widgets import BASE_INPUT_CLASSES

from apps.organisations.models import User


class SecondFactorLoginForm(AuthenticationForm):
    """User name, password and the six digits of an authenticator; the page calls `login(request, form.get_user())`.

    One message for every reason, so that nobody learns which part was right. A wrong code counts as a failed attempt like a wrong
    password does: both lead to the lock-out.
    """

    kinds: ClassVar[tuple[str, ...]] = (User.Kind.STAFF, User.Kind.DEALER)
    otp_token = forms.CharField(
        label=_("One-time code"),
        min_length=6,
        max_length=6,
        widget=forms.TextInput(attrs={"autocomplete": "one-time-code", "inputmode": "numeric", "pattern": "[0-9]{6}"}),
    )
    error_messages = {
        "invalid_login": _("User name, password or code is not right. Wait for a new code after each attempt."),
        "inactive": _("This account is inactive."),
    }

    def clean(self) -> dict[str, Any]:
        username, password = self.cleaned_data.get("username"), self.cleaned_data.get("password")
        token = self.cleaned_data.get("otp_token")
        if not (username and password and token):
            return self.cleaned_data
        user = authenticate(self.request, username=username, password=password)
        if user is None:
            raise self.get_invalid_login_error()
        device = self._matching_device(user, token) if isinstance(user, User) and user.kind in self.kinds else None
        if device is None:
            user_login_failed.send(sender=__name__, credentials={"username": username}, request=self.request)
            raise self.get_invalid_login_error()
        self.confirm_login_allowed(user)
        # django-otp marks the session with it when the page calls `login`.
        user.otp_device = device  # type: ignore[attr-defined]
        self.user_cache = user
        return self.cleaned_data

    def get_invalid_login_error(self) -> ValidationError:
        return ValidationError(self.error_messages["invalid_login"], code="invalid_login")

    @staticmethod
    def _matching_device(user: User, token: str) -> Any:
        """The user's device that accepts the code. Locked, so that one code signs in once."""
        with transaction.atomic():
            for device in devices_for_user(user, for_verify=True):
                if device.verify_is_allowed()[0] and device.verify_token(token):
                    return device
        return None


class StaffLoginForm(SecondFactorLoginForm):
    """Sign-in to the back office, in its look."""

    kinds = (User.Kind.STAFF,)

    def __init__(self, request: Any = None, *args: Any, **kwargs: Any) -> None:
        super().__init__(request, *args, **kwargs)
        for field in self.fields.values():
            field.widget.attrs["class"] = " ".join(BASE_INPUT_CLASSES)


class DealerLoginForm(SecondFactorLoginForm):
    """Sign-in to the dealer portal, in its look."""

    kinds = (User.Kind.DEALER,)

    def __init__(self, request: Any = None, *args: Any, **kwargs: Any) -> None:
        super().__init__(request, *args, **kwargs)
        for field in self.fields.values():
            field.widget.attrs["class"] = "input"
