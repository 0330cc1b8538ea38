"""A transfer that failed: on to the next funder, or before the people of finance."""

from __future__ import annotations

import datetime as dt
from uuid import UUID

from django.db import transaction

from apps.common.actors import Actor
from apps.disbursement.models import Disbursement, Voucher
from apps.disbursement.services.positions import PositionShort
from apps.disbursement.services.records import lock_disbursement
from apps.disbursement.services.routing import choose_route
from apps.flows import services as flows

ACTIVITY = "transfer_failed"
_URGENT = dt.timedelta(minutes=10)
_ORDINARY = dt.timedelta(hours=4)


@transaction.atomic
def heed_failed_transfer(*, disbursement_id: UUID, actor: Actor, now: dt.datetime) -> Disbursement:
    """Route to a funder that has not declined it; without one, finance gets a task, urgent when the car has left already.

    A payment that failed its checks is never sent on by itself.
    """
    disbursement = lock_disbursement(disbursement_id, actor)
    if disbursement.state != Disbursement.State.FAILED:
        return disbursement
    if not disbursement.reason.startswith("checks:"):
        try:
            with transaction.atomic():
                choose_route(disbursement, now=now, pass_over_declined=True)
                disbursement.save()
            return disbursement
        except PositionShort:
            disbursement = lock_disbursement(disbursement_id, actor)
    picked_up = Voucher.objects.filter(disbursement=disbursement, state=Voucher.State.USED).exists()
    flows.open_task(
        subject_kind="disbursement",
        subject_ref=disbursement.id,
        activity=ACTIVITY,
        permission="disbursement.pay",
        legal_entity_id=disbursement.legal_entity_id,
        due_at=now + (_URGENT if picked_up else _ORDINARY),
        actor=actor,
        now=now,
    )
    return disbursement
