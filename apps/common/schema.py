"""The published OpenAPI document: what every operation has in common is written here once, not in each view.

Failures are problem documents; who is not signed in, sends something unacceptable or names a stranger's thing is answered accordingly;
a POST that creates or moves money wants an `Idempotency-Key`.
"""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter, inline_serializer
from rest_framework import serializers

from apps.common.api import CursorPages, ProblemSerializer
from apps.common.errors import PROBLEM_JSON
from apps.common.idempotency import HEADER, MAX_KEY, REPLAYED

_SIZE = {"type": "integer", "minimum": 1, "maximum": CursorPages.max_page_size, "default": CursorPages.page_size}
PAGE_PARAMETERS = [
    OpenApiParameter("cursor", str, description="Where the page begins; taken from `next` or `previous` of another page."),
    OpenApiParameter("page_size", _SIZE, description="Rows on a page."),
]
_KEY = {
    "name": HEADER,
    "in": "header",
    "required": True,
    "schema": {"type": "string", "minLength": 1, "maxLength": MAX_KEY},
    "description": "New for every new request, the same for a repetition: a repetition is answered as the first time and does nothing.",
}
_REPLAYED = {REPLAYED: {"schema": {"type": "string", "enum": ["true"]}, "description": "Present when the answer is the first one again."}}


def page_of(serializer_class: type[serializers.Serializer]) -> serializers.Serializer:
    """The envelope of `CursorPages` around a list; `next` and `previous` are the neighbouring pages' addresses."""
    return inline_serializer(
        name=f"{serializer_class.__name__.removesuffix('Serializer').removesuffix('Output')}Page",
        fields={
            "next": serializers.URLField(allow_null=True),
            "previous": serializers.URLField(allow_null=True),
            "results": serializer_class(many=True),
        },
    )


class Schema(AutoSchema):
    """Adds to each operation the failures and headers that follow from how it is guarded and decorated."""

    def get_operation(self, *args: Any, **kwargs: Any) -> dict[str, Any] | None:
        operation: dict[str, Any] | None = super().get_operation(*args, **kwargs)
        if operation is None:
            return None
        responses = operation["responses"]
        for status in self._failures(operation):
            responses.setdefault(str(status.value), {})
        problem = self.resolve_serializer(ProblemSerializer, "response").ref
        for code, response in responses.items():
            if int(code) >= HTTPStatus.BAD_REQUEST:
                response.update(description=HTTPStatus(int(code)).phrase, content={PROBLEM_JSON: {"schema": problem}})
            elif self._idempotent:
                response["headers"] = {**response.get("headers", {}), **_REPLAYED}
        operation["responses"] = dict(sorted(responses.items()))
        if self._idempotent:
            operation["parameters"] = [*operation.get("parameters", []), _KEY]
        return operation

    def _failures(self, operation: dict[str, Any]) -> Iterator[HTTPStatus]:
        if operation.get("security"):
            yield from (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
        if any(parameter["in"] == "path" or parameter["name"] == "cursor" for parameter in operation.get("parameters", [])):
            yield HTTPStatus.NOT_FOUND
        if "requestBody" in operation:
            yield from (HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY)
        if self._idempotent:
            yield from (HTTPStatus.BAD_REQUEST, HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY)

    @property
    def _idempotent(self) -> bool:
        return getattr(getattr(self.view, self.method.lower()), "idempotent", False)
