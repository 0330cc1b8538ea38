"""Runs: a subject's way through a flow version."""

from __future__ import annotations

import datetime as dt
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from apps.common.actors import Actor
from apps.common.errors import Conflict, NotPermitted
from apps.common.outbox import publish
from apps.flows import domain
from apps.flows.events import FlowRunEnded
from apps.flows.models import FlowRun, FlowTask
from apps.flows.selectors import OPEN, published_version
from apps.flows.services.versions import checked

VISITS_MAX = 20  # of one activity in one run: a flow that returns for ever is stopped


class NoFlow(Conflict):
    """The entity has not published such a flow."""

    code = "no_flow"
    title = _("The legal entity has no published flow for this. Publish one first.")


class TooManyReturns(Conflict):
    """An activity was entered too often."""

    code = "too_many_returns"
    title = _("This order has been returned to the same activity too often. Decide it or cancel it.")


@transaction.atomic
def start_run(
    *,
    flow_code: str,
    legal_entity_id: UUID,
    subject_kind: str,
    subject_ref: UUID,
    facts: dict[str, Any],
    actor: Actor,
    now: dt.datetime,
    product_code: str = "",
) -> UUID:
    """Put a subject on the published flow of its entity (and product) and open its first task; returns the run's id.

    Starting a running subject again returns the run it has. Raises `NoFlow`.
    """
    if actor.data_scope.kind == "entity" and actor.data_scope.owner_id != legal_entity_id:
        raise NotPermitted
    version = published_version(flow_code=flow_code, legal_entity_id=legal_entity_id, product_code=product_code)
    if version is None:
        raise NoFlow(flow=flow_code)
    run, new = FlowRun.objects.get_or_create(
        subject_kind=subject_kind,
        subject_ref=subject_ref,
        state=FlowRun.State.RUNNING,
        defaults={"version": version, "legal_entity_id": legal_entity_id, "facts": facts},
    )
    if new:
        _enter(run, domain.step_after(checked(version.definition), facts), outcome="", actor=actor, now=now)
    return run.id


def go_on(*, run_id: UUID, activity: str, outcome: str, facts: dict[str, Any] | None, actor: Actor, now: dt.datetime) -> None:
    """Lead a run on after a task of an activity ended; inside the caller's transaction."""
    run = FlowRun.objects.select_for_update().select_related("version").get(id=run_id)
    run.facts = {**run.facts, **(facts or {}), activity: outcome}
    run.save(update_fields=["facts"])
    following = domain.step_after(checked(run.version.definition), run.facts, key=activity, outcome=outcome)
    _enter(run, following, outcome=outcome, actor=actor, now=now)


def _enter(run: FlowRun, activity: domain.Activity | None, *, outcome: str, actor: Actor, now: dt.datetime) -> None:
    from apps.flows.services.tasks import create_task

    if activity is None:
        run.end()
        run.outcome, run.ended_at = outcome, now
        run.save(update_fields=["state", "outcome", "ended_at"])
        publish(
            FlowRunEnded(
                run_id=run.id,
                flow_code=run.version.code,
                subject_kind=run.subject_kind,
                subject_ref=run.subject_ref,
                outcome=outcome,
            )
        )
        return
    if FlowTask.objects.filter(run=run, activity=activity.key).count() >= VISITS_MAX:
        raise TooManyReturns
    create_task(
        run=run,
        subject_kind=run.subject_kind,
        subject_ref=run.subject_ref,
        legal_entity_id=run.legal_entity_id,
        activity=activity.key,
        name=activity.name,
        permission=activity.permission,
        service=activity.service,
        due_at=now + dt.timedelta(minutes=activity.sla_minutes) if activity.sla_minutes else None,
    )


@transaction.atomic
def cancel_run(*, subject_kind: str, subject_ref: UUID, reason: str, actor: Actor, now: dt.datetime) -> bool:
    """End a subject's run early, with its open tasks; tells whether there was one."""
    run = (
        FlowRun.objects.within(actor.data_scope)
        .select_for_update()
        .filter(subject_kind=subject_kind, subject_ref=subject_ref, state=FlowRun.State.RUNNING)
        .first()
    )
    if run is None:
        return False
    for task in FlowTask.objects.select_for_update().filter(run=run, state__in=OPEN):
        task.cancel()
        task.ended_at, task.reason = now, reason
        task.save(update_fields=["state", "ended_at", "reason"])
    run.cancel()
    run.ended_at, run.outcome = now, "cancelled"
    run.save(update_fields=["state", "ended_at", "outcome"])
    return True
