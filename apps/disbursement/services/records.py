"""What the deeds on payments out share: the lock, and the dated rules of the bank."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from uuid import UUID

from django.utils.translation import gettext_lazy as _

from apps.common.actors import Actor
from apps.common.errors import NotFound
from apps.disbursement.domain import BankHours, DebitPlan
from apps.disbursement.models import Disbursement
from apps.organisations import selectors as organisations


class NoSuchDisbursement(NotFound):
    """There is no such disbursement in the actor's view."""

    code = "no_such_disbursement"
    title = _("There is no such disbursement.")


def lock_disbursement(disbursement_id: UUID, actor: Actor) -> Disbursement:
    """The disbursement under its row lock, if the actor may see it. Raises `NoSuchDisbursement`."""
    found: Disbursement | None = (
        Disbursement.objects.within(actor.data_scope).select_for_update(of=("self",)).filter(id=disbursement_id).first()
    )
    if found is None:
        raise NoSuchDisbursement
    return found


def bank_hours(legal_entity_id: UUID, day: dt.date) -> BankHours:
    """When the bank moves money, as parameters say on a day."""
    instant = organisations.parameter("rails.instant", on=day, legal_entity_id=legal_entity_id)
    return BankHours(
        large_opens=organisations.parameter("disbursement.large_opens", on=day, legal_entity_id=legal_entity_id),
        large_closes=organisations.parameter("disbursement.large_closes", on=day, legal_entity_id=legal_entity_id),
        instant_limit=Decimal(instant["item_max"]),
    )


def signed_within(legal_entity_id: UUID, day: dt.date) -> dt.timedelta:
    """How long after the signing a payment goes out without a fresh liveness check."""
    days = organisations.parameter("disbursement.signed_within_days", on=day, legal_entity_id=legal_entity_id)
    return dt.timedelta(days=days)


def debit_plan(legal_entity_id: UUID, day: dt.date) -> DebitPlan:
    """On which days unpaid instalments are debited again."""
    values = organisations.parameters_of("debit.", on=day, legal_entity_id=legal_entity_id)
    return DebitPlan(retry_days=tuple(values["debit.retry_days"]), then_every=values["debit.then_every_days"])
