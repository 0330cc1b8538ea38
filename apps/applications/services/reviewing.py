"""Manual credit review 审批: claimed by a reviewer, decided with a reason, never by who opened the order."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from apps.applications.events import ApplicationDeclined
from apps.applications.models import Application, Kind, State
from apps.applications.services.offers import lay_offers
from apps.applications.services.progress import ReasonMissing
from apps.applications.services.records import WrongState, locked, move
from apps.applications.services.screening import FLOWS, REVIEW_ACTIVITY, REVIEW_PERMISSION, SUBJECT_KIND, screen
from apps.common import clock
from apps.common.actors import Actor
from apps.common.errors import BadInput, Conflict, NotPermitted
from apps.common.money import ZERO, round_money
from apps.common.outbox import publish
from apps.flows import selectors as flow_selectors
from apps.flows import services as flows
from apps.organisations.selectors import parameter
from apps.risk import selectors as risk

OUTCOMES: Final = ("approve", "decline", "more_info")
GRADES: Final = ("A", "B", "C", "D")


class OwnOrder(NotPermitted):
    """The reviewer opened the order."""

    code = "own_order"
    title = _("You opened this order yourself: somebody else has to review it.")


class BadReview(BadInput):
    """Outcome, amount or grade cannot be right."""

    code = "bad_review"


class NoPlanFits(Conflict):
    """The approval leaves nothing to offer."""

    code = "no_plan_fits"
    title = _("No plan fits this amount and grade. Choose another amount or grade, or decline.")


@transaction.atomic
def claim_review(*, application_id: UUID, actor: Actor, now: dt.datetime) -> Application:
    """Take an order's review on oneself. Raises `WrongState`, `OwnOrder`, and what `flows` raises when somebody else has it."""
    application = locked(application_id, actor)
    actor.require(REVIEW_PERMISSION)
    _reviewable(application, actor)
    flows.claim_task(task_id=_task_id(application), actor=actor, now=now)
    return application


@transaction.atomic
def review(
    *,
    application_id: UUID,
    outcome: str,
    reason: str,
    actor: Actor,
    now: dt.datetime,
    approved_amount: Decimal | None = None,
    grade: str = "",
) -> Application:
    """Decide a referred order: `approve` (with amount in yuan and grade, both the machine's by default), `decline`, or `more_info`.

    Without an amount, what was asked for is approved as far as the machine's limit reaches; more has to be said in so many yuan, and the
    timeline keeps both. Raises `WrongState`, `OwnOrder`, `ReasonMissing`, `BadReview`, `NoPlanFits`, and what `flows` raises about the
    task's owner.
    """
    application = locked(application_id, actor)
    actor.require(REVIEW_PERMISSION)
    _reviewable(application, actor)
    if outcome not in OUTCOMES:
        raise BadReview(fields={"outcome": [str(_("Choose approve, decline or more papers."))]})
    if not reason.strip():
        raise ReasonMissing
    flows.complete_task(task_id=_task_id(application), outcome=outcome, reason=reason, actor=actor, now=now)
    facts: dict[str, Any] = {"outcome": outcome}
    if outcome == "approve":
        _approve(application, approved_amount=approved_amount, grade=grade, reason=reason, facts=facts, actor=actor, now=now)
    elif outcome == "decline":
        application.decided_at = now
        move(application, "decline", actor=actor, now=now, reason=reason, facts=facts)
        publish(
            ApplicationDeclined(
                application_id=application.id, customer_id=application.customer_id, reasons=[*application.reasons, "MANUAL"]
            )
        )
    else:
        days = int(parameter("application.more_info_days", on=clock.local_date(now), legal_entity_id=application.legal_entity_id))
        application.expires_at = now + dt.timedelta(days=days)
        move(application, "ask_more", actor=actor, now=now, reason=reason, facts=facts)
    return application


@transaction.atomic
def screen_again(*, application_id: UUID, reason: str, actor: Actor, now: dt.datetime) -> Application:
    """A reviewer sends the order back to the machine, e.g. after a source came back.

    Raises `WrongState`, `OwnOrder`, `ReasonMissing`, and what `flows` raises about the task's owner.
    """
    application = locked(application_id, actor)
    actor.require(REVIEW_PERMISSION)
    _reviewable(application, actor)
    if not reason.strip():
        raise ReasonMissing
    flows.complete_task(task_id=_task_id(application), outcome="screen_again", reason=reason, actor=actor, now=now)
    screen(application, actor=actor, now=now, reason=reason)
    return application


def _approve(
    application: Application,
    *,
    approved_amount: Decimal | None,
    grade: str,
    reason: str,
    facts: dict[str, Any],
    actor: Actor,
    now: dt.datetime,
) -> None:
    limit = application.approved_limit
    amount = amount_by_default(application.requested_amount, limit) if approved_amount is None else approved_amount
    if not amount.is_finite() or not ZERO < amount <= application.requested_amount:
        raise BadReview(fields={"approved_amount": [str(_("An amount above zero, up to what was asked for."))]})
    chosen = grade or application.grade
    if chosen not in GRADES:
        raise BadReview(fields={"grade": [str(_("Choose a grade from A to D."))]})
    if chosen != application.grade or application.annual_rate is None:
        application.annual_rate = _rate(application, chosen)
    application.grade, application.approved_limit, application.decided_at = chosen, round_money(amount), now
    facts |= {"amount": str(application.approved_limit), "grade": chosen}
    if limit is not None:
        facts |= {"machine_limit": str(limit), "above_limit": application.approved_limit > limit}
    if not lay_offers(application, actor=actor, now=now, facts=facts, reason=reason):
        raise NoPlanFits


def amount_by_default(requested: Decimal, limit: Decimal | None) -> Decimal:
    """What an approval grants unless the reviewer says another amount, in yuan: never above the machine's limit where it gave one."""
    return requested if limit is None else min(requested, limit)


def _rate(application: Application, grade: str) -> Decimal | None:
    """The flow's rate for a grade; without a flow in force the product's own rate for the grade holds."""
    flow_code = FLOWS[Kind(application.kind)]
    try:
        return risk.rate_of_grade(flow_code=flow_code, legal_entity_id=application.legal_entity_id, grade=grade)
    except risk.NoLiveFlow:
        return None


def _reviewable(application: Application, actor: Actor) -> None:
    if application.state != State.MANUAL_REVIEW:
        raise WrongState
    if actor.user_id is not None and actor.user_id == application.created_by_id:
        raise OwnOrder


def _task_id(application: Application) -> UUID:
    task = flow_selectors.task_for(SUBJECT_KIND, application.id, REVIEW_ACTIVITY)
    if task is None:
        raise WrongState
    return task.id
