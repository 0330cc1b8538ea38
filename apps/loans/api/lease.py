"""Vehicle leases for staff apps and partner systems: what was agreed, the car, the deposit. Deeds on them: `loan-operations`."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.common.api import APIView, ProblemSerializer
from apps.loans import selectors, services
from apps.loans.api.operations import MayOperate
from apps.loans.models import Lease
from apps.organisations.selectors import business_date

_REFUSED = {403: ProblemSerializer, 404: ProblemSerializer, 409: ProblemSerializer, 422: ProblemSerializer}


def _yuan(**options: Any) -> serializers.DecimalField:
    return serializers.DecimalField(max_digits=18, decimal_places=2, **options)


class LeaseRequestSerializer(serializers.Serializer):
    """That a loan is a vehicle lease, and what was agreed; `purchase_price` left out: the customer has no option to buy."""

    kind = serializers.ChoiceField(choices=Lease.Kind.values)
    vehicle_name = serializers.CharField(max_length=200, required=False, default="", allow_blank=True)
    vehicle_price = _yuan(required=False, default=Decimal("0.00"))
    down_payment = _yuan(required=False, default=Decimal("0.00"))
    deposit = _yuan(required=False, default=Decimal("0.00"))
    offsets_deposit = serializers.BooleanField(required=False, default=False, help_text="the deposit pays the last instalments")
    purchase_price = _yuan(required=False, allow_null=True, default=None)


class CarRequestSerializer(serializers.Serializer):
    """The frame number of the leased car; in a leaseback the car is mortgaged from `on`."""

    vehicle = serializers.CharField(max_length=64)
    on = serializers.DateField()


class DepositMoveSerializer(serializers.Serializer):
    """What changed the deposit held; above zero it came in."""

    on = serializers.DateField()
    event = serializers.CharField()
    amount = _yuan()
    held = _yuan()


class TaxRowSerializer(serializers.Serializer):
    """The interest of an instalment: net and output tax."""

    no = serializers.IntegerField()
    due_date = serializers.DateField()
    interest = _yuan()
    net = _yuan()
    tax = _yuan()


class LeaseSerializer(serializers.Serializer):
    """A vehicle lease; `title`: who owns the car."""

    kind = serializers.CharField(source="lease.kind")
    state = serializers.CharField(source="lease.state")
    vehicle = serializers.CharField(source="lease.vehicle")
    vehicle_name = serializers.CharField(source="lease.vehicle_name")
    vehicle_price = _yuan(source="lease.vehicle_price")
    down_payment = _yuan(source="lease.down_payment")
    deposit = _yuan(source="lease.deposit")
    offsets_deposit = serializers.BooleanField(source="lease.offsets_deposit")
    purchase_price = _yuan(source="lease.purchase_price", allow_null=True)
    ended_on = serializers.DateField(source="lease.ended_on", allow_null=True)
    registration = serializers.CharField(source="lease.registration")
    condition = serializers.CharField(source="lease.condition")
    car_value = _yuan(source="lease.car_value", allow_null=True)
    title = serializers.SerializerMethodField()
    is_mortgaged = serializers.BooleanField()
    is_finance_lease = serializers.BooleanField(source="lease.loan.is_lease")
    deposit_held = _yuan()
    deposit_moves = DepositMoveSerializer(many=True)
    tax_rows = TaxRowSerializer(many=True)

    def get_title(self, view: selectors.LeaseView) -> str:
        return "customer" if view.is_customers else "lessor"


def _answer(request: Request, loan_id: UUID) -> Response:
    loan = selectors.loans(request.user).filter(id=loan_id).first()
    if loan is None:
        raise selectors.LoanUnknown
    view = selectors.lease_view(loan, max(business_date(loan.legal_entity_id), loan.opened_on))
    if view is None:
        raise services.LeaseUnknown(loan=loan.number)
    return Response(LeaseSerializer(view).data)


class LeaseView(APIView):
    permission_classes = [MayOperate]

    @extend_schema(operation_id="loan_lease", tags=["loans"], responses={200: LeaseSerializer, **_REFUSED})
    def get(self, request: Request, loan_id: UUID) -> Response:
        """The vehicle lease of a loan: who owns the car, the deposit held, output tax by instalment."""
        return _answer(request, loan_id)

    @extend_schema(
        operation_id="loan_lease_agree", tags=["loans"], request=LeaseRequestSerializer, responses={200: LeaseSerializer, **_REFUSED}
    )
    def post(self, request: Request, loan_id: UUID) -> Response:
        """Record that a loan, such as one taken over, is a vehicle lease. The same again changes nothing."""
        terms = services.LeaseTerms(**self.parse(LeaseRequestSerializer, request))
        services.agree_lease(loan_id=loan_id, terms=terms, actor=self.actor, now=self.now)
        return _answer(request, loan_id)


class CarView(APIView):
    permission_classes = [MayOperate]

    @extend_schema(
        operation_id="loan_lease_car", tags=["loans"], request=CarRequestSerializer, responses={200: LeaseSerializer, **_REFUSED}
    )
    def post(self, request: Request, loan_id: UUID) -> Response:
        """Note the frame number of the leased car; in a leaseback the customer's car is mortgaged with it."""
        services.identify_car(loan_id=loan_id, actor=self.actor, now=self.now, **self.parse(CarRequestSerializer, request))
        return _answer(request, loan_id)
