"""Who is asking, and from where (for logs and the audit triggers), the request id, and error pages for anticipated failures."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable

import pghistory
import structlog
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django_structlog.middlewares import RequestMiddleware

from apps.common.actors import Actor
from apps.common.errors import anticipate

Responder = Callable[[HttpRequest], HttpResponse]


def current_request_id() -> str:
    """Id of the request at hand, as logged and as sent back in `X-Request-ID`; empty outside requests."""
    return str(structlog.contextvars.get_contextvars().get("request_id", ""))


def client_address(request: HttpRequest) -> str | None:
    """The address that a request came from; `ClientAddressMiddleware` has looked behind the proxies."""
    return request.META.get("REMOTE_ADDR") or None


class ClientAddressMiddleware:
    """Puts the client's address into `REMOTE_ADDR`, which rate limits, lock-outs, logs and records read.

    Each proxy appends the address it was called from to `X-Forwarded-For`; of these, the last `settings.TRUSTED_PROXIES` were written by
    our own proxies, and the first of them is the client. Whatever stands before is the client's invention.
    """

    def __init__(self, get_response: Responder) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        forwarded = [part.strip() for part in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",") if part.strip()]
        if settings.TRUSTED_PROXIES and forwarded:
            told = forwarded[-min(settings.TRUSTED_PROXIES, len(forwarded))]
            if _is_address(told):
                request.META["REMOTE_ADDR"] = told
        return self.get_response(request)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


class RequestLogMiddleware(RequestMiddleware):
    """Request logs with the client's address, and without query strings: what somebody searches for may be personal."""

    @classmethod
    def bind_ip(cls, request: HttpRequest) -> None:
        structlog.contextvars.bind_contextvars(ip=client_address(request))

    @staticmethod
    def format_request(request: HttpRequest) -> str:
        return f"{request.method} {request.path}"


class RequestContextMiddleware:
    """Opens the audit context of a request that may write. API users are known only inside the view: `common.api` adds them."""

    def __init__(self, get_response: Responder) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        context = {"request": current_request_id(), "path": request.path, "ip": client_address(request) or ""}
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
