"""Who may enter the portal: people of dealers, signed in with their second factor."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import resolve_url
from django.utils.cache import add_never_cache_headers
from django.utils.functional import SimpleLazyObject
from django.utils.http import url_has_allowed_host_and_scheme
from django_htmx.http import HttpResponseClientRedirect

from apps.common import clock
from apps.common.actors import Actor
from apps.common.errors import NotFound, NotPermitted
from apps.dealers import selectors as dealers


class DealerRequest(HttpRequest):
    """A request of a dealer's person: what services and templates want from the edge. `consultant` is read when first used."""

    actor: Actor
    now: dt.datetime
    consultant: Any
    htmx: Any


def dealer_page(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """View decorator: sends others to the log-in and back here afterwards, and gives the view what `DealerRequest` holds.

    Nothing that a person of a dealer sees is kept by a browser or on the way to it.
    """

    @wraps(view)
    def wrapper(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        user = request.user
        if not user.is_authenticated or not user.is_verified():  # type: ignore[attr-defined]
            return _to_login(request)
        if not user.can("portal.use"):  # type: ignore[union-attr]
            raise NotPermitted
        request.actor, request.now = Actor.of(user), clock.now()  # type: ignore[attr-defined]
        request.consultant = SimpleLazyObject(lambda: _consultant(user.pk))  # type: ignore[attr-defined]
        response = view(request, *args, **kwargs)
        add_never_cache_headers(response)
        return response

    return wrapper


def _consultant(user_id: UUID) -> Any:
    """The person in the shop; None for a log-in that may enter but stands in no shop."""
    try:
        return dealers.consultant_of(user_id)
    except NotFound:
        return None


def _to_login(request: HttpRequest) -> HttpResponse:
    """The log-in, with the way back to the page that the person was looking at (a form's address cannot be opened)."""
    htmx = getattr(request, "htmx", False)
    if request.method == "GET" and not htmx:
        return redirect_to_login(request.get_full_path())
    seen = request.headers.get("HX-Current-URL") or request.headers.get("Referer") or ""
    safe = url_has_allowed_host_and_scheme(seen, {request.get_host()}, require_https=request.is_secure())
    parts = urlsplit(seen)
    back = f"{parts.path}?{parts.query}" if parts.query else parts.path
    login = redirect_to_login(back if safe else resolve_url("portal:orders"))
    return HttpResponseClientRedirect(login.url) if htmx else login  # type: ignore[attr-defined]
