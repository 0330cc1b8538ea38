"""The customer's own papers."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.common.api import APIView, CursorPages, IsCustomer, ProblemSerializer, file_response
from apps.common.schema import PAGE_PARAMETERS, page_of
from apps.documents import selectors, services
from apps.documents.api.serializers import DocumentSerializer


class DocumentListView(APIView):
    """My papers."""

    permission_classes = [IsCustomer]

    @extend_schema(
        operation_id="me_documents",
        tags=["documents"],
        parameters=PAGE_PARAMETERS,
        responses={200: page_of(DocumentSerializer), 401: ProblemSerializer, 403: ProblemSerializer},
    )
    def get(self, request: Request) -> Response:
        """My papers, newest first, in pages."""
        pages = CursorPages()
        page = pages.paginate_queryset(selectors.visible_documents(request.user), request, view=self)
        return pages.get_paginated_response(DocumentSerializer(page, many=True).data)


class DocumentFileView(APIView):
    """The file."""

    permission_classes = [IsCustomer]

    @extend_schema(
        operation_id="me_document_file",
        tags=["documents"],
        responses={
            (200, "application/pdf"): OpenApiTypes.BINARY,
            (200, "image/jpeg"): OpenApiTypes.BINARY,
            (200, "image/png"): OpenApiTypes.BINARY,
            401: ProblemSerializer,
            404: ProblemSerializer,
        },
    )
    def get(self, request: Request, document_id: UUID) -> HttpResponse:
        """One of my papers; the download is written down."""
        file = services.download(document_id=document_id, actor=self.actor, now=self.now)
        return file_response(file.content, filename=file.filename, content_type=file.content_type)
