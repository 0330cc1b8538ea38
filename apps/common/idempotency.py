"""Requests that are safe to repeat: the client's key is kept with the request's digest and the answer.

Same key and same request: the first answer again, marked by `Idempotency-Replayed: true`. Same key, other request: 422. Still running
elsewhere: 409. A request that failed leaves no record, so it may be tried again with the same key.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable
from typing import Any

from django.core.files import File
from django.db import IntegrityError, OperationalError, transaction
from django.http import QueryDict
from django.utils.translation import gettext_lazy
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.encoders import JSONEncoder

from apps.common.errors import BadInput, Conflict
from apps.common.models import IdempotencyRecord

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
MAX_KEY = 128
_LOCK_TIMEOUT = "55P03"


class KeyMissing(BadInput):
    """A request that creates or moves money came without its key."""

    status = 400
    code = "idempotency_key_missing"
    title = gettext_lazy("Send an Idempotency-Key header, new for every new request and the same for a repetition.")


class KeyReused(BadInput):
    """The key was used for another request."""

    code = "idempotency_key_reused"
    title = gettext_lazy("This Idempotency-Key was used for a different request. Use a new one.")


class StillRunning(Conflict):
    """The first request with this key has not finished."""

    code = "idempotency_still_running"
    title = gettext_lazy("The same request is still being carried out. Ask again in a moment.")


def digest_of(*parts: Any) -> str:
    """SHA-256 over the parts of a request; of uploaded files their contents count, too."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=_digestible).encode()).hexdigest()


def _digestible(value: Any) -> Any:
    if not isinstance(value, File):
        return str(value)
    content = hashlib.sha256()
    for chunk in value.chunks():
        content.update(chunk)
    value.seek(0)  # the view reads it from its beginning
    return {"name": value.name, "sha256": content.hexdigest()}


def _sent(data: Any) -> Any:
    """What a request sent; of forms every value of a field, not the last alone."""
    return dict(data.lists()) if isinstance(data, QueryDict) else data


def once(*, owner: str, key: str, digest: str, deed: Callable[[], tuple[int, Any]]) -> tuple[int, Any, bool]:
    """Carry out `deed` once per owner and key; returns (status, body, replayed).

    The record is inserted in the deed's own transaction: a parallel request waits for its end, as long as it may wait for a lock; a
    failure rolls both back.
    """
    if not key or len(key) > MAX_KEY:
        raise KeyMissing
    with transaction.atomic():
        try:
            with transaction.atomic():
                record = IdempotencyRecord.objects.create(owner=owner, key=key, digest=digest)
        except IntegrityError:
            earlier = IdempotencyRecord.objects.get(owner=owner, key=key)
            if earlier.digest != digest:
                raise KeyReused from None
            assert earlier.status is not None  # a record is committed together with its answer
            return earlier.status, earlier.body, True
        except OperationalError as error:
            if getattr(error.__cause__, "sqlstate", "") != _LOCK_TIMEOUT:
                raise
            raise StillRunning from None
        status, body = deed()
        record.status, record.body = status, json.loads(json.dumps(body, cls=JSONEncoder))
        record.save(update_fields=["status", "body"])
        return status, body, False


def idempotent(method: Callable[..., Response]) -> Callable[..., Response]:
    """Decorator for an API view's POST: the whole request in one transaction, once per key."""

    @functools.wraps(method)
    def wrapper(view: Any, request: Request, *args: Any, **kwargs: Any) -> Response:
        def deed() -> tuple[int, Any]:
            response = method(view, request, *args, **kwargs)
            return response.status_code, response.data

        status, body, replayed = once(
            owner=str(request.user.pk),
            key=request.headers.get(HEADER, ""),
            digest=digest_of(request.method, request.path, _sent(request.data)),
            deed=deed,
        )
        headers = {REPLAYED: "true"} if replayed else {}
        return Response(body, status=status, headers=headers)

    wrapper.idempotent = True  # type: ignore[attr-defined]  # read by the published schema, which names the header
    return wrapper
