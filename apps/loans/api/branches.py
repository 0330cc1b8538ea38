"""The branches of a loan, for staff apps and partner systems; a transfer is the counter operation `branch_transfer`."""

from __future__ import annotations

from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from apps.common.api import APIView, ProblemSerializer
from apps.loans import selectors
from apps.loans.api.operations import MayOperate


class LoanBranchSerializer(serializers.Serializer):
    """From `since` on the loan belongs to a branch, until the next one."""

    code = serializers.CharField()
    name = serializers.CharField()
    since = serializers.DateField()
    booked_on = serializers.DateField(help_text="business date on which it was entered")
    reason = serializers.CharField(allow_blank=True)
    actor = serializers.CharField()


class LoanBranchesView(APIView):
    permission_classes = [MayOperate]

    @extend_schema(
        operation_id="loan_branches",
        tags=["loans"],
        responses={200: LoanBranchSerializer(many=True), 403: ProblemSerializer, 404: ProblemSerializer},
    )
    def get(self, request: Request, loan_id: UUID) -> Response:
        """Every branch that the loan has belonged to, the present one last."""
        loan = selectors.loans(request.user).filter(id=loan_id).first()
        if loan is None:
            raise selectors.LoanUnknown
        return Response(LoanBranchSerializer(selectors.branches_of(loan), many=True).data)
