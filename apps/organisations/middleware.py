"""How long a signed-in session lasts."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.signals import user_logged_in
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _

_BEGAN = "session_began_at"
_SEEN = "session_seen_at"
_WRITE_EVERY_S = 60


@receiver(user_logged_in)
def note_beginning(sender: Any, request: HttpRequest, **_: Any) -> None:
    """Sessions begin at sign-in. Wall clock: a moved project clock signs nobody out."""
    if hasattr(request, "session"):
        request.session[_BEGAN] = request.session[_SEEN] = int(time.time())


class SessionLimitMiddleware:
    """Signs people out who were idle too long, or signed in too long ago; `settings.SESSION_LIMITS_S` by kind of user."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.user.is_authenticated:
            self._check(request)
        return self.get_response(request)

    def _check(self, request: HttpRequest) -> None:
        limits = settings.SESSION_LIMITS_S.get(request.user.kind)  # type: ignore[union-attr]
        now = int(time.time())
        began, seen = request.session.get(_BEGAN, now), request.session.get(_SEEN, now)
        if limits is None or now - began > limits["total"] or now - seen > limits["idle"]:
            logout(request)
            messages.info(request, _("Your session has ended. Please sign in again."))
        elif now - seen >= _WRITE_EVERY_S or _SEEN not in request.session:
            request.session[_BEGAN], request.session[_SEEN] = began, now
