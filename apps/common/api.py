"""What every API view shares."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pghistory
from django.http import HttpResponse
from rest_framework import serializers
from rest_framework.pagination import CursorPagination
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView as BaseAPIView

from apps.common import clock
from apps.common.actors import Actor


class CursorPages(CursorPagination):
    """Pages that stay right while rows are added; newest first."""

    page_size = 20
    max_page_size = 100
    page_size_query_param = "page_size"
    ordering = "-created_at"


class IsCustomer(BasePermission):
    """Signed in as a customer (phone app)."""

    def has_permission(self, request: Request, view: Any) -> bool:
        return bool(request.user and request.user.is_authenticated and request.user.kind == "customer")


class APIView(BaseAPIView):
    """Base of the views: parse, one service call, show. `actor` and `now` are what services want from the edge."""

    actor: Actor

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        self.now = clock.now()
        if request.user.is_authenticated:
            self.actor = Actor.of(request.user)
            context = pghistory.context(actor=str(self.actor), user=str(request.user.pk))
            context.__enter__()

    def parse(self, serializer_class: type[serializers.Serializer], request: Request) -> dict[str, Any]:
        """The validated input; raises a validation error that becomes a 422 problem."""
        serializer = serializer_class(data=request.data, context={"request": request})
        serializer.is_valid(raise_exception=True)
        return serializer.validated_data


class ProblemSerializer(serializers.Serializer):
    """RFC 9457 problem details."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    code = serializers.CharField()
    instance = serializers.CharField(required=False)
    request_id = serializers.CharField(required=False)
    errors = serializers.DictField(  # type: ignore[assignment]  # the document's field, not the serializer's own errors
        child=serializers.ListField(child=serializers.CharField()), required=False
    )
    facts = serializers.DictField(child=serializers.CharField(), required=False)


def file_response(content: bytes, *, filename: str, content_type: str) -> HttpResponse:
    """A file as an answer that browsers show in place and never keep; the name may be Chinese."""
    return HttpResponse(
        content,
        content_type=content_type,
        headers={"Content-Disposition": f"inline; filename*=UTF-8''{quote(filename)}", "Cache-Control": "private, no-store"},
    )


__all__ = ["APIView", "CursorPages", "IsCustomer", "ProblemSerializer", "file_response"]
