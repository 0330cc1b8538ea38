"""What every deed on an application shares: the lock, the transition with its timeline entry, the news."""

from __future__ import annotations

import datetime as dt
from typing import Any, Final
from uuid import UUID

from django.utils.translation import gettext_lazy as _
from django_fsm import TransitionNotAllowed

from apps.applications.events import ApplicationStateChanged
from apps.applications.models import Application, ApplicationEvent, State
from apps.common.actors import Actor
from apps.common.errors import Conflict, NotFound
from apps.common.outbox import publish

ORIGINS: Final = {"dealer": "portal", "customer": "app", "staff": "back office", "client": "partner interface"}
LOST: Final = (State.DECLINED, State.WITHDRAWN, State.EXPIRED, State.REFUSED, State.CANCELLED)
CLOSED: Final = (*LOST, State.COMPLETED)


class NoSuchApplication(NotFound):
    """No application by this id, or not this person's to see."""

    code = "application_not_found"
    title = _("There is no such application.")


class WrongState(Conflict):
    """The application's state does not allow the deed."""

    code = "application_wrong_state"
    title = _("The application's present state does not allow this.")


def locked(application_id: UUID, actor: Actor) -> Application:
    """The application under its row lock, if the actor may see it. Raises `NoSuchApplication`."""
    found = Application.objects.within(actor.data_scope).select_for_update(of=("self",)).filter(id=application_id).first()
    if found is None:
        raise NoSuchApplication
    application: Application = found
    return application


def move(
    application: Application, deed: str, *, actor: Actor, now: dt.datetime, reason: str = "", facts: dict[str, Any] | None = None
) -> None:
    """Carry out one transition, save, write the timeline, tell. Raises `WrongState`."""
    before = application.state
    try:
        getattr(application, deed)()
    except TransitionNotAllowed:
        raise WrongState(
            _("“%(number)s” is %(state)s: this is not possible now.")
            % {"number": application.number, "state": application.get_state_display()},
            state=before,
        ) from None
    application.closed_at = now if application.state in CLOSED else None
    application.save()
    note(application, deed, from_state=before, actor=actor, now=now, reason=reason, facts=facts)
    publish(ApplicationStateChanged(application_id=application.id, from_state=before, to_state=application.state))


def note(
    application: Application,
    deed: str,
    *,
    actor: Actor,
    now: dt.datetime,
    from_state: str | None = None,
    reason: str = "",
    facts: dict[str, Any] | None = None,
) -> None:
    """One entry of the timeline; without `from_state` nothing moved."""
    ApplicationEvent.objects.create(
        application=application,
        at=now,
        deed=deed,
        from_state=application.state if from_state is None else from_state,
        to_state=application.state,
        actor=str(actor)[:100],
        origin=ORIGINS.get(actor.kind, actor.label)[:64],
        reason=reason[:500],
        facts=facts or {},
    )
