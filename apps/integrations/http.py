"""The one HTTP client to the outside world: signed, with time-outs, bounded retries, a circuit breaker per party, and a record per call.

Every attempt writes a redacted `GatewayCall` of its own, at once and for good: calls happen outside transactions, so a caller that fails
afterwards cannot take the record back. Failures come out as those of `apps.common.gateways`, told apart by what is known of the effect.
"""

from __future__ import annotations

import datetime as dt
import json
import time
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from typing import Any
from uuid import UUID

import httpx
import pybreaker
import structlog
import tenacity
from django.conf import settings
from django.db import connection
from prometheus_client import Histogram

from apps.common.gateways import GatewayError, GatewayMisconfigured, GatewayRefused, GatewayUnavailable, GatewayUnknown
from apps.common.models import GatewayCall
from apps.integrations import parties
from apps.integrations.redaction import fingerprint, redacted
from apps.integrations.signatures import signed_headers

log = structlog.get_logger(__name__)
JSON = "application/json"
ATTEMPTS = 3
MAX_ANSWER_BYTES = 32 * 1024 * 1024
_NOT_LET_IN = frozenset({401, 403, 407})
# Perhaps without effect, but who answers so may be a front server that has lost sight of the request behind it.
_NOT_NOW = frozenset({408, 425, 429})
_SECONDS = Histogram("carloan_gateway_seconds", "Calls to outside parties.", ["party", "operation", "outcome"])


@dataclass(frozen=True)
class Call:
    """One request to one party. `repeatable` says that the party treats a repetition as the same request (or that it only reads)."""

    party: str
    operation: str
    method: str
    path: str
    reference: str = ""
    payload: dict[str, Any] | bytes | None = None
    content_type: str = JSON
    repeatable: bool = False

    @property
    def body(self) -> bytes:
        if isinstance(self.payload, bytes):
            return self.payload
        return b"" if self.payload is None else json.dumps(self.payload, ensure_ascii=False, default=_as_text).encode()


@dataclass(frozen=True)
class Answer:
    """A 2xx answer; `fields` is its JSON object, empty for other content."""

    status: int
    content: bytes
    fields: dict[str, Any] = field(default_factory=dict)


class CalledInsideTransaction(RuntimeError):
    """A defect of ours: a network call while a transaction (and its locks) is open. Call from an outside handler or a task."""


def call(request: Call) -> Answer:
    """Carry out a call, repeated up to `ATTEMPTS` times where that is safe.

    Raises `GatewayUnavailable`, `GatewayRefused` or `GatewayUnknown`; `CalledInsideTransaction` when the caller holds a transaction.
    """
    _require_no_transaction()
    retry = tenacity.Retrying(
        retry=tenacity.retry_if_exception(lambda error: _is_safe_to_repeat(error, request)),
        stop=tenacity.stop_after_attempt(ATTEMPTS),
        wait=tenacity.wait_random_exponential(multiplier=0.1, max=2.0),
        reraise=True,
    )
    return retry(_guarded, request)


class CircuitOpen(GatewayUnavailable):
    """The party failed too often and is left alone for a while; nothing was sent."""


def _is_safe_to_repeat(error: BaseException, request: Call) -> bool:
    if isinstance(error, CircuitOpen | GatewayMisconfigured):
        return False
    return isinstance(error, GatewayUnavailable) or (request.repeatable and isinstance(error, GatewayUnknown))


def _require_no_transaction() -> None:
    # The transaction that Django's TestCase wraps around a whole test is marked as such and does not count.
    if any(not getattr(block, "_from_testcase", False) for block in connection.atomic_blocks):
        raise CalledInsideTransaction("Outside parties are called outside transactions: use @handles(…, outside=True) or a task.")


@cache
def breaker(party: str) -> pybreaker.CircuitBreaker:
    """The circuit breaker of a party in this process; a definite no is an answer and does not count as a failure."""
    return pybreaker.CircuitBreaker(
        fail_max=settings.GATEWAY_BREAKER["failures"],
        reset_timeout=settings.GATEWAY_BREAKER["rest_s"],
        exclude=[GatewayRefused],
        name=party,
    )


def _guarded(request: Call) -> Answer:
    """One attempt behind the breaker."""
    failure: GatewayError | None = None

    def attempt() -> Answer:
        nonlocal failure
        try:
            return _attempt(request)
        except GatewayError as error:
            failure = error
            raise

    try:
        return breaker(request.party).call(attempt)
    except pybreaker.CircuitBreakerError as error:
        if failure is not None:  # the attempt that opened the circuit: its own failure tells more
            raise failure from error
        _record(request, "circuit_open", None, b"", None)
        raise CircuitOpen(f"{request.party} is left alone for a while after repeated failures.") from None


def _attempt(request: Call) -> Answer:
    started = time.monotonic()
    status: int | None = None
    content, outcome = b"", "defect"
    try:
        response = _send(request)
        status, content = response.status_code, response.content
        answer = _read(request, response)
        outcome = "answered"
        return answer
    except GatewayMisconfigured:
        outcome = "not_let_in"
        raise
    except GatewayUnavailable:
        outcome = "unavailable"
        raise
    except GatewayRefused:
        outcome = "refused"
        raise
    except GatewayUnknown:
        outcome = "unknown"
        raise
    finally:
        seconds = time.monotonic() - started
        _SECONDS.labels(request.party, request.operation, outcome).observe(seconds)
        _record(request, outcome, status, content, round(seconds * 1000))


def _send(request: Call) -> httpx.Response:
    """One request on the wire; transport failures by what they say of the effect."""
    body = request.body
    url = httpx.URL(parties.base_url(request.party) + request.path)
    headers = {"Content-Type": request.content_type, "Accept": "*/*"}
    headers |= signed_headers(parties.secret(request.party), method=request.method, path=url.raw_path.decode(), body=body)
    limits = settings.GATEWAY_TIMEOUT_S
    timeout = httpx.Timeout(limits["read"], connect=limits["connect"])
    try:
        return _client().request(request.method, url, content=body or None, headers=headers, timeout=timeout)
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol) as error:
        raise GatewayUnavailable(f"{request.party}: no connection ({type(error).__name__}).") from error
    except httpx.HTTPError as error:
        raise GatewayUnknown(f"{request.party}: sent, and no answer ({type(error).__name__}).") from error


@cache
def _client() -> httpx.Client:
    """One pool per process; thread-safe. Proxies of the environment do not apply to partners."""
    return httpx.Client(trust_env=False, follow_redirects=False, limits=httpx.Limits(max_connections=50, keepalive_expiry=5.0))


def _read(request: Call, response: httpx.Response) -> Answer:
    status = response.status_code
    if status in _NOT_LET_IN:
        raise GatewayMisconfigured(f"{request.party} does not let us in ({status} {_code(response)}): look at its address and secret.")
    if request.repeatable and status in {429, 503}:
        raise GatewayUnavailable(f"{request.party} answered {status}.")
    if 400 <= status < 500 and status not in _NOT_NOW:
        message = str((_object(response) or {}).get("message") or response.reason_phrase)
        raise GatewayRefused(_code(response) or str(status), message)
    if not 200 <= status < 300 or len(response.content) > MAX_ANSWER_BYTES:
        raise GatewayUnknown(f"{request.party} answered {status}.")
    if not response.headers.get("content-type", "").startswith(JSON):
        return Answer(status, response.content)
    answered = _object(response)
    if answered is None:
        raise GatewayUnknown(f"{request.party} answered something unreadable.")
    return Answer(status, response.content, answered)


def _code(response: httpx.Response) -> str:
    """The party's own code of a refusal, "" when it names none."""
    return str((_object(response) or {}).get("code") or "")


def _object(response: httpx.Response) -> dict[str, Any] | None:
    try:
        fields = json.loads(response.content)
    except ValueError:
        return None
    return fields if isinstance(fields, dict) else None


def _record(request: Call, outcome: str, status: int | None, content: bytes, milliseconds: int | None) -> None:
    GatewayCall.objects.create(
        gateway=request.party,
        direction=GatewayCall.Direction.OUT,
        operation=request.operation,
        reference=request.reference,
        outcome=outcome,
        http_status=status,
        request=fingerprint(request.payload) if isinstance(request.payload, bytes) else redacted(request.payload),
        response=_kept(content) if content else None,
        milliseconds=milliseconds,
    )
    log.info(
        "gateway_call", party=request.party, operation=request.operation, reference=request.reference, outcome=outcome, ms=milliseconds
    )


def _kept(content: bytes) -> dict[str, Any]:
    try:
        fields = json.loads(content)
    except ValueError:
        fields = None
    return redacted(fields) if isinstance(fields, dict) else fingerprint(content)


def _as_text(value: Any) -> str:
    if isinstance(value, dt.date | dt.datetime):
        return value.isoformat()
    if isinstance(value, Decimal | UUID):
        return str(value)
    raise TypeError(f"{type(value).__name__} does not travel in JSON.")


__all__ = ["Answer", "Call", "CalledInsideTransaction", "CircuitOpen", "breaker", "call"]
