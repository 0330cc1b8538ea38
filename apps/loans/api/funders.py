"""Funding parties for staff apps and partner systems: who they are, and the statement that lender and funder settle by."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response

from apps.common.api import APIView, ProblemSerializer
from apps.common.errors import BadInput, NotPermitted
from apps.loans import selectors
from apps.loans.domain.subledger import FLOWS

_REFUSED = {403: ProblemSerializer, 404: ProblemSerializer, 422: ProblemSerializer}


class MayReadBooks(BasePermission):
    """Staff, or a partner's system, that may see the books of a whole lender."""

    def has_permission(self, request: Request, view: Any) -> bool:
        user: Any = request.user
        known = user and user.is_authenticated and user.kind in ("staff", "client") and user.can("ledger.view")
        return bool(known and user.data_scope.kind == "entity")


def _yuan() -> serializers.DecimalField:
    return serializers.DecimalField(max_digits=18, decimal_places=2)


class FunderAccountSerializer(serializers.Serializer):
    """A party's part of an account, above zero on its normal side: closing = opening + up - down."""

    code = serializers.CharField()
    name = serializers.CharField()
    opening = _yuan()
    up = _yuan()
    down = _yuan()
    closing = _yuan()


class FunderMoveSerializer(serializers.Serializer):
    """What the entries of one event moved on a day, and the balance after it."""

    day = serializers.DateField()
    code = serializers.CharField(help_text="account")
    event = serializers.CharField()
    up = _yuan()
    down = _yuan()
    balance = _yuan()


class FunderLoanSerializer(serializers.Serializer):
    """The party's part of a loan: closing = opening + disbursed + charged - collected - waived + adjusted."""

    loan_id = serializers.UUIDField()
    number = serializers.CharField()
    share = serializers.IntegerField(help_text="parts per 10,000")
    opening = _yuan()
    disbursed = _yuan()
    charged = _yuan()
    collected = _yuan()
    waived = _yuan()
    adjusted = _yuan()
    closing = _yuan()
    principal = serializers.DecimalField(max_digits=18, decimal_places=2, help_text="principal in `closing`")


class FunderStatementSerializer(serializers.Serializer):
    """A funder's accounts as booked, and its part of every loan as the transactions known today tell it, fifty on a page."""

    party_ref = serializers.CharField()
    first = serializers.DateField()
    last = serializers.DateField()
    accounts = FunderAccountSerializer(many=True)
    moves = FunderMoveSerializer(many=True)
    loans = FunderLoanSerializer(many=True)
    count = serializers.IntegerField(help_text="loans in the period, on all pages")
    page = serializers.IntegerField()
    pages = serializers.IntegerField()


class FunderPeriodSerializer(serializers.Serializer):
    """From the opening of `first` to the close of `last`; the page of the loans."""

    first = serializers.DateField()
    last = serializers.DateField()
    page = serializers.IntegerField(required=False, default=1, min_value=1)


def _lender(request: Request) -> UUID:
    entity_id: UUID | None = request.user.data_scope.owner_id  # type: ignore[union-attr]
    if entity_id is None:
        raise NotPermitted
    return entity_id


class FundersView(APIView):
    permission_classes = [MayReadBooks]

    @extend_schema(
        operation_id="funders", tags=["loans"], responses={200: serializers.ListSerializer(child=serializers.CharField()), **_REFUSED}
    )
    def get(self, request: Request) -> Response:
        """The funding parties of one's own lender, by the references that its loans and agreements name."""
        return Response(selectors.funding_parties(_lender(request)))


class FunderStatementView(APIView):
    permission_classes = [MayReadBooks]

    @extend_schema(
        operation_id="funder_statement",
        tags=["loans"],
        parameters=[FunderPeriodSerializer],
        responses={200: FunderStatementSerializer, **_REFUSED},
    )
    def get(self, request: Request, party_ref: str) -> Response:
        """The statement of a funding party in a period."""
        period = FunderPeriodSerializer(data=request.query_params)
        if not period.is_valid():
            raise BadInput(fields=period.errors)
        told = selectors.funder_statement(legal_entity_id=_lender(request), party_ref=party_ref, **period.validated_data)
        answer = {
            "party_ref": told.party_ref,
            "first": told.first,
            "last": told.last,
            "accounts": told.accounts,
            "moves": told.moves,
            "loans": [
                {
                    **{name: getattr(row, name) for name in ("loan_id", "number", "share", "opening", "closing", "principal")},
                    **{flow.value: amount for flow, amount in zip(FLOWS, row.flows, strict=True)},
                }
                for row in told.loans
            ],
            "count": told.count,
            "page": told.page,
            "pages": told.pages,
        }
        return Response(FunderStatementSerializer(answer).data)
