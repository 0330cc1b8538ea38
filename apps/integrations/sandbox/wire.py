"""Requests, answers and routes of the sandbox, and one small signed HTTP request for its callbacks and its remote control."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from apps.integrations.signatures import signed_headers

if TYPE_CHECKING:
    from apps.integrations.sandbox.world import World

JSON = "application/json"
MAX_BODY_BYTES = 4 * 1024 * 1024


class Refusal(Exception):
    """A party's definite no."""

    def __init__(self, status: int, code: str, message: str) -> None:
        self.status, self.code, self.message = status, code, message
        super().__init__(f"{status} {code}: {message}")


@dataclass(frozen=True)
class Response:
    """An answer: a JSON object, or bytes of another content type."""

    status: int
    payload: Any = None
    content_type: str = JSON

    @property
    def body(self) -> bytes:
        return self.payload if isinstance(self.payload, bytes) else json.dumps(self.payload, ensure_ascii=False, default=str).encode()


@dataclass(frozen=True)
class Request:
    """A request whose signature was checked. `fault` is what the party shall do wrong this time, "" for nothing."""

    method: str
    path: str
    body: bytes
    content_type: str = JSON
    query: dict[str, str] = field(default_factory=dict)
    parameters: dict[str, str] = field(default_factory=dict)
    fault: str = ""

    @property
    def fields(self) -> dict[str, Any]:
        """The JSON object of the body. Refuses anything else."""
        try:
            fields = json.loads(self.body or b"{}")
        except ValueError:
            raise Refusal(400, "bad_json", "The body is not JSON.") from None
        if not isinstance(fields, dict):
            raise Refusal(400, "bad_json", "The body is not a JSON object.")
        return fields

    def text(self, name: str, default: str | None = None) -> str:
        """A text of the body; without `default` it must be there and not empty."""
        value = self.fields.get(name, default)
        if not isinstance(value, str) or (not value and default is None):
            raise Refusal(422, "missing_field", f"{name} is required.")
        return value

    def amount(self, name: str) -> Decimal:
        """A positive amount of yuan with two decimals, sent as text."""
        try:
            amount = Decimal(self.text(name))
            if amount > 0 and amount == amount.quantize(Decimal("0.01")):
                return amount
        except InvalidOperation:
            pass
        raise Refusal(422, "bad_amount", f"{name} must be a positive amount with two decimals.")


View = Callable[["World", Request], Response]


@dataclass(frozen=True)
class Route:
    """One operation of one party. `{name}` in the path is a parameter; a public route needs no signature."""

    method: str
    path: str
    party: str
    operation: str
    view: View
    public: bool = False

    def match(self, method: str, path: str) -> dict[str, str] | None:
        """The parameters when this route serves the request, else None."""
        wanted, given = self.path.split("/"), path.split("/")
        if method != self.method or len(wanted) != len(given):
            return None
        parameters = {}
        for pattern, segment in zip(wanted, given, strict=True):
            if pattern.startswith("{"):
                parameters[pattern.strip("{}")] = segment
            elif pattern != segment:
                return None
        return parameters


ROUTES: list[Route] = []


def route(method: str, path: str, *, party: str, operation: str, public: bool = False) -> Callable[[View], View]:
    """Function decorator: serve an address."""

    def register(view: View) -> View:
        ROUTES.append(Route(method, path, party, operation, view, public))
        return view

    return register


def send_signed(secret: str, method: str, url: str, *, payload: Any = None, timeout_s: float = 5.0) -> tuple[int, bytes]:
    """One signed request with a JSON body; the status (also 4xx and 5xx) and the body. Raises `OSError` without an answer."""
    parts = urlsplit(url)
    path = f"{parts.path}?{parts.query}" if parts.query else parts.path
    body = b"" if payload is None else json.dumps(payload, ensure_ascii=False, default=str).encode()
    headers = {"Content-Type": JSON, **signed_headers(secret, method=method, path=path, body=body)}
    request = urllib.request.Request(url, data=body or None, method=method, headers=headers)  # noqa: S310  (own URLs)
    try:
        with urllib.request.urlopen(request, timeout=timeout_s) as answer:  # noqa: S310
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()
