"""Anticipated failures, and the one shape in which they reach people.

An anticipated failure is a class beside the function that raises it, with an HTTP status, a stable code and a text that says what to
do. The API answers RFC 9457 problem JSON, pages show a kind page, commands print one line. Anything else is a 500 and an alert.
"""

from __future__ import annotations

from typing import Any, ClassVar

import structlog
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, OperationalError
from django.http import Http404
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from rest_framework import exceptions as drf
from rest_framework.response import Response
from rest_framework.views import set_rollback

log = structlog.get_logger(__name__)
PROBLEM_JSON = "application/problem+json"


class CarloanError(Exception):
    """Base of anticipated failures. `title` names the kind, `detail` tells this case and the way out; `facts` are machine-readable."""

    status: ClassVar[int] = 400
    code: ClassVar[str] = "error"
    title: ClassVar[str | Promise] = gettext_lazy("The request cannot be carried out.")

    def __init__(self, detail: str | Promise | None = None, **facts: Any) -> None:
        self.detail = str(detail if detail is not None else self.title)
        self.facts = facts
        super().__init__(self.detail)

    @property
    def told(self) -> str:
        """All that there is to say, in one line."""
        return self.detail


class BadInput(CarloanError):
    """What was sent is not acceptable. `fields` maps field names to lists of messages."""

    status = 422
    code = "bad_input"
    title = gettext_lazy("Please check what you entered.")

    def __init__(self, detail: str | Promise | None = None, *, fields: dict[str, list[str]] | None = None, **facts: Any) -> None:
        super().__init__(detail, **facts)
        self.fields = fields or {}

    @property
    def told(self) -> str:
        return " ".join([self.detail, *(f"{name}: {' '.join(map(str, messages))}" for name, messages in self.fields.items())])


class NotPermitted(CarloanError):
    """The person may not do this."""

    status = 403
    code = "not_permitted"
    title = gettext_lazy("You are not permitted to do this.")


class NotFound(CarloanError):
    """There is no such thing, or it is not this person's to see."""

    status = 404
    code = "not_found"
    title = gettext_lazy("Not found.")


class Conflict(CarloanError):
    """The thing's present state does not allow this."""

    status = 409
    code = "conflict"
    title = gettext_lazy("The present state does not allow this.")


class TooMany(CarloanError):
    """Asked too often."""

    status = 429
    code = "too_many"
    title = gettext_lazy("Too many attempts. Please wait and try again.")


class OutsideUnavailable(CarloanError):
    """An outside party does not answer now; nothing was lost."""

    status = 503
    code = "outside_unavailable"
    title = gettext_lazy("A partner service is not available. Please try again in a minute.")


def problem(error: CarloanError, *, instance: str = "", request_id: str = "") -> dict[str, Any]:
    """The RFC 9457 problem document of an anticipated failure."""
    document: dict[str, Any] = {
        "type": f"urn:carloan:error:{error.code}",
        "title": str(error.title),
        "status": error.status,
        "detail": error.detail,
        "code": error.code,
    }
    if instance:
        document["instance"] = instance
    if request_id:
        document["request_id"] = request_id
    if isinstance(error, BadInput) and error.fields:
        document["errors"] = error.fields
    if error.facts:
        document["facts"] = {key: str(value) for key, value in error.facts.items()}
    return document


class _Foreign(CarloanError):
    """A failure that Django, REST framework or PostgreSQL raised, put into our shape."""

    def __init__(self, status: int, code: str, title: str, detail: str | None = None) -> None:
        self.status, self.code, self.title = status, code, title  # type: ignore[misc]
        super().__init__(detail)


def _flatten(detail: Any, prefix: str = "") -> dict[str, list[str]]:
    if isinstance(detail, dict):
        fields: dict[str, list[str]] = {}
        for key, value in detail.items():
            fields |= _flatten(value, f"{prefix}.{key}" if prefix else str(key))
        return fields
    if isinstance(detail, list) and any(isinstance(item, dict | list) for item in detail):
        fields = {}
        for index, item in enumerate(detail):
            fields |= _flatten(item, f"{prefix}[{index}]")
        return fields
    messages = detail if isinstance(detail, list) else [detail]
    return {prefix or "non_field_errors": [str(message) for message in messages]}


def anticipate(error: Exception) -> CarloanError | None:
    """The anticipated failure that `error` is or stands for; None when it is a defect of ours."""
    from django_fsm import TransitionNotAllowed

    if isinstance(error, CarloanError):
        return error
    if isinstance(error, drf.ValidationError):
        return BadInput(fields=_flatten(error.detail))
    if isinstance(error, Http404):
        return NotFound()
    if isinstance(error, PermissionDenied):
        return NotPermitted(str(error) or None)
    if isinstance(error, TransitionNotAllowed):
        return Conflict(_("The present state does not allow this step. Reload the page to see what is possible now."))
    if isinstance(error, drf.APIException):
        codes = error.get_codes()
        return _Foreign(error.status_code, codes if isinstance(codes, str) else "error", str(error.default_detail), str(error.detail))
    if isinstance(error, OperationalError) and getattr(error.__cause__, "sqlstate", "") in {"55P03", "40P01", "40001"}:
        return _Foreign(409, "busy", _("Somebody else is working on this just now. Please try again."))
    if isinstance(error, IntegrityError) and getattr(error.__cause__, "sqlstate", "") == "23505":
        return Conflict(_("This was done already."))
    return None


def problem_response(error: Exception, context: dict[str, Any]) -> Response | None:
    """REST framework's exception handler: the problem document, or None (a 500) for what was not anticipated."""
    from apps.common.middleware import current_request_id

    anticipated = anticipate(error)
    if anticipated is None:
        return None
    set_rollback()
    request = context.get("request")
    headers = {}
    if isinstance(error, drf.APIException):
        if challenge := getattr(error, "auth_header", None):
            headers["WWW-Authenticate"] = challenge
        if wait := getattr(error, "wait", None):
            headers["Retry-After"] = str(int(wait))
    log.info("request_refused", code=anticipated.code, status=anticipated.status)
    document = problem(anticipated, instance=request.path if request else "", request_id=current_request_id())
    return Response(document, status=anticipated.status, headers=headers, content_type=PROBLEM_JSON)
