"""Submission, the machine's answer, and new rounds of screening."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from apps.applications.events import ApplicationDeclined, ApplicationSubmitted
from apps.applications.models import Application, Kind, State
from apps.applications.services import creation
from apps.applications.services.offers import lay_offers
from apps.applications.services.progress import ReasonMissing
from apps.applications.services.records import NoSuchApplication, WrongState, locked, move
from apps.common import clock
from apps.common.actors import Actor
from apps.common.errors import Conflict
from apps.common.outbox import publish
from apps.flows import services as flows
from apps.organisations.selectors import parameter
from apps.products import selectors as products
from apps.risk import services as risk
from apps.risk.events import DecisionMade

REVIEW_ACTIVITY = "credit_review"
REVIEW_PERMISSION = "applications.review"
SUBJECT_KIND = "application"
FLOWS: Final = {Kind.CAR_LOAN: "car_loan", Kind.CREDIT_LINE: "credit_line", Kind.DRAWDOWN: "drawdown"}


class AuthorisationMissing(Conflict):
    """No credit-query authorisation was uploaded."""

    code = "authorisation_missing"
    title = _("Upload the customer's signed credit-query authorisation first.")


@transaction.atomic
def submit(*, application_id: UUID, actor: Actor, now: dt.datetime) -> Application:
    """Hand the order in: the promise to the shop starts, the machine screens it. Also after more papers.

    Raises `AuthorisationMissing`, `WrongState`, and the reasons of `creation.may_apply`.
    """
    application = locked(application_id, actor)
    actor.require("portal.use")
    if application.authorisation_id is None:
        raise AuthorisationMissing
    creation.may_apply(customer_id=application.customer_id, legal_entity_id=application.legal_entity_id, now=now, apart_from=application.id)
    minutes = int(parameter("application.sla_minutes", on=clock.local_date(now), legal_entity_id=application.legal_entity_id))
    application.submitted_at, application.sla_due_at, application.expires_at = now, now + dt.timedelta(minutes=minutes), None
    move(application, "submit", actor=actor, now=now)
    publish(ApplicationSubmitted(application_id=application.id, customer_id=application.customer_id, round=application.round + 1))
    screen(application, actor=actor, now=now, reason="")
    return application


@transaction.atomic
def apply_again(*, application_id: UUID, reason: str, actor: Actor, now: dt.datetime) -> Application:
    """Screen an offered order once more, with better information; its offers so far no longer count.

    Raises `WrongState`, `ReasonMissing`, and the reasons of `creation.may_apply`.
    """
    application = locked(application_id, actor)
    actor.require("portal.use")
    if not reason.strip():
        raise ReasonMissing
    if application.state != State.OFFERED:
        raise WrongState(_("Only an order with offers can be screened again."))
    creation.may_apply(customer_id=application.customer_id, legal_entity_id=application.legal_entity_id, now=now, apart_from=application.id)
    application.expires_at = None
    screen(application, actor=actor, now=now, reason=reason)
    return application


def screen(application: Application, *, actor: Actor, now: dt.datetime, reason: str) -> None:
    """Begin a new round: the machine is asked, its answer follows as news."""
    application.round += 1
    move(application, "screen", actor=actor, now=now, reason=reason, facts={"round": application.round})
    risk.request_decision(
        flow_code=FLOWS[Kind(application.kind)],
        legal_entity_id=application.legal_entity_id,
        subject_ref=application.customer_id,
        subject=subject_facts(application),
        reference=decision_reference(application),
        actor=actor,
        now=now,
    )


def decision_reference(application: Application) -> str:
    """Our name for one round of screening; the answer carries it back."""
    return f"application:{application.id}:{application.round}"


def subject_facts(application: Application) -> dict[str, Any]:
    """What risk is told of the order: plain values, money in whole 分, ids as text."""
    vehicle = products.vehicle(application.vehicle_id) if application.vehicle_id else None
    return {
        "kind": application.kind,
        "number": application.number,
        "authorisation_no": application.number,
        "authorisation_document": str(application.authorisation_id),
        "consultant_ref": str(application.consultant_id),
        "shop_ref": str(application.shop_id),
        "dealer_ref": str(application.dealer_id),
        "lease_type": application.lease_type,
        "price": fen(application.vehicle_price),
        "guide_price": fen(vehicle.guide_price if vehicle else None),
        "power": vehicle.power if vehicle else None,
        "down_payment": fen(application.down_payment),
        "amount": fen(application.requested_amount),
        "term": application.requested_term,
    }


def fen(amount: Decimal | None) -> int | None:
    """Yuan as whole 分."""
    return None if amount is None else int((amount * 100).to_integral_exact())


@transaction.atomic
def heed_decision(*, decision: DecisionMade, actor: Actor, now: dt.datetime) -> Application | None:
    """Take the machine's answer to heart once; a late, repeated or foreign one changes nothing and gives None."""
    kind, _sep, rest = decision.reference.partition(":")
    if kind != SUBJECT_KIND:
        return None
    application_id, _sep, number = rest.partition(":")
    try:
        application = locked(UUID(application_id), actor)
    except NoSuchApplication:
        return None
    if application.state != State.SCREENING or str(application.round) != number:
        return None
    application.decision_ref, application.decided_at = decision.decision_id, now
    application.grade, application.approved_limit = decision.grade, decision.limit
    application.annual_rate, application.reasons = decision.annual_rate, list(decision.reasons)
    _follow(application, decision, actor=actor, now=now)
    return application


def _follow(application: Application, decision: DecisionMade, *, actor: Actor, now: dt.datetime) -> None:
    facts = {"decision": str(decision.decision_id), "outcome": decision.outcome, "reasons": list(decision.reasons)}
    if decision.outcome == "approve" and lay_offers(application, actor=actor, now=now, facts=facts):
        return
    if decision.outcome == "decline":
        move(application, "decline", actor=actor, now=now, facts=facts)
        publish(ApplicationDeclined(application_id=application.id, customer_id=application.customer_id, reasons=list(decision.reasons)))
    elif decision.outcome == "more_info":
        days = int(parameter("application.more_info_days", on=clock.local_date(now), legal_entity_id=application.legal_entity_id))
        application.expires_at = now + dt.timedelta(days=days)
        move(application, "ask_more", actor=actor, now=now, facts=facts)
    else:  # review, an approval without a plan that fits, and any answer of a later version
        refer(application, actor=actor, now=now, facts=facts)


def refer(application: Application, *, actor: Actor, now: dt.datetime, facts: dict[str, Any]) -> None:
    """Put the order before a reviewer, with a task whose time is the promise to the shop."""
    move(application, "refer", actor=actor, now=now, facts=facts)
    flows.open_task(
        subject_kind=SUBJECT_KIND,
        subject_ref=application.id,
        activity=REVIEW_ACTIVITY,
        permission=REVIEW_PERMISSION,
        legal_entity_id=application.legal_entity_id,
        due_at=application.sla_due_at,
        actor=actor,
        now=now,
    )
