"""Extra fields of loans, and claims from compensations, for staff apps and partner systems."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.common.api import APIView, ProblemSerializer
from apps.common.errors import BadInput, NotPermitted
from apps.loans import selectors, services
from apps.loans.api.operations import MayOperate
from apps.loans.api.serializers import LoanComponentsSerializer
from apps.loans.domain import COMPONENTS
from apps.loans.models import Loan
from apps.organisations.selectors import business_date

MOST_FOUND: Final = 100
_REFUSED = {403: ProblemSerializer, 404: ProblemSerializer, 422: ProblemSerializer}


class ExtraSerializer(serializers.Serializer):
    """An extra field with the loan's value."""

    name = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]
    kind = serializers.CharField(help_text="text, number (as text), date, flag or choice")
    is_required = serializers.BooleanField()
    choices = serializers.ListField(child=serializers.CharField())
    value = serializers.JSONField(allow_null=True)


class ExtrasSerializer(serializers.Serializer):
    """All extra fields of a loan."""

    fields_kept = ExtraSerializer(many=True)


class ExtrasRequestSerializer(serializers.Serializer):
    """The values of all extra fields by name; what is left out is emptied."""

    values = serializers.DictField(child=serializers.CharField(max_length=200, allow_blank=True))


class ExtraQuerySerializer(serializers.Serializer):
    """A field and what it says."""

    field = serializers.CharField(max_length=32, help_text="name of an extra field")
    value = serializers.CharField(max_length=200, help_text="its value, whole")


class FoundLoanSerializer(serializers.Serializer):
    """A loan that was looked for."""

    id = serializers.UUIDField()
    number = serializers.CharField()
    state = serializers.CharField()
    opened_on = serializers.DateField()


class ClaimSerializer(serializers.Serializer):
    """A payer's claim on the borrower; `is_void` when the compensation was cancelled."""

    transaction_id = serializers.UUIDField()
    payer = serializers.CharField()
    on = serializers.DateField()
    paid = serializers.DecimalField(max_digits=18, decimal_places=2)
    components = LoanComponentsSerializer()
    total = serializers.DecimalField(max_digits=18, decimal_places=2)
    recovered = serializers.DecimalField(max_digits=18, decimal_places=2)
    open = serializers.DecimalField(max_digits=18, decimal_places=2)
    is_void = serializers.BooleanField()


def _loan(request: Request, loan_id: UUID) -> Loan:
    loan = selectors.loans(request.user).filter(id=loan_id).first()
    if loan is None:
        raise selectors.LoanUnknown
    return loan


class LoansByExtraView(APIView):
    permission_classes = [MayOperate]

    @extend_schema(
        operation_id="loans_by_extra",
        tags=["loans"],
        parameters=[ExtraQuerySerializer],
        responses={200: FoundLoanSerializer(many=True), **_REFUSED},
    )
    def get(self, request: Request) -> Response:
        """The loans whose extra field has a value, such as a car's plate; the 100 newest."""
        asked = ExtraQuerySerializer(data=request.query_params)
        if not asked.is_valid():
            raise BadInput(fields=asked.errors)
        lender = request.user.legal_entity_id  # type: ignore[union-attr]
        if lender is None:
            raise NotPermitted
        name, value = asked.validated_data["field"], asked.validated_data["value"]
        found = selectors.loans_with_extra(request.user, lender, name, value)[:MOST_FOUND]
        return Response(FoundLoanSerializer(found, many=True).data)


class ExtrasView(APIView):
    permission_classes = [MayOperate]

    @extend_schema(operation_id="loan_extras", tags=["loans"], responses={200: ExtrasSerializer, **_REFUSED})
    def get(self, request: Request, loan_id: UUID) -> Response:
        """The fields that the lender's staff defined, with the loan's values."""
        return Response(ExtrasSerializer({"fields_kept": selectors.extras_of(_loan(request, loan_id))}).data)

    @extend_schema(
        operation_id="loan_extras_keep", tags=["loans"], request=ExtrasRequestSerializer, responses={200: ExtrasSerializer, **_REFUSED}
    )
    def put(self, request: Request, loan_id: UUID) -> Response:
        """Keep the values of all extra fields; the same again changes nothing."""
        asked = self.parse(ExtrasRequestSerializer, request)
        services.keep_extras(loan_id=loan_id, values=asked["values"], actor=self.actor, now=self.now)
        return Response(ExtrasSerializer({"fields_kept": selectors.extras_of(_loan(request, loan_id))}).data)


class ClaimsView(APIView):
    permission_classes = [MayOperate]

    @extend_schema(operation_id="loan_claims", tags=["loans"], responses={200: ClaimSerializer(many=True), **_REFUSED})
    def get(self, request: Request, loan_id: UUID) -> Response:
        """Claims of those who paid for the borrower, oldest first; what they get back is entered as operation `claim_recovery`."""
        loan = _loan(request, loan_id)
        found = selectors.claims_of(loan, max(business_date(loan.legal_entity_id), loan.opened_on))
        nothing = dict.fromkeys((part.value for part in COMPONENTS), 0)
        rows = [
            {
                **{name: getattr(claim, name) for name in ClaimSerializer().fields.keys() - {"components"}},
                "components": nothing | {part.value: amount for part, amount in claim.components.items()},
            }
            for claim in found
        ]
        return Response(ClaimSerializer(rows, many=True).data)
