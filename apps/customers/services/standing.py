"""May the person borrow: restriction, its end, and leaving."""

from __future__ import annotations

import datetime as dt
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from apps.common.actors import Actor
from apps.common.audit import recorded_as
from apps.common.errors import BadInput, Conflict
from apps.customers.domain import REQUIRED_CHECKS
from apps.customers.models import Customer
from apps.customers.selectors import passed_checks
from apps.customers.services.access import lock_customer
from apps.organisations import services as organisations


class NotVerifiedBefore(Conflict):
    """A restriction is lifted only for somebody whose checks have all passed."""

    code = "not_verified_before"
    title = _("The customer's identity checks are not complete, so the restriction stays.")


class NotRestricted(Conflict):
    """Only a restriction that stands is lifted."""

    code = "not_restricted"
    title = _("The customer is not restricted.")


class RestrictedAlready(Conflict):
    """The restriction stands; its reason does not change."""

    code = "restricted_already"
    title = _("The customer is restricted already.")


@transaction.atomic
def restrict_customer(*, customer_id: UUID, reason: str, actor: Actor, now: dt.datetime) -> Customer:
    """Stop a person from borrowing; loans that run go on. Raises `RestrictedAlready`."""
    row = lock_customer(customer_id, actor)
    actor.require("customers.restrict")
    if not reason.strip():
        raise BadInput(fields={"reason": [str(_("Please give a reason."))]})
    if row.state == Customer.State.RESTRICTED:
        raise RestrictedAlready
    row.restrict()
    row.restricted_reason = reason.strip()[:200]
    row.save()
    return row


@transaction.atomic
def lift_restriction(*, customer_id: UUID, reason: str, actor: Actor, now: dt.datetime) -> Customer:
    """Let a restricted person borrow again; the reason stays in the row's history. Raises `NotVerifiedBefore`, `NotRestricted`."""
    row = lock_customer(customer_id, actor)
    actor.require("customers.restrict")
    if not reason.strip():
        raise BadInput(fields={"reason": [str(_("Please give a reason."))]})
    if row.state != Customer.State.RESTRICTED:
        raise NotRestricted
    if not passed_checks(row.id, now=now) >= REQUIRED_CHECKS:
        raise NotVerifiedBefore
    row.verify()
    row.restricted_reason = ""
    with recorded_as(actor, reason=reason.strip()[:200]):
        row.save()
    return row


@transaction.atomic
def close_customer(*, customer_id: UUID, actor: Actor, now: dt.datetime) -> Customer:
    """The person leaves: this account's login ends, the same phone may register anew. Callers make sure that no loan runs."""
    row = lock_customer(customer_id, actor)
    actor.require("customers.restrict")
    row.close()
    row.save()
    if row.user_id is not None:
        organisations.deactivate_user(user_id=row.user_id, actor=actor, now=now)
    return row
