"""The way after acceptance, moved by the contexts above, and the ways out.

The `mark_*` deeds are called by contracts, disbursement and postloan, which asked the person's permission for their own deed; here
only scope and order are held. An application already in the wanted state is left as it is, so that a repetition changes nothing.
"""

from __future__ import annotations

import datetime as dt
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from apps.applications.models import Application, State
from apps.applications.services.records import locked, move
from apps.common import clock
from apps.common.actors import Actor
from apps.common.errors import BadInput
from apps.flows import services as flows
from apps.organisations.selectors import parameter


class ReasonMissing(BadInput):
    """A deed that somebody will ask about later came without its reason."""

    code = "reason_missing"
    title = _("Please give a reason.")


def hold(*, application_id: UUID, actor: Actor) -> str:
    """Keep an order as it is until the caller's transaction ends, and tell its state. Raises `NoSuchApplication`.

    Contexts above take this lock before their own rows', as every `mark_*` would, so that no two of them wait for each other.
    """
    return str(locked(application_id, actor).state)


def _mark(application_id: UUID, deed: str, target: State, *, actor: Actor, now: dt.datetime, reason: str) -> Application:
    application = locked(application_id, actor)
    if application.state != target:
        if application.state != State.ACCEPTED:  # the time to sign runs from acceptance, and anew when a contract is made again
            application.expires_at = signing_ends(application, now) if target == State.CONTRACTING else None
        move(application, deed, actor=actor, now=now, reason=reason)
    return application


def signing_ends(application: Application, now: dt.datetime) -> dt.datetime:
    """Until when a contract taken or made again at `now` has to be signed."""
    days = int(parameter("application.accepted_days", on=clock.local_date(now), legal_entity_id=application.legal_entity_id))
    return now + dt.timedelta(days=days)


@transaction.atomic
def mark_contracting(*, application_id: UUID, actor: Actor, now: dt.datetime, reason: str = "") -> Application:
    """A contract is being made; also after one was voided. Raises `WrongState`."""
    return _mark(application_id, "start_contracting", State.CONTRACTING, actor=actor, now=now, reason=reason)


@transaction.atomic
def mark_signed(*, application_id: UUID, actor: Actor, now: dt.datetime, reason: str = "") -> Application:
    """Every party signed. Raises `WrongState`."""
    return _mark(application_id, "sign", State.SIGNED, actor=actor, now=now, reason=reason)


@transaction.atomic
def mark_disbursement_review(*, application_id: UUID, actor: Actor, now: dt.datetime, reason: str = "") -> Application:
    """The last check before money moves began. Raises `WrongState`."""
    return _mark(application_id, "start_disbursement_review", State.DISBURSEMENT_REVIEW, actor=actor, now=now, reason=reason)


@transaction.atomic
def mark_approved(*, application_id: UUID, actor: Actor, now: dt.datetime, reason: str = "") -> Application:
    """The last check passed. Raises `WrongState`."""
    return _mark(application_id, "approve", State.APPROVED, actor=actor, now=now, reason=reason)


@transaction.atomic
def mark_refused(*, application_id: UUID, reason: str, actor: Actor, now: dt.datetime) -> Application:
    """The last check failed. Raises `WrongState`, `ReasonMissing`."""
    if not reason.strip():
        raise ReasonMissing
    return _mark(application_id, "refuse", State.REFUSED, actor=actor, now=now, reason=reason)


@transaction.atomic
def mark_vouchered(*, application_id: UUID, actor: Actor, now: dt.datetime, reason: str = "") -> Application:
    """The shop holds the voucher. Raises `WrongState`."""
    return _mark(application_id, "voucher", State.VOUCHERED, actor=actor, now=now, reason=reason)


@transaction.atomic
def mark_delivered(*, application_id: UUID, actor: Actor, now: dt.datetime, reason: str = "") -> Application:
    """The customer drove away with the car. Raises `WrongState`."""
    return _mark(application_id, "deliver", State.DELIVERED, actor=actor, now=now, reason=reason)


@transaction.atomic
def mark_completed(*, application_id: UUID, actor: Actor, now: dt.datetime, reason: str = "") -> Application:
    """Money transferred and papers in. Raises `WrongState`."""
    return _mark(application_id, "complete", State.COMPLETED, actor=actor, now=now, reason=reason)


@transaction.atomic
def mark_cancelled(*, application_id: UUID, reason: str, actor: Actor, now: dt.datetime) -> Application:
    """The disbursement was undone 撤销放款. Raises `WrongState`, `ReasonMissing`."""
    if not reason.strip():
        raise ReasonMissing
    return _mark(application_id, "cancel", State.CANCELLED, actor=actor, now=now, reason=reason)


@transaction.atomic
def withdraw(*, application_id: UUID, reason: str, actor: Actor, now: dt.datetime) -> Application:
    """The customer does not want the loan any more; told by the customer or by the consultant. Raises `WrongState`, `ReasonMissing`."""
    application = locked(application_id, actor)
    if actor.kind != "customer":
        actor.require("portal.use" if actor.kind == "dealer" else "applications.review")
    if not reason.strip():
        raise ReasonMissing
    if application.state != State.WITHDRAWN:
        move(application, "withdraw", actor=actor, now=now, reason=reason)
        _drop_tasks(application, now)
    return application


def expire_stale(*, actor: Actor, now: dt.datetime, limit: int = 500) -> int:
    """Close what waited past its time, each in its own transaction; returns how many. Run by beat."""
    due = Application.objects.filter(
        expires_at__lte=now,
        state__in=[State.DRAFT, State.MORE_INFO, State.OFFERED, State.ACCEPTED, State.CONTRACTING],
    )
    expired = 0
    for application_id in due.order_by("expires_at").values_list("id", flat=True)[:limit]:
        expired += _expire(application_id, actor=actor, now=now)
    return expired


@transaction.atomic
def _expire(application_id: UUID, *, actor: Actor, now: dt.datetime) -> bool:
    application = locked(application_id, actor)
    if application.expires_at is None or application.expires_at > now or application.state not in (
        State.DRAFT, State.MORE_INFO, State.OFFERED, State.ACCEPTED, State.CONTRACTING,
    ):  # fmt: skip
        return False
    move(application, "expire", actor=actor, now=now, reason=str(_("Time ran out.")))
    _drop_tasks(application, now)
    return True


def _drop_tasks(application: Application, now: dt.datetime) -> None:
    """Tasks are the staff's: a customer's or consultant's own scope does not reach them."""
    process = Actor.system("applications.ending")
    flows.cancel_tasks(subject_kind="application", subject_ref=application.id, actor=process, now=now)
