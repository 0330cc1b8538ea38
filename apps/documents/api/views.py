"""The customer's own papers."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.generics import ListAPIView
from rest_framework.request import Request

from apps.common.api import APIView, IsCustomer, ProblemSerializer, file_response
from apps.documents import selectors, services
from apps.documents.api.serializers import DocumentSerializer


@extend_schema(operation_id="me_documents", tags=["documents"])
class DocumentListView(ListAPIView):
    """My papers, newest first, in pages."""

    permission_classes = [IsCustomer]
    serializer_class = DocumentSerializer

    def get_queryset(self):  # type: ignore[no-untyped-def]
        return selectors.visible_documents(self.request.user)


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
