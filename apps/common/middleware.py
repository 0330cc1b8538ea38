"""Request context: who is asking (for the audit triggers), the request id, and error pages for anticipated failures."""

from __future__ import annotations

from collections.abc import Callable

import pghistory
import structlog
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from apps.common.actors import Actor
from apps.common.errors import anticipate

Responder = Callable[[HttpRequest], HttpResponse]


def current_request_id() -> str:
    """Id of the request at hand, as logged and as sent back in `X-Request-ID`; empty outside requests."""
    return str(structlog.contextvars.get_contextvars().get("request_id", ""))


class RequestContextMiddleware:
    """Opens the audit context of a request that may write. API users are known only inside the view: `common.api` adds them."""

    def __init__(self, get_response: Responder) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        context = {"request": current_request_id(), "path": request.path}
        if request.user.is_authenticated:
            context |= {"actor": str(Actor.of(request.user)), "user": str(request.user.pk)}
        with pghistory.context(**context):
            response = self.get_response(request)
        response.headers.setdefault("X-Request-ID", current_request_id())
        return response


class ErrorPageMiddleware:
    """Shows anticipated failures that leave a page's view as a kind page with the way out."""

    def __init__(self, get_response: Responder) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        error = anticipate(exception)
        if error is None or request.path.startswith("/api/"):
            return None
        template = "errors/_message.html" if getattr(request, "htmx", False) else "errors/error.html"
        return render(request, template, {"error": error, "request_id": current_request_id()}, status=error.status)
