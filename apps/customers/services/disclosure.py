"""Personal data in clear for staff: for a reason, and written down."""

from __future__ import annotations

import datetime as dt
from typing import Final
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from apps.common.actors import Actor
from apps.common.errors import BadInput
from apps.customers.domain import Disclosure
from apps.customers.models import Customer, DisclosureLog
from apps.customers.selectors import NoSuchCustomer

FIELDS: Final = ("phone", "name", "id_number", "address")
MIN_REASON: Final = 4


class DisclosureReasonMissing(BadInput):
    """Nobody sees personal data in clear without saying why."""

    code = "disclosure_reason_missing"
    title = _("Say why you need this value; the reason is kept.")


@transaction.atomic
def unmask(*, customer_id: UUID, field: str, reason: str, actor: Actor, now: dt.datetime) -> Disclosure:
    """One value in clear. Raises `DisclosureReasonMissing`, `NoSuchCustomer` outside the actor's view, `NotPermitted`."""
    actor.require("customers.unmask")
    row: Customer | None = Customer.objects.within(actor.data_scope).filter(id=customer_id).first()
    if row is None:
        raise NoSuchCustomer
    if field not in FIELDS:
        raise BadInput(fields={"field": [str(_("This field is not kept masked."))]})
    if len(reason.strip()) < MIN_REASON:
        raise DisclosureReasonMissing(fields={"reason": [str(DisclosureReasonMissing.title)]})
    DisclosureLog.objects.create(
        customer=row, field=field, reason=reason.strip()[:200], actor=str(actor)[:100], user_ref=actor.user_id, at=now
    )
    return Disclosure(field, getattr(row, field))
