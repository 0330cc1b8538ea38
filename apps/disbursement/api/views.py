"""Customers' payments."""

from __future__ import annotations

from uuid import UUID

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.common.api import APIView, CursorPages, IsCustomer, ProblemSerializer
from apps.common.idempotency import idempotent
from apps.common.schema import PAGE_PARAMETERS, page_of
from apps.disbursement import selectors, services
from apps.disbursement.api.serializers import RepaymentInput, RepaymentOutput

TAGS = ["repayments"]


class LoanRepaymentsView(APIView):
    """Payments of one loan: the customer's own."""

    permission_classes = [IsCustomer]

    @extend_schema(
        operation_id="me_loan_repayments_list",
        tags=TAGS,
        parameters=PAGE_PARAMETERS,
        responses={200: page_of(RepaymentOutput), 401: ProblemSerializer, 403: ProblemSerializer},
    )
    def get(self, request: Request, loan_id: UUID) -> Response:
        """Payments of a loan, newest first, in pages."""
        pages = CursorPages()
        rows = pages.paginate_queryset(selectors.orders_of(request.user, loan_id=loan_id), request, view=self)
        return pages.get_paginated_response(RepaymentOutput(rows, many=True).data)

    @extend_schema(
        operation_id="me_loan_repayments_create",
        tags=TAGS,
        request=RepaymentInput,
        responses={202: RepaymentOutput, 404: ProblemSerializer, 409: ProblemSerializer, 422: ProblemSerializer},
    )
    @idempotent
    def post(self, request: Request, loan_id: UUID) -> Response:
        """Order a payment from the default card. The bank's result comes later: ask for the payment again, or wait for the message."""
        wish = self.parse(RepaymentInput, request)
        order = services.pay_now(
            loan_id=loan_id,
            purpose=wish["purpose"],
            amount=wish.get("amount"),
            mode=wish.get("mode", ""),
            actor=self.actor,
            now=self.now,
        )
        return Response(RepaymentOutput(order).data, status=202)


class RepaymentView(APIView):
    """One payment."""

    permission_classes = [IsCustomer]

    @extend_schema(operation_id="me_repayments_retrieve", tags=TAGS, responses={200: RepaymentOutput, 404: ProblemSerializer})
    def get(self, request: Request, order_id: UUID) -> Response:
        """What became of a payment."""
        return Response(RepaymentOutput(get_object_or_404(selectors.orders_of(request.user), id=order_id)).data)
