"""Collateral, co-borrowers and guarantors for staff apps and partner systems."""

from __future__ import annotations

import datetime as dt
from typing import Any
from uuid import UUID

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.common.api import APIView, ProblemSerializer
from apps.common.errors import BadInput, NotPermitted
from apps.loans import selectors, services
from apps.loans.api.operations import MayOperate
from apps.loans.models import Collateral, LoanParty
from apps.organisations.selectors import business_date

_REFUSED = {403: ProblemSerializer, 404: ProblemSerializer, 409: ProblemSerializer, 422: ProblemSerializer}


def _yuan() -> serializers.DecimalField:
    return serializers.DecimalField(max_digits=18, decimal_places=2)


class ValueRequestSerializer(serializers.Serializer):
    """What a collateral is worth from a day on."""

    number = serializers.CharField(max_length=24, help_text="collateral number")
    value = _yuan()
    valued_on = serializers.DateField()
    basis = serializers.CharField(max_length=100, required=False, default="", allow_blank=True, help_text="by whom or how it was valued")


class CollateralRequestSerializer(serializers.Serializer):
    """A collateral with its first value."""

    kind = serializers.ChoiceField(choices=Collateral.Kind.values)
    identifier = serializers.CharField(max_length=64)
    owner_ref = serializers.UUIDField()
    description = serializers.CharField(max_length=200, required=False, default="", allow_blank=True)
    value = _yuan()
    valued_on = serializers.DateField()
    basis = serializers.CharField(max_length=100, required=False, default="", allow_blank=True)


class CollateralSerializer(serializers.Serializer):
    """A collateral of the register."""

    number = serializers.CharField()
    kind = serializers.CharField()
    identifier = serializers.CharField()


class PledgeRequestSerializer(serializers.Serializer):
    """A collateral secures the loan from a day on, or until it (`released_on`, with its reason)."""

    number = serializers.CharField(max_length=24, help_text="collateral number")
    pledged_on = serializers.DateField(required=False)
    released_on = serializers.DateField(required=False)
    reason = serializers.CharField(max_length=200, required=False, default="", allow_blank=True)


class PartyRequestSerializer(serializers.Serializer):
    """A person answers for the loan from a day on with parts per 10,000, or until a day (`ended_on`, with its reason)."""

    person_ref = serializers.UUIDField()
    role = serializers.ChoiceField(choices=LoanParty.Role.values)
    parts = serializers.IntegerField(min_value=1, max_value=10_000, required=False)
    since = serializers.DateField(required=False)
    ended_on = serializers.DateField(required=False)
    reason = serializers.CharField(max_length=200, required=False, default="", allow_blank=True)


class SecuredBySerializer(CollateralSerializer):
    """A collateral of the loan; `part` is what of its value stands behind this loan."""

    value = _yuan()
    part = _yuan()


class PartySerializer(serializers.Serializer):
    """Who answers for the loan beside the borrower."""

    person_ref = serializers.UUIDField()
    role = serializers.CharField()
    parts = serializers.IntegerField(help_text="per 10,000")
    since = serializers.DateField()


class SecuritySerializer(serializers.Serializer):
    """What stands behind a loan on a day; `loan_to_value` is a fraction."""

    on = serializers.DateField()
    principal = _yuan()
    collateral = SecuredBySerializer(many=True)
    parties = PartySerializer(many=True)
    loan_to_value = serializers.DecimalField(max_digits=24, decimal_places=4, allow_null=True)


def _answer(request: Request, loan_id: UUID, on: dt.date | None = None) -> Response:
    loan = selectors.loans(request.user).filter(id=loan_id).first()
    if loan is None:
        raise selectors.LoanUnknown
    day = on or max(business_date(loan.legal_entity_id), loan.opened_on)
    return Response(SecuritySerializer(selectors.security_of(loan.id, day)).data)


class SecurityView(APIView):
    permission_classes = [MayOperate]

    @extend_schema(
        operation_id="loan_security",
        tags=["loans"],
        parameters=[OpenApiParameter("on", dt.date, description="the open business day when left out")],
        responses={200: SecuritySerializer, **_REFUSED},
    )
    def get(self, request: Request, loan_id: UUID) -> Response:
        """Collateral, co-borrowers and guarantors of a loan, and its loan-to-value."""
        text = request.query_params.get("on", "")
        try:
            on = dt.date.fromisoformat(text) if text else None
        except ValueError:
            raise BadInput(fields={"on": ["2026-01-31"]}) from None
        return _answer(request, loan_id, on)


class PledgesView(APIView):
    permission_classes = [MayOperate]

    @extend_schema(
        operation_id="loan_pledges", tags=["loans"], request=PledgeRequestSerializer, responses={200: SecuritySerializer, **_REFUSED}
    )
    def post(self, request: Request, loan_id: UUID) -> Response:
        """Pledge a collateral to the loan, or release it."""
        asked = self.parse(PledgeRequestSerializer, request)
        who: dict[str, Any] = {"loan_id": loan_id, "number": asked["number"], "actor": self.actor, "now": self.now}
        if "released_on" in asked:
            services.release_collateral(released_on=asked["released_on"], reason=asked["reason"], **who)
        else:
            services.pledge_collateral(pledged_on=_needed(asked, "pledged_on"), **who)
        return _answer(request, loan_id)


class PartiesView(APIView):
    permission_classes = [MayOperate]

    @extend_schema(
        operation_id="loan_parties", tags=["loans"], request=PartyRequestSerializer, responses={200: SecuritySerializer, **_REFUSED}
    )
    def post(self, request: Request, loan_id: UUID) -> Response:
        """Add a co-borrower or guarantor, or let one go."""
        asked = self.parse(PartyRequestSerializer, request)
        who: dict[str, Any] = {"loan_id": loan_id, "person_ref": asked["person_ref"], "role": asked["role"]}
        who |= {"actor": self.actor, "now": self.now}
        if "ended_on" in asked:
            services.end_party(ended_on=asked["ended_on"], reason=asked["reason"], **who)
        else:
            services.add_party(parts=_needed(asked, "parts"), since=_needed(asked, "since"), **who)
        return _answer(request, loan_id)


class CollateralView(APIView):
    permission_classes = [MayOperate]

    @extend_schema(
        operation_id="collateral_register",
        tags=["loans"],
        request=CollateralRequestSerializer,
        responses={201: CollateralSerializer, **_REFUSED},
    )
    def post(self, request: Request) -> Response:
        """Enter a collateral into the register of one's own lender."""
        entity_id = getattr(request.user, "legal_entity_id", None)
        if entity_id is None:
            raise NotPermitted
        asked = self.parse(CollateralRequestSerializer, request)
        made = services.register_collateral(legal_entity_id=entity_id, actor=self.actor, now=self.now, **asked)
        return Response(CollateralSerializer(made).data, status=201)


class ValuesView(APIView):
    permission_classes = [MayOperate]

    @extend_schema(operation_id="collateral_value", tags=["loans"], request=ValueRequestSerializer, responses={204: None, **_REFUSED})
    def post(self, request: Request) -> Response:
        """Enter what a collateral is worth from a day on."""
        services.value_collateral(actor=self.actor, now=self.now, **self.parse(ValueRequestSerializer, request))
        return Response(status=204)


def _needed(asked: dict[str, Any], name: str) -> Any:
    if name not in asked:
        raise BadInput(fields={name: ["required"]})
    return asked[name]
