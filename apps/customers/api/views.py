"""The customer's app: signing in, consents, identity, profile, cards."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import ScopedRateThrottle
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.serializers import TokenRefreshSerializer

from apps.common import clock
from apps.common.actors import Actor
from apps.common.api import APIView, IsCustomer, ProblemSerializer
from apps.common.errors import CarloanError
from apps.common.middleware import client_address
from apps.customers import selectors, services
from apps.customers.api import serializers as s
from apps.customers.models import Customer
from apps.organisations import selectors as organisations

REFUSALS = {401: ProblemSerializer, 403: ProblemSerializer}
CHANGED = {**REFUSALS, 409: ProblemSerializer, 422: ProblemSerializer}
LENDER = OpenApiParameter("lender", str, description="Code of the legal entity; not needed where there is only one.")


class TokenInvalid(CarloanError):
    """A refresh token that is wrong, used or too old."""

    status = 401
    code = "token_invalid"
    title = _("Please sign in again.")


def lender_id(code: str | None) -> UUID:
    """The legal entity that a request names, or the only one. Raises `EntityUnknown`."""
    return (organisations.entity_by_code(code) if code else organisations.default_entity()).id


class CustomerView(APIView):
    """Base of views for a signed-in customer; `customer_id` is theirs."""

    permission_classes = [IsCustomer]

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        user: Any = request.user
        self.customer_id: UUID = user.scope_ref


class LoginCodeView(APIView):
    authentication_classes: list[Any] = []
    permission_classes: list[Any] = []
    throttle_classes = [ScopedRateThrottle]
    throttle_scope = "codes"

    @extend_schema(
        operation_id="auth_code_request",
        tags=["auth"],
        auth=[],
        request=s.CodeRequestSerializer,
        responses={202: s.CodeSentSerializer, 404: ProblemSerializer, 422: ProblemSerializer, 429: ProblemSerializer},
    )
    def post(self, request: Request) -> Response:
        """Send a code by SMS: one a minute, five an hour and ten a day for a phone."""
        data = self.parse(s.CodeRequestSerializer, request)
        sent = services.request_login_code(
            phone=data["phone"],
            legal_entity_id=lender_id(data.get("lender")),
            ip=client_address(request),
            actor=Actor(kind="customer", label="anonymous"),
            now=self.now,
        )
        return Response(s.CodeSentSerializer(sent).data, status=status.HTTP_202_ACCEPTED)


class TokenView(APIView):
    authentication_classes: list[Any] = []
    permission_classes: list[Any] = []

    @extend_schema(
        operation_id="auth_token_create",
        tags=["auth"],
        auth=[],
        request=s.SignInSerializer,
        responses={200: s.TokensSerializer, 403: ProblemSerializer, 404: ProblemSerializer, 422: ProblemSerializer},
    )
    def post(self, request: Request) -> Response:
        """Exchange the code for tokens; the first time registers the customer."""
        data = self.parse(s.SignInSerializer, request)
        signed_in = services.sign_in(
            phone=data["phone"],
            code=data["code"],
            legal_entity_id=lender_id(data.get("lender")),
            device_id=data["device_id"],
            device_name=data["device_name"],
            place=data["place"],
            ip=client_address(request),
            now=self.now,
        )
        return Response(s.TokensSerializer(signed_in).data)


class TokenRefreshView(APIView):
    authentication_classes: list[Any] = []
    permission_classes: list[Any] = []

    @extend_schema(
        operation_id="auth_token_refresh",
        tags=["auth"],
        auth=[],
        request=s.RefreshSerializer,
        responses={200: s.RefreshedSerializer, 401: ProblemSerializer, 422: ProblemSerializer},
    )
    def post(self, request: Request) -> Response:
        """A new pair of tokens for a refresh token, which cannot be used again."""
        data = self.parse(s.RefreshSerializer, request)
        try:
            pair = TokenRefreshSerializer().validate(data)
        except TokenError as error:
            raise TokenInvalid from error
        return Response(s.RefreshedSerializer(pair).data)


class ConsentTextsView(APIView):
    authentication_classes: list[Any] = []
    permission_classes: list[Any] = []

    @extend_schema(
        operation_id="consent_texts_list",
        tags=["consents"],
        auth=[],
        parameters=[LENDER],
        responses={200: s.ConsentTextSerializer(many=True), 404: ProblemSerializer},
    )
    def get(self, request: Request) -> Response:
        """The text in force of each kind of consent."""
        texts = selectors.consent_texts(lender_id(request.query_params.get("lender")), on=clock.local_date(self.now))
        return Response(s.ConsentTextSerializer(texts, many=True).data)


class ConsentsView(CustomerView):
    @extend_schema(operation_id="me_consents_list", tags=["consents"], responses={200: s.ConsentSerializer(many=True), **REFUSALS})
    def get(self, request: Request) -> Response:
        """All consents given, withdrawn ones too, newest first."""
        return Response(s.ConsentSerializer(selectors.consents_of(self.customer_id), many=True).data)

    @extend_schema(
        operation_id="me_consents_give",
        tags=["consents"],
        request=s.ConsentInputSerializer,
        responses={201: s.ConsentSerializer, **CHANGED},
    )
    def post(self, request: Request) -> Response:
        """Agree to the text in force; agreeing twice gives the same consent."""
        data = self.parse(s.ConsentInputSerializer, request)
        consent = services.give_consent(customer_id=self.customer_id, actor=self.actor, now=self.now, ip=client_address(request), **data)
        return Response(s.ConsentSerializer(consent).data, status=status.HTTP_201_CREATED)


class ConsentWithdrawalView(CustomerView):
    @extend_schema(
        operation_id="me_consents_withdraw",
        tags=["consents"],
        request=s.ConsentWithdrawalSerializer,
        responses={200: s.ConsentSerializer, 404: ProblemSerializer, **CHANGED},
    )
    def post(self, request: Request) -> Response:
        """Take a consent back."""
        data = self.parse(s.ConsentWithdrawalSerializer, request)
        consent = services.withdraw_consent(customer_id=self.customer_id, actor=self.actor, now=self.now, **data)
        return Response(s.ConsentSerializer(consent).data)


class MeView(CustomerView):
    @extend_schema(operation_id="me_retrieve", tags=["me"], responses={200: s.MeSerializer, **REFUSALS})
    def get(self, request: Request) -> Response:
        """Who is signed in, masked, and what is still missing."""
        row = Customer.objects.visible_to(request.user).select_related("work").get(id=self.customer_id)
        contacts = list(row.contacts.order_by("created_at"))
        document = {
            "id": row.id,
            "state": row.state,
            "masked_phone": row.masked_phone,
            "masked_name": row.masked_name,
            "masked_id_number": row.masked_id_number,
            "profile": getattr(row, "work", None),
            "contacts": contacts,
            "passed_checks": sorted(selectors.passed_checks(row.id, now=self.now)),
            "consents": selectors.standing_consents(row.id),
            "profile_complete": selectors.profile_complete(row.id),
        }
        return Response(s.MeSerializer(document).data)


class ProfileView(CustomerView):
    @extend_schema(
        operation_id="me_profile_put", tags=["me"], request=s.ProfileInputSerializer, responses={200: s.ProfileSerializer, **CHANGED}
    )
    def put(self, request: Request) -> Response:
        """Work and home, in place of what was told before."""
        data = self.parse(s.ProfileInputSerializer, request)
        work = services.put_profile(customer_id=self.customer_id, actor=self.actor, now=self.now, **data)
        return Response(s.ProfileSerializer(work).data)


class ContactsView(CustomerView):
    @extend_schema(
        operation_id="me_contacts_add", tags=["me"], request=s.ContactInputSerializer, responses={201: s.ContactSerializer, **CHANGED}
    )
    def post(self, request: Request) -> Response:
        """Somebody who can reach the customer; at least two are needed. The same phone again corrects name and relation."""
        data = self.parse(s.ContactInputSerializer, request)
        contact = services.add_contact(customer_id=self.customer_id, actor=self.actor, now=self.now, **data)
        return Response(s.ContactSerializer(contact).data, status=status.HTTP_201_CREATED)


class ContactView(CustomerView):
    @extend_schema(operation_id="me_contacts_remove", tags=["me"], responses={204: None, 404: ProblemSerializer, **REFUSALS})
    def delete(self, request: Request, contact_id: UUID) -> Response:
        """Take a contact away."""
        services.remove_contact(customer_id=self.customer_id, contact_id=contact_id, actor=self.actor, now=self.now)
        return Response(status=status.HTTP_204_NO_CONTENT)


class IdentityChecksView(CustomerView):
    @extend_schema(operation_id="me_identity_checks_list", tags=["identity"], responses={200: s.CheckSerializer(many=True), **REFUSALS})
    def get(self, request: Request) -> Response:
        """All checks, newest first; poll this until none is pending."""
        return Response(s.CheckSerializer(selectors.identity_checks(self.customer_id), many=True).data)

    @extend_schema(
        operation_id="me_identity_checks_start",
        tags=["identity"],
        request=s.CheckInputSerializer,
        responses={202: s.CheckSerializer, 429: ProblemSerializer, **CHANGED},
    )
    def post(self, request: Request) -> Response:
        """Start, or after a failure start again, a check of ID authenticity or liveness; the result follows."""
        data = self.parse(s.CheckInputSerializer, request)
        check = services.start_identity_check(customer_id=self.customer_id, actor=self.actor, now=self.now, **data)
        return Response(s.CheckSerializer(check).data, status=status.HTTP_202_ACCEPTED)


class LivenessView(CustomerView):
    @extend_schema(
        operation_id="me_liveness_start",
        tags=["identity"],
        request=s.LivenessInputSerializer,
        responses={202: s.CheckSerializer, 429: ProblemSerializer, **CHANGED},
    )
    def post(self, request: Request) -> Response:
        """A fresh liveness check, for instance before signing."""
        data = self.parse(s.LivenessInputSerializer, request)
        check = services.start_identity_check(customer_id=self.customer_id, kind="liveness", actor=self.actor, now=self.now, **data)
        return Response(s.CheckSerializer(check).data, status=status.HTTP_202_ACCEPTED)


class CardsView(CustomerView):
    @extend_schema(operation_id="me_cards_list", tags=["cards"], responses={200: s.CardSerializer(many=True), **REFUSALS})
    def get(self, request: Request) -> Response:
        """The customer's cards, the default one first."""
        return Response(s.CardSerializer(selectors.cards_of(self.customer_id), many=True).data)

    @extend_schema(
        operation_id="me_cards_bind",
        tags=["cards"],
        request=s.CardInputSerializer,
        responses={202: s.CheckSerializer, 429: ProblemSerializer, **CHANGED},
    )
    def post(self, request: Request) -> Response:
        """Check the four factors of a card; it is bound when they agree."""
        data = self.parse(s.CardInputSerializer, request)
        check = services.bind_card(customer_id=self.customer_id, actor=self.actor, now=self.now, **data)
        return Response(s.CheckSerializer(check).data, status=status.HTTP_202_ACCEPTED)


class CardDefaultView(CustomerView):
    @extend_schema(
        operation_id="me_cards_choose_default",
        tags=["cards"],
        request=None,
        responses={200: s.CardSerializer, 404: ProblemSerializer, **REFUSALS},
    )
    def post(self, request: Request, card_id: UUID) -> Response:
        """Instalments are taken from this card from now on."""
        card = services.choose_default_card(customer_id=self.customer_id, card_id=card_id, actor=self.actor, now=self.now)
        return Response(s.CardSerializer(card).data)


class CardDebitView(CustomerView):
    @extend_schema(
        operation_id="me_cards_agree_debit",
        tags=["cards"],
        request=None,
        responses={200: s.CardSerializer, 404: ProblemSerializer, **REFUSALS},
    )
    def post(self, request: Request, card_id: UUID) -> Response:
        """Let instalments be taken from a bound card."""
        card = services.agree_debit(customer_id=self.customer_id, card_id=card_id, actor=self.actor, now=self.now)
        return Response(s.CardSerializer(card).data)


class CardView(CustomerView):
    @extend_schema(
        operation_id="me_cards_remove", tags=["cards"], responses={204: None, 404: ProblemSerializer, 409: ProblemSerializer, **REFUSALS}
    )
    def delete(self, request: Request, card_id: UUID) -> Response:
        """Take a card away; the default one only after another was chosen."""
        services.remove_card(customer_id=self.customer_id, card_id=card_id, actor=self.actor, now=self.now)
        return Response(status=status.HTTP_204_NO_CONTENT)
