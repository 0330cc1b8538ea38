"""What goes before the people of finance: a transfer that failed and has no other funder, a position that runs low."""

from __future__ import annotations

import datetime as dt
from uuid import UUID

from django.db import transaction

from apps.common.actors import Actor
from apps.disbursement.models import Disbursement, FundingAccount, Voucher
from apps.disbursement.services.positions import PositionShort
from apps.disbursement.services.records import lock_disbursement
from apps.disbursement.services.routing import choose_route
from apps.flows import services as flows

TRANSFER_FAILED = "transfer_failed"
POSITION_LOW = "position_low"
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
    _tell_finance("disbursement", disbursement, TRANSFER_FAILED, now + (_URGENT if picked_up else _ORDINARY), actor, now)
    return disbursement


@transaction.atomic
def heed_low_position(*, account_id: UUID, actor: Actor, now: dt.datetime) -> None:
    """A funding account is used up to its warning level: finance is asked to top it up."""
    account = FundingAccount.objects.get(id=account_id)
    _tell_finance("funding_account", account, POSITION_LOW, now + _ORDINARY, actor, now)


def _tell_finance(
    kind: str, row: Disbursement | FundingAccount, activity: str, due_at: dt.datetime, actor: Actor, now: dt.datetime
) -> None:
    flows.open_task(
        subject_kind=kind,
        subject_ref=row.id,
        activity=activity,
        permission="disbursement.pay",
        legal_entity_id=row.legal_entity_id,
        due_at=due_at,
        actor=actor,
        now=now,
    )
