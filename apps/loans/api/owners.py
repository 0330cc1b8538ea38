"""External owners of sold loans, for who sees the books of a whole lender: pools, settlements, statements; approval is a person's."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.common.api import APIView, ProblemSerializer
from apps.common.errors import BadInput, NotPermitted
from apps.common.idempotency import idempotent
from apps.loans import selectors, services
from apps.loans.api.operations import MayOperate, OperationProposalSerializer
from apps.loans.services.pools import MAX_POOL

_REFUSED = {403: ProblemSerializer, 404: ProblemSerializer, 409: ProblemSerializer, 422: ProblemSerializer}


def _yuan() -> serializers.DecimalField:
    return serializers.DecimalField(max_digits=18, decimal_places=2)


class PoolLoanSerializer(serializers.Serializer):
    """One loan of a pool and what is paid for it."""

    loan = serializers.CharField(max_length=24, help_text="loan number")
    price = _yuan()


class PoolRequestSerializer(serializers.Serializer):
    """A pool to be sold to an owner, or bought back from one."""

    way = serializers.ChoiceField(choices=["sale", "buy_back"])
    owner = serializers.CharField(max_length=64)
    value_date = serializers.DateField()
    service_rate = serializers.DecimalField(
        max_digits=8, decimal_places=6, min_value=0, max_value=99, required=False, allow_null=True, help_text="percent of what comes in"
    )
    loans = serializers.ListField(child=PoolLoanSerializer(), min_length=1, max_length=MAX_POOL)
    reason = serializers.CharField(max_length=200)


class OwnerSettlementRequestSerializer(serializers.Serializer):
    """Money paid to an owner, or received from one by a bank transfer that waits in suspense."""

    owner = serializers.CharField(max_length=64)
    way = serializers.ChoiceField(choices=["paid", "received"])
    amount = _yuan()
    reason = serializers.CharField(max_length=200)


class OwnerSerializer(serializers.Serializer):
    """An owner's claims, and what the lender owes it (below zero: the owner owes)."""

    owner = serializers.CharField()
    loans = serializers.IntegerField()
    principal = _yuan()
    interest = _yuan()
    owed = _yuan()


class OwnerFlowSerializer(serializers.Serializer):
    """What one entry added to what is owed to the owner."""

    on = serializers.DateField()
    event = serializers.CharField()
    loan = serializers.CharField()
    reference = serializers.CharField()
    amount = _yuan()
    owed = _yuan()


class OwnerStatementSerializer(serializers.Serializer):
    """All flows of an owner in a period: closing = opening + flows."""

    owner = serializers.CharField()
    first = serializers.DateField()
    last = serializers.DateField()
    opening = _yuan()
    flows = OwnerFlowSerializer(many=True)
    totals = serializers.DictField(child=_yuan())
    closing = _yuan()


class PeriodSerializer(serializers.Serializer):
    """From the opening of `first` to the close of `last`."""

    first = serializers.DateField()
    last = serializers.DateField()


def _lender(request: Request) -> UUID:
    """The lender whose whole books somebody may see; what is owed to owners is not told by dealer, shop or customer."""
    scope = request.user.data_scope  # type: ignore[union-attr]
    if scope.kind != "entity" or scope.owner_id is None:
        raise NotPermitted
    return scope.owner_id


class OwnersView(APIView):
    permission_classes = [MayOperate]

    @extend_schema(operation_id="loan_owners", tags=["loans"], responses={200: OwnerSerializer(many=True), **_REFUSED})
    def get(self, request: Request) -> Response:
        """Everybody to whom one's own lender sold loans: loans held, claims, and what is owed."""
        return Response(OwnerSerializer(selectors.owners_of(_lender(request)), many=True).data)


class OwnerStatementView(APIView):
    permission_classes = [MayOperate]

    @extend_schema(
        operation_id="loan_owner_statement",
        tags=["loans"],
        parameters=[PeriodSerializer],
        responses={200: OwnerStatementSerializer, **_REFUSED},
    )
    def get(self, request: Request, owner: str) -> Response:
        """All that moved between one's own lender and an owner in a period of a year at most."""
        period = PeriodSerializer(data=request.query_params)
        if not period.is_valid():
            raise BadInput(fields=period.errors)
        told = selectors.owner_statement(_lender(request), owner, **period.validated_data)
        return Response(OwnerStatementSerializer(told).data)


class PoolsView(APIView):
    permission_classes = [MayOperate]

    @extend_schema(
        operation_id="loan_pools_propose",
        tags=["loans"],
        request=PoolRequestSerializer,
        responses={201: OperationProposalSerializer, **_REFUSED},
    )
    @idempotent
    def post(self, request: Request) -> Response:
        """Propose the sale or the buy-back of a pool of loans, all or none; another person decides in the back office."""
        asked = self.parse(PoolRequestSerializer, request)
        prices = {item["loan"]: item["price"] for item in asked.pop("loans")}
        change = services.propose_pool(legal_entity_id=_lender(request), prices=prices, actor=self.actor, now=self.now, **asked)
        return Response(OperationProposalSerializer(change).data, status=201)


class OwnerSettlementsView(APIView):
    permission_classes = [MayOperate]

    @extend_schema(
        operation_id="loan_owner_settlements_propose",
        tags=["loans"],
        request=OwnerSettlementRequestSerializer,
        responses={201: OperationProposalSerializer, **_REFUSED},
    )
    @idempotent
    def post(self, request: Request) -> Response:
        """Propose money paid to an owner or received from one; another person decides in the back office."""
        asked: dict[str, Any] = self.parse(OwnerSettlementRequestSerializer, request)
        change = services.propose_settlement(legal_entity_id=_lender(request), actor=self.actor, now=self.now, **asked)
        return Response(OperationProposalSerializer(change).data, status=201)
