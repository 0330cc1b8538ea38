"""Public: the vehicle catalogue, the products on sale, the calculator."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer

from apps.common import clock
from apps.common.api import APIView, ProblemSerializer
from apps.organisations import selectors as organisations
from apps.products import selectors, services
from apps.products.api import serializers as s


def _lender_id(code: str | None) -> UUID:
    return (organisations.entity_by_code(code) if code else organisations.default_entity()).id


class PublicView(APIView):
    """Open to everybody, signed in or not."""

    authentication_classes: list[Any] = []
    permission_classes: list[Any] = []

    def query(self, serializer_class: type[Serializer], request: Request) -> dict[str, Any]:
        """The validated query parameters."""
        serializer = serializer_class(data=request.query_params)
        serializer.is_valid(raise_exception=True)
        return serializer.validated_data


class VehiclesView(PublicView):
    @extend_schema(
        operation_id="vehicles_list",
        tags=["catalogue"],
        auth=[],
        parameters=[s.VehicleQuerySerializer],
        responses={200: s.VehicleSerializer(many=True), 422: ProblemSerializer},
    )
    def get(self, request: Request) -> Response:
        """Cars on sale whose name holds every word that was typed."""
        data = self.query(s.VehicleQuerySerializer, request)
        return Response(s.VehicleSerializer(selectors.search_vehicles(data["search"], limit=data["limit"]), many=True).data)


class ProductsView(PublicView):
    @extend_schema(
        operation_id="products_list",
        tags=["catalogue"],
        auth=[],
        parameters=[s.LenderQuerySerializer],
        responses={200: s.ProductSerializer(many=True), 404: ProblemSerializer, 422: ProblemSerializer},
    )
    def get(self, request: Request) -> Response:
        """Products on sale today, with the terms and the span of rates of each way to repay."""
        data = self.query(s.LenderQuerySerializer, request)
        found = selectors.on_sale(_lender_id(data.get("lender")), on=clock.local_date(self.now))
        return Response(s.ProductSerializer(found, many=True).data)


class CalculatorView(PublicView):
    @extend_schema(
        operation_id="calculator_quote",
        tags=["catalogue"],
        auth=[],
        request=s.CalculatorInputSerializer,
        responses={200: s.QuoteSerializer, 404: ProblemSerializer, 422: ProblemSerializer},
    )
    def post(self, request: Request) -> Response:
        """What a loan taken today would cost: instalments, all costs, annual rates, plan. Above the legal cap it is refused."""
        data = self.parse(s.CalculatorInputSerializer, request)
        lender = data.pop("lender", None)
        data["annual_rate"] = data["annual_rate"] / Decimal(100)
        quote = services.calculate(legal_entity_id=_lender_id(lender), on=clock.local_date(self.now), **data)
        rows = quote.schedule.rows
        document = {
            "installment": quote.installment,
            "last_installment": rows[-1].total,
            "total_interest": quote.total_interest,
            "fees": quote.fees,
            "total_cost": quote.total_cost,
            "apr_irr": quote.apr_irr,
            "effective_rate": quote.effective_rate,
            "schedule": rows,
        }
        return Response(s.QuoteSerializer(document).data)
