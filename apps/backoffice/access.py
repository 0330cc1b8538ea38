"""Who may open a page of the back office: staff with both factors and the page's permission. One door for every view."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from functools import wraps
from typing import Any
from uuid import UUID

import structlog
from django.contrib import admin
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.cache import add_never_cache_headers

from apps.backoffice import navigation
from apps.common import clock
from apps.common.actors import Actor
from apps.common.errors import NotPermitted, anticipate
from apps.common.middleware import current_request_id
from apps.organisations import selectors as organisations

log = structlog.get_logger(__name__)


class StaffRequest(HttpRequest):
    """A request of a member of staff: what services want from the edge."""

    actor: Actor
    now: dt.datetime


def may(user: Any, *permissions: str) -> bool:
    """Whether somebody is signed in as staff with both factors and holds one of the permissions; none asked: any staff."""
    known = user.is_authenticated and user.is_staff and user.is_verified()
    return bool(known and (not permissions or any(user.can(name) for name in permissions)))


def staff_page(*permissions: str) -> Callable[[Callable[..., HttpResponse]], Callable[..., HttpResponse]]:
    """View decorator: asks for the log-in or refuses, gives the view `request.actor` and `request.now`, shows anticipated failures.

    One of the permissions is enough. Objects are the view's business: it fetches them `visible_to(request.user)`.
    """

    def decorate(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
        @wraps(view)
        def door(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if not may(request.user):
                return redirect_to_login(request.get_full_path(), reverse("admin:login"))
            try:
                if not may(request.user, *permissions):
                    raise NotPermitted
                request.actor, request.now = Actor.of(request.user), clock.now()  # type: ignore[attr-defined]
                response = view(request, *args, **kwargs)
            except Exception as error:
                refused = anticipate(error)
                if refused is None:
                    raise
                log.info("page_refused", code=refused.code, status=refused.status)
                response = _refusal(request, refused)
            add_never_cache_headers(response)
            return response

        return door

    return decorate


def _refusal(request: HttpRequest, error: Any) -> HttpResponse:
    context = {"error": error, "request_id": current_request_id()}
    if getattr(request, "htmx", False):
        return render(request, "errors/_message.html", context, status=error.status)
    return show(request, "backoffice/error.html", context, status=error.status)


def show(request: HttpRequest, template: str, context: dict[str, Any], *, status: int = 200) -> HttpResponse:
    """A page in the back office's frame: menus that the person may use, whose house it is, and the day of its books."""
    entity_id = getattr(request.user, "legal_entity_id", None)
    frame: dict[str, Any] = {
        "menus": navigation.sidebar(request),
        "site_title": admin.site.site_title,
        "entity": organisations.entity(entity_id) if entity_id else None,
        "business_date": _open_day(entity_id) if entity_id else None,
        "may_open": request.user.can("documents.view"),  # type: ignore[union-attr]
        "may_see_orders": request.user.can("applications.view"),  # type: ignore[union-attr]
        "may_unmask": request.user.can("customers.unmask"),  # type: ignore[union-attr]
        "today": clock.local_date(clock.now()),
    }
    return render(request, template, frame | context, status=status)


def _open_day(entity_id: UUID) -> dt.date | None:
    try:
        return organisations.business_date(entity_id)
    except organisations.NoBusinessDay:
        return None
