"""A customer's own loans."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Any
from uuid import UUID

from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.common.api import APIView, CursorPages, IsCustomer, ProblemSerializer
from apps.common.errors import BadInput
from apps.common.schema import PAGE_PARAMETERS, page_of
from apps.loans import selectors
from apps.loans.api import serializers as s
from apps.loans.models import LIVE, Loan
from apps.organisations.selectors import business_date

_QUOTED_DAYS_AHEAD = 90


def _own_loan(request: Request, loan_id: UUID) -> Loan:
    loan = selectors.loans(request.user).filter(id=loan_id).first()
    if loan is None:
        raise selectors.LoanUnknown
    return loan


class LoansView(APIView):
    permission_classes = [IsCustomer]

    @extend_schema(
        operation_id="me_loans_list",
        tags=["loans"],
        parameters=PAGE_PARAMETERS,
        responses={200: page_of(s.LoanSerializer), 403: ProblemSerializer},
    )
    def get(self, request: Request) -> Response:
        """The customer's loans, newest first."""
        pages = CursorPages()
        page = pages.paginate_queryset(selectors.loans(request.user), request, view=self)
        return pages.get_paginated_response(s.LoanSerializer([selectors.brief_of(loan) for loan in page or []], many=True).data)


class LoanView(APIView):
    permission_classes = [IsCustomer]

    @extend_schema(
        operation_id="me_loans_retrieve",
        tags=["loans"],
        responses={200: s.LoanDetailSerializer, 403: ProblemSerializer, 404: ProblemSerializer},
    )
    def get(self, request: Request, loan_id: UUID) -> Response:
        """One loan: schedule, what is due and what would end it on the business day, on which a payment ordered now counts."""
        loan = _own_loan(request, loan_id)
        standing = selectors.standing_of(loan, max(business_date(loan.legal_entity_id), loan.opened_on))
        running = loan.state in LIVE
        answer: dict[str, Any] = {
            **dataclasses.asdict(standing.brief),
            "annual_rate": standing.annual_rate,
            "installments": standing.installments,
            "method": standing.method,
            "schedule": standing.schedule,
            "due": standing.due if running else None,
            "payoff": standing.payoff if running else None,
        }
        return Response(s.LoanDetailSerializer(answer).data)


class PayoffView(APIView):
    permission_classes = [IsCustomer]

    @extend_schema(
        operation_id="me_loans_payoff",
        tags=["loans"],
        parameters=[s.PayoffQuerySerializer],
        responses={
            200: s.PayoffSerializer,
            403: ProblemSerializer,
            404: ProblemSerializer,
            409: ProblemSerializer,
            422: ProblemSerializer,
        },
    )
    def get(self, request: Request, loan_id: UUID) -> Response:
        """What ends the loan on a day. A quote for a later day binds when paid on that day."""
        loan = _own_loan(request, loan_id)
        query = s.PayoffQuerySerializer(data=request.query_params)
        query.is_valid(raise_exception=True)
        today = business_date(loan.legal_entity_id)
        on = query.validated_data.get("on", today)
        if not today <= on <= today + dt.timedelta(days=_QUOTED_DAYS_AHEAD):
            raise BadInput(fields={"on": [_("Choose a day from today on, at most %(days)s days ahead.") % {"days": _QUOTED_DAYS_AHEAD}]})
        if loan.state not in LIVE:
            raise selectors.LoanNotRunning(loan=loan.number, state=loan.state)
        return Response(s.PayoffSerializer(selectors.payoff_quote(loan_id=loan.id, on=on)).data)


class StatementView(APIView):
    permission_classes = [IsCustomer]

    @extend_schema(
        operation_id="me_loans_statement",
        tags=["loans"],
        parameters=[s.StatementQuerySerializer],
        responses={200: s.StatementSerializer, 403: ProblemSerializer, 404: ProblemSerializer, 422: ProblemSerializer},
    )
    def get(self, request: Request, loan_id: UUID) -> Response:
        """What the loan owed, what moved line by line, and what it owes; lines oldest first, in pages."""
        loan = _own_loan(request, loan_id)
        query = s.StatementQuerySerializer(data=request.query_params)
        query.is_valid(raise_exception=True)
        asked = query.validated_data
        today = max(business_date(loan.legal_entity_id), loan.opened_on)
        told = selectors.statement_for(loan, asked.get("first", loan.opened_on), asked.get("last", today))
        return Response(s.StatementSerializer(_statement(told, asked["page"], asked["page_size"])).data)


def _statement(told: selectors.LoanStatement, page: int, size: int) -> dict[str, Any]:
    statement = told.statement
    deposit = selectors.deposit_between(told.loan.id, statement.first, statement.last)
    lines = statement.lines[(page - 1) * size : page * size]
    return {
        "loan_id": told.loan.id,
        "number": told.loan.number,
        "first": statement.first,
        "last": statement.last,
        "opening": statement.opening.owed(),
        "opening_credit": statement.opening_credit,
        **{flow.value: amounts for flow, amounts in statement.moved.flows.items()},
        "closing": statement.closing.owed(),
        "closing_credit": statement.closing_credit,
        "opening_deposit": deposit.opening,
        "closing_deposit": deposit.closing,
        "count": len(statement.lines),
        "page": page,
        "lines": [
            {
                "on": line.on,
                "kind": line.kind,
                "transaction_id": line.transaction_id,
                "amount": line.amount,
                "moved": line.moved,
                "credit": line.credit,
                "principal_after": line.principal,
                "credit_after": line.credit_after,
                "is_reversed": line.reversed_by is not None,
            }
            for line in lines
        ],
    }
