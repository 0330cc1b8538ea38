"""Who may enter the portal: people of dealers, signed in with their second factor."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse

from apps.common import clock
from apps.common.actors import Actor
from apps.common.errors import NotPermitted


class DealerRequest(HttpRequest):
    """A request of a dealer's person: what services want from the edge."""

    actor: Actor
    now: dt.datetime


def dealer_page(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """View decorator: sends others to the log-in, and gives the view `request.actor` and `request.now`."""

    @wraps(view)
    def wrapper(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        user = request.user
        if not user.is_authenticated or not user.is_verified():  # type: ignore[union-attr]
            return redirect_to_login(request.get_full_path())
        if not user.can("portal.use"):  # type: ignore[union-attr]
            raise NotPermitted
        request.actor, request.now = Actor.of(user), clock.now()  # type: ignore[attr-defined]
        return view(request, *args, **kwargs)

    return wrapper
