"""Plans laid before the customer, and the one that is taken."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from apps.applications.events import ApplicationOffered, OfferAccepted
from apps.applications.models import Application, Offer, State
from apps.applications.services.progress import signing_ends
from apps.applications.services.records import LOST, WrongState, locked, move
from apps.common import clock
from apps.common.actors import Actor
from apps.common.errors import Conflict, NotFound, NotPermitted
from apps.common.money import ZERO
from apps.common.outbox import publish
from apps.customers import selectors as customers
from apps.organisations.selectors import parameter
from apps.products import services as products
from apps.products.domain import Plan, plan_to_json
from apps.products.selectors import vehicle
from apps.risk import selectors as risk


class NoSuchOffer(NotFound):
    """Not an offer of this application's present round."""

    code = "offer_not_found"
    title = _("There is no such offer.")


class OfferExpired(Conflict):
    """The offer's time ran out."""

    code = "offer_expired"
    title = _("This offer has expired. Ask the consultant to apply again.")


def lay_offers(application: Application, *, actor: Actor, now: dt.datetime, facts: dict[str, Any], reason: str = "") -> bool:
    """Rank the plans that fit the application's grade, limit and rate, and lay them before the customer; False when none fits."""
    day = clock.local_date(now)
    plans = plans_for(application, day)
    if not plans:
        return False
    days = int(parameter("application.offer_days", on=day, legal_entity_id=application.legal_entity_id))
    valid_until = now + dt.timedelta(days=days)
    application.expires_at = valid_until
    application.chosen_offer = None
    Offer.objects.bulk_create(_offer(application, plan, rank, valid_until) for rank, plan in enumerate(plans, start=1))
    move(application, "offer", actor=actor, now=now, reason=reason, facts=facts | {"offers": len(plans)})
    publish(ApplicationOffered(application_id=application.id, customer_id=application.customer_id, offers=len(plans)))
    return True


def plans_for(application: Application, day: dt.date) -> list[Plan]:
    """The plans that fit, best first."""
    person = customers.subject(application.customer_id, on=day)
    car = vehicle(application.vehicle_id) if application.vehicle_id else None
    return products.match_plans(
        legal_entity_id=application.legal_entity_id,
        lease_type=application.lease_type or None,
        vehicle_price=application.vehicle_price,
        guide_price=car.guide_price if car else None,
        requested_amount=application.requested_amount,
        requested_term=application.requested_term,
        grade=application.grade,
        limit=application.approved_limit,
        annual_rate=application.annual_rate,
        monthly_income=person.monthly_income,
        on=day,
        power=car.power if car else None,
        age=person.age,
        monthly_debts=risk.monthly_obligations(application.decision_ref) if application.decision_ref else ZERO,
    )


def _offer(application: Application, plan: Plan, rank: int, valid_until: dt.datetime) -> Offer:
    return Offer(
        application=application,
        round=application.round,
        rank=rank,
        product_version_ref=plan.product_version_id,
        name=plan.name,
        financing_party=plan.financing_party,
        principal=plan.principal,
        installments=plan.installments,
        annual_rate=plan.annual_rate,
        installment=plan.installment,
        apr_irr=plan.apr_irr,
        plan=plan_to_json(plan),
        valid_until=valid_until,
    )


@transaction.atomic
def accept_offer(*, application_id: UUID, offer_id: UUID, actor: Actor, now: dt.datetime) -> Application:
    """The customer takes an offer; taking the same one again changes nothing.

    Raises `NoSuchOffer`, `OfferExpired`, `WrongState`, `customers.MayNotBorrow`.
    """
    application = locked(application_id, actor)
    if actor.kind not in ("customer", "system"):
        raise NotPermitted(_("Only the customer accepts an offer."))
    offer = Offer.objects.filter(id=offer_id, application=application, round=application.round).first()
    if offer is None:
        raise NoSuchOffer
    if application.chosen_offer_id == offer.id and application.state not in (State.OFFERED, *LOST):
        return application
    if application.state != State.OFFERED:
        raise WrongState
    if offer.valid_until <= now:
        raise OfferExpired
    customers.require_may_borrow(application.customer_id, now)
    application.chosen_offer = offer
    application.expires_at = signing_ends(application, now)
    move(application, "accept", actor=actor, now=now, facts={"offer": str(offer.id), "principal": str(offer.principal)})
    publish(
        OfferAccepted(
            application_id=application.id,
            customer_id=application.customer_id,
            offer_id=offer.id,
            principal=Decimal(offer.principal),
        )
    )
    return application
