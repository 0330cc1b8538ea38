"""A customer's own applications: see, compare offers, take one, withdraw."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.applications import selectors, services
from apps.applications.api import serializers as s
from apps.common.api import APIView, CursorPages, IsCustomer, ProblemSerializer
from apps.common.idempotency import idempotent
from apps.common.schema import PAGE_PARAMETERS, page_of

_NOT_MINE = {403: ProblemSerializer, 404: ProblemSerializer}
_REFUSED = _NOT_MINE | {409: ProblemSerializer, 422: ProblemSerializer}


def _own(request: Request, application_id: UUID) -> UUID:
    """The id, once it is known to be the person's own. Raises `NoSuchApplication`."""
    return selectors.visible_order(request.user, application_id).id


class ApplicationsView(APIView):
    permission_classes = [IsCustomer]

    @extend_schema(
        operation_id="me_applications_list",
        tags=["applications"],
        parameters=PAGE_PARAMETERS,
        responses={200: page_of(s.ApplicationSerializer), 403: ProblemSerializer},
    )
    def get(self, request: Request) -> Response:
        """The customer's applications, newest first."""
        pages = CursorPages()
        page = pages.paginate_queryset(selectors.orders_of(request.user), request, view=self)
        rows = [selectors.application_line(application) for application in page or []]
        return pages.get_paginated_response(s.ApplicationSerializer(rows, many=True).data)


class ApplicationView(APIView):
    permission_classes = [IsCustomer]

    @extend_schema(
        operation_id="me_applications_retrieve", tags=["applications"], responses={200: s.ApplicationDetailSerializer} | _NOT_MINE
    )
    def get(self, request: Request, application_id: UUID) -> Response:
        """One application with its way so far."""
        return Response(s.ApplicationDetailSerializer(_detail(_own(request, application_id))).data)


class OffersView(APIView):
    permission_classes = [IsCustomer]

    @extend_schema(operation_id="me_applications_offers", tags=["applications"], responses={200: s.OfferSerializer(many=True)} | _NOT_MINE)
    def get(self, request: Request, application_id: UUID) -> Response:
        """The plans of the present round, best first, each with its full cost table and schedule."""
        return Response(s.OfferSerializer(selectors.offers_in_full(_own(request, application_id)), many=True).data)


class AcceptOfferView(APIView):
    permission_classes = [IsCustomer]

    @extend_schema(
        operation_id="me_applications_accept",
        tags=["applications"],
        request=s.AcceptOfferSerializer,
        responses={200: s.ApplicationDetailSerializer} | _REFUSED,
    )
    @idempotent
    def post(self, request: Request, application_id: UUID) -> Response:
        """Take an offer."""
        given = self.parse(s.AcceptOfferSerializer, request)
        services.accept_offer(application_id=_own(request, application_id), offer_id=given["offer_id"], actor=self.actor, now=self.now)
        return Response(s.ApplicationDetailSerializer(_detail(application_id)).data)


class WithdrawView(APIView):
    permission_classes = [IsCustomer]

    @extend_schema(
        operation_id="me_applications_withdraw",
        tags=["applications"],
        request=s.WithdrawSerializer,
        responses={200: s.ApplicationDetailSerializer} | _REFUSED,
    )
    def post(self, request: Request, application_id: UUID) -> Response:
        """Withdraw the application; doing it again changes nothing."""
        given = self.parse(s.WithdrawSerializer, request)
        services.withdraw(application_id=_own(request, application_id), reason=given["reason"], actor=self.actor, now=self.now)
        return Response(s.ApplicationDetailSerializer(_detail(application_id)).data)


def _detail(application_id: UUID) -> dict[str, Any]:
    application = selectors.by_id(application_id)
    return selectors.application_line(application) | {
        "reasons": selectors.plain_reasons(application),
        "chosen_offer_id": application.chosen_offer_id,
        "steps": [entry for entry in selectors.timeline(application_id) if entry.from_state != entry.to_state],
    }
