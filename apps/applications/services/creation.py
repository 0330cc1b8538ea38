"""The beginning of an order: the consultant enters the customer's ID number, the car and the wish, and adds the signed authorisation."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils.translation import gettext_lazy as _

from apps.applications.models import Application, Kind, LeaseType, State
from apps.applications.services.records import WrongState, locked, note
from apps.common import clock, numbers
from apps.common.actors import Actor
from apps.common.errors import BadInput, Conflict, NotPermitted, TooMany
from apps.common.money import ZERO, round_money
from apps.customers import selectors as customers
from apps.dealers import selectors as dealers
from apps.documents import services as documents
from apps.organisations.selectors import parameter
from apps.products import selectors as products

AUTHORISATION = "credit_authorisation"
MAX_TERM = 120


class CustomerUnknown(BadInput):
    """Nobody registered with this lender has the ID number."""

    code = "customer_unknown"
    title = _("No registered customer has this ID number. Ask the customer to register in the app first.")


class CustomerNotVerified(Conflict):
    """The customer's identity checks are not done."""

    code = "customer_not_verified"
    title = _("The customer's identity is not verified yet. Ask the customer to finish the checks in the app.")


class ConsentMissing(Conflict):
    """A consent that the application needs is missing."""

    code = "consent_missing"
    title = _("A consent of the customer is missing. Ask the customer to give it in the app.")


class AlreadyOpen(Conflict):
    """The customer has an application that is not finished."""

    code = "application_already_open"
    title = _("This customer has an application in progress already.")


class CoolingOff(TooMany):
    """The customer was declined recently."""

    status = 409
    code = "cooling_off"
    title = _("This customer was declined recently and has to wait.")


class BadWish(BadInput):
    """Price, down payment or term cannot be right."""

    code = "bad_wish"


@transaction.atomic
def create_application(
    *,
    consultant_id: UUID,
    id_number: str,
    vehicle_id: UUID,
    price: Decimal,
    lease_type: str,
    down_payment: Decimal,
    term: int,
    actor: Actor,
    now: dt.datetime,
) -> Application:
    """A draft for the customer with this ID number. `price` and `down_payment` (for a leaseback: the deposit) in yuan, `term` in months.

    Raises `CustomerUnknown`, `CustomerNotVerified`, `ConsentMissing`, `AlreadyOpen`, `CoolingOff`, `BadWish`, `NotPermitted`.
    """
    actor.require("portal.use")
    consultant = dealers.consultant(consultant_id)
    if not consultant.may_apply:
        raise NotPermitted(_("The consultant, the shop or the dealer is not active."))
    _own_consultant(actor, consultant_id=consultant.id, shop_id=consultant.shop_id, dealer_id=consultant.dealer_id)
    wish = _checked_wish(price=price, down_payment=down_payment, lease_type=lease_type, term=term)
    vehicle = products.vehicle(vehicle_id)
    customer = customers.customer_by_id_number(id_number, consultant.legal_entity_id)
    if customer is None:
        raise CustomerUnknown
    may_apply(customer_id=customer.id, legal_entity_id=consultant.legal_entity_id, now=now)
    day = clock.local_date(now)
    application = Application(
        legal_entity_id=consultant.legal_entity_id,
        kind=Kind.CAR_LOAN,
        number=numbers.next_number("CL", day, separator="-"),
        customer_id=customer.id,
        consultant_id=consultant.id,
        shop_id=consultant.shop_id,
        dealer_id=consultant.dealer_id,
        vehicle_id=vehicle.id,
        lease_type=lease_type,
        vehicle_price=wish.price,
        down_payment=wish.down_payment,
        requested_amount=wish.price - wish.down_payment,
        requested_term=term,
        created_by_id=actor.user_id,
        expires_at=now + dt.timedelta(days=int(parameter("application.draft_days", on=day, legal_entity_id=consultant.legal_entity_id))),
    )
    try:
        with transaction.atomic():
            application.save(force_insert=True)
    except IntegrityError as error:  # two consultants at once
        if "one_open_application_per_customer" in str(error):
            raise AlreadyOpen from error
        raise
    note(application, "create", from_state="", actor=actor, now=now)
    return application


@transaction.atomic
def attach_authorisation(*, application_id: UUID, content: bytes, filename: str, actor: Actor, now: dt.datetime) -> UUID:
    """Keep the customer's signed credit-query authorisation; returns the document's id. A later upload takes its place before submission.

    Raises `NoSuchApplication`, `WrongState`, and what the archive refuses (type, size).
    """
    application = locked(application_id, actor)
    actor.require("portal.use")
    if application.state not in (State.DRAFT, State.MORE_INFO):
        raise WrongState(_("The authorisation can be added only before submission."))
    document = documents.store(
        content=content,
        filename=filename,
        kind=AUTHORISATION,
        legal_entity_id=application.legal_entity_id,
        owner_kind="application",
        owner_ref=application.id,
        customer_ref=application.customer_id,
        dealer_ref=application.dealer_id,
        shop_ref=application.shop_id,
        consultant_ref=application.consultant_id,
        actor=actor,
        now=now,
    )
    application.authorisation_id = document.id
    application.save(update_fields=["authorisation"])
    note(application, "attach_authorisation", actor=actor, now=now, facts={"document": str(document.id)})
    return document.id


def may_apply(*, customer_id: UUID, legal_entity_id: UUID, now: dt.datetime, apart_from: UUID | None = None) -> None:
    """Whether the person may have an application now; raises the reason why not."""
    if not customers.may_borrow(customer_id, now):
        raise CustomerNotVerified
    missing = customers.missing_consents(customer_id, purpose="application")
    if missing:
        raise ConsentMissing(_("Missing consents: %(kinds)s. Ask the customer to give them in the app.") % {"kinds": ", ".join(missing)})
    mine = Application.objects.filter(customer_id=customer_id, legal_entity_id=legal_entity_id)
    if apart_from is not None:
        mine = mine.exclude(id=apart_from)
    if mine.filter(state__in=Application.OPEN).exists():
        raise AlreadyOpen
    days = int(parameter("application.cooling_days", on=clock.local_date(now), legal_entity_id=legal_entity_id))
    cooling = mine.filter(state=State.DECLINED, closed_at__gt=now - dt.timedelta(days=days))
    declined_at = cooling.order_by("-closed_at").values_list("closed_at", flat=True).first()
    if declined_at is not None:
        until = clock.local_date(declined_at + dt.timedelta(days=days))
        raise CoolingOff(_("This customer was declined recently and may apply again from %(day)s.") % {"day": until.isoformat()})


@dataclass(frozen=True)
class _Wish:
    price: Decimal
    down_payment: Decimal


def _checked_wish(*, price: Decimal, down_payment: Decimal, lease_type: str, term: int) -> _Wish:
    problems: dict[str, list[str]] = {}
    if lease_type not in LeaseType.values:
        problems["lease_type"] = [str(_("Choose direct lease or leaseback."))]
    if not price.is_finite() or price <= ZERO:
        problems["price"] = [str(_("The price is an amount above zero."))]
    elif not down_payment.is_finite() or down_payment < ZERO or down_payment >= price:
        problems["down_payment"] = [str(_("The down payment lies between zero and the price."))]
    if not 1 <= term <= MAX_TERM:
        problems["term"] = [str(_("The term is a number of months up to %(most)d.") % {"most": MAX_TERM})]
    if problems:
        raise BadWish(fields=problems)
    return _Wish(round_money(price), round_money(down_payment))


def _own_consultant(actor: Actor, *, consultant_id: UUID, shop_id: UUID, dealer_id: UUID) -> None:
    """A consultant opens orders of their own, a manager those of the shop or dealer."""
    scope = actor.data_scope
    owner = {"consultant": consultant_id, "shop": shop_id, "dealer": dealer_id}.get(scope.kind)
    if scope.kind != "all" and (owner is None or owner != scope.owner_id):
        raise NotPermitted(_("You cannot open an order for this consultant."))
