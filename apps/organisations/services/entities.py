"""Legal entities, their branches and first business day."""

from __future__ import annotations

import datetime as dt
from uuid import UUID

from django.db import connection, transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.common.actors import Actor
from apps.common.errors import BadInput, Conflict
from apps.organisations.models import Branch, BusinessDay, LegalEntity
from apps.organisations.selectors import NoBusinessDay, business_date
from apps.organisations.services.access import CodeTaken, require_entity, require_operator


class BusinessDayOpen(Conflict):
    """The entity has a business day already."""

    code = "business_day_open"
    title = gettext_lazy("The legal entity has a business day already. The end of day opens the next ones.")


@transaction.atomic
def create_legal_entity(
    *,
    code: str,
    name: str,
    short_name: str,
    actor: Actor,
    now: dt.datetime,
    uscc: str = "",
    lender_type: str = LegalEntity.LenderType.LICENSED,
    address: str = "",
    phone: str = "",
) -> LegalEntity:
    """A new lender. Raises `CodeTaken`."""
    require_operator(actor)
    if lender_type not in LegalEntity.LenderType.values:
        raise BadInput(fields={"lender_type": [_("Choose one of the lender types.")]})
    if LegalEntity.objects.filter(code=code).exists():
        raise CodeTaken(code=code)
    return LegalEntity.objects.create(
        code=code, name=name, short_name=short_name, uscc=uscc, lender_type=lender_type, address=address, phone=phone
    )


@transaction.atomic
def create_branch(*, legal_entity_id: UUID, code: str, name: str, actor: Actor, now: dt.datetime, city: str = "") -> Branch:
    """A new branch of a legal entity. Raises `CodeTaken`."""
    actor.require("organisations.edit")
    require_entity(actor, legal_entity_id)
    if Branch.objects.filter(legal_entity_id=legal_entity_id, code=code).exists():
        raise CodeTaken(code=code)
    return Branch.objects.create(legal_entity_id=legal_entity_id, code=code, name=name, city=city)


@transaction.atomic
def open_business_day(entity_id: UUID, day: dt.date, *, now: dt.datetime) -> BusinessDay:
    """The entity's first business day; `manage.py eod` opens all later ones. Repeating it with the same day changes nothing.

    Raises `BusinessDayOpen`.
    """
    LegalEntity.objects.select_for_update().get(id=entity_id)
    last = BusinessDay.objects.filter(legal_entity_id=entity_id).order_by("-date").first()
    if last is None:
        return BusinessDay.objects.create(legal_entity_id=entity_id, date=day, opened_at=now)
    if last.date == day and last.state == BusinessDay.State.OPEN:
        return last
    raise BusinessDayOpen


def hold_business_date(entity_id: UUID) -> dt.date:
    """The business date, and it stays that until the caller's transaction ends: no end of day begins before.

    For deeds that make something the closing steps of the day would otherwise not see. Raises `NoBusinessDay`.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock_shared(hashtextextended(%s, 0))", [_day_key(entity_id)])
    return business_date(entity_id)


def hold_business_days(entity_id: UUID) -> tuple[dt.date, dt.date | None]:
    """`hold_business_date`, and the day that is being closed meanwhile (None: none is). Raises `NoBusinessDay`."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock_shared(hashtextextended(%s, 0))", [_day_key(entity_id)])
        cursor.execute(
            "SELECT state, date FROM organisations_businessday WHERE legal_entity_id = %s AND state IN ('open', 'closing')", [entity_id]
        )
        rows = dict(cursor.fetchall())
    if BusinessDay.State.OPEN not in rows:
        raise NoBusinessDay
    return rows[BusinessDay.State.OPEN], rows.get(BusinessDay.State.CLOSING)


@transaction.atomic
def ask_end_of_day(*, entity_id: UUID, to: dt.date, actor: Actor) -> None:
    """Have a worker close the entity's days up to `to`, or the rest of one that stopped. Raises `NotPermitted`."""
    from apps.organisations.tasks import close_days

    actor.require("eod.run")
    close_days.delay_on_commit(str(entity_id), to.isoformat(), str(actor.user_id))


def wait_for_holders(entity_id: UUID) -> None:
    """Wait for the deeds that hold the business date, and keep new ones waiting until the caller's transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [_day_key(entity_id)])


def _day_key(entity_id: UUID) -> str:
    return f"business_day:{entity_id}"
