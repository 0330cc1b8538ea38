"""A customer's papers after the loan was paid out."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request

from apps.common.api import APIView, IsCustomer, ProblemSerializer, file_response
from apps.loans import selectors as loans
from apps.postloan import services


class StatementPeriodSerializer(serializers.Serializer):
    """The period of a statement on paper."""

    first = serializers.DateField(required=False, help_text="first day; the first day of the loan when left out")
    last = serializers.DateField(required=False, help_text="last day; the lender's business day when left out")


class StatementFileView(APIView):
    permission_classes = [IsCustomer]

    @extend_schema(
        operation_id="me_loans_statement_file",
        tags=["loans"],
        parameters=[StatementPeriodSerializer],
        responses={
            (200, "application/pdf"): OpenApiTypes.BINARY,
            403: ProblemSerializer,
            404: ProblemSerializer,
            422: ProblemSerializer,
        },
    )
    def get(self, request: Request, loan_id: UUID) -> HttpResponse:
        """The statement of account as PDF: opening and closing balance, every transaction with its allocation, what is due next."""
        query = StatementPeriodSerializer(data=request.query_params)
        query.is_valid(raise_exception=True)
        loan = loans.loans(request.user).filter(id=loan_id).first()
        if loan is None:
            raise loans.LoanUnknown
        asked = query.validated_data
        paper = services.print_statement(loan=loan, first=asked.get("first"), last=asked.get("last"), now=self.now)
        return file_response(paper, filename=f"{loan.number}.pdf", content_type="application/pdf")
