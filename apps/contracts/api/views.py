"""The customer's contracts: read, take the file, sign."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.common.api import APIView, IsCustomer, ProblemSerializer, file_response
from apps.common.idempotency import idempotent
from apps.contracts import selectors, services
from apps.contracts.api.serializers import ContractListItemSerializer, ContractSerializer, SignSerializer
from apps.contracts.models import Contract
from apps.documents import services as documents


def _shown(contract: Contract, *, seconds: int) -> dict[str, Any]:
    contract.reading_seconds = seconds  # type: ignore[attr-defined]
    contract.signing_confirmed = hasattr(contract, "consent")  # type: ignore[attr-defined]
    return dict(ContractSerializer(contract).data)


class ContractListView(APIView):
    """My contracts."""

    permission_classes = [IsCustomer]

    @extend_schema(
        operation_id="me_contracts", tags=["contracts"], responses={200: ContractListItemSerializer(many=True), 401: ProblemSerializer}
    )
    def get(self, request: Request) -> Response:
        """My contracts, newest first."""
        return Response(ContractListItemSerializer(selectors.visible_contracts(request.user)[:100], many=True).data)


class ContractView(APIView):
    """One contract."""

    permission_classes = [IsCustomer]

    @extend_schema(
        operation_id="me_contract", tags=["contracts"], responses={200: ContractSerializer, 401: ProblemSerializer, 404: ProblemSerializer}
    )
    def get(self, request: Request, contract_id: UUID) -> Response:
        """A contract with its full cost table. The first call while it waits for the signature starts the reading time."""
        contract = services.open_contract(contract_id=contract_id, actor=self.actor, now=self.now)
        return Response(_shown(contract, seconds=services.reading_seconds(contract, now=self.now)))


class ContractFileView(APIView):
    """The file."""

    permission_classes = [IsCustomer]

    @extend_schema(
        operation_id="me_contract_file",
        tags=["contracts"],
        responses={(200, "application/pdf"): OpenApiTypes.BINARY, 401: ProblemSerializer, 404: ProblemSerializer},
    )
    def get(self, request: Request, contract_id: UUID) -> HttpResponse:
        """The contract as PDF: the signed one, before that the one to be signed."""
        contract = selectors.visible_contracts(request.user).filter(id=contract_id).first()
        document_id = contract and (contract.signed_id or contract.unsigned_id)
        if not document_id:
            raise selectors.NoSuchContract
        file = documents.download(document_id=document_id, actor=self.actor, now=self.now)
        return file_response(file.content, filename=file.filename, content_type=file.content_type)


class ContractSignView(APIView):
    """Sign."""

    permission_classes = [IsCustomer]

    @extend_schema(
        operation_id="me_contract_sign",
        tags=["contracts"],
        request=SignSerializer,
        responses={
            202: ContractSerializer,
            401: ProblemSerializer,
            404: ProblemSerializer,
            409: ProblemSerializer,
            422: ProblemSerializer,
        },
    )
    @idempotent
    def post(self, request: Request, contract_id: UUID) -> Response:
        """Give the word to sign, after reading and with a fresh liveness check. The signatures follow at once; ask again for the state."""
        data = self.parse(SignSerializer, request)
        contract = services.sign_by_customer(contract_id=contract_id, actor=self.actor, now=self.now, **data)
        return Response(_shown(contract, seconds=services.reading_seconds(contract, now=self.now)), status=202)
