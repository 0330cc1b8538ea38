"""Questions about legal entities, the business day and the dated parameters."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from django.db import connection
from django.db.models import F
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from apps.common.errors import BadInput, Conflict, NotFound
from apps.common.scope import ScopedQuerySet
from apps.organisations.domain import BranchBrief, EntityBrief, extra_value, parameter_value
from apps.organisations.models import Branch, BusinessDay, ExtraField, LegalEntity, StepRun, User

# Of the rows of a code that are in force, the most specific one. Plain SQL: deeds on loans ask this each time.
_IN_FORCE: Final = """
    SELECT DISTINCT ON (row.code) row.code, row.kind, row.value::text
      FROM organisations_parameter row
     WHERE {which} AND (row.legal_entity_id IS NULL OR row.legal_entity_id = %(entity)s) AND row.product_code IN ('', %(product)s)
       AND row.effective_from <= %(on)s AND (row.effective_to IS NULL OR row.effective_to >= %(on)s)
     ORDER BY row.code, (row.legal_entity_id IS NOT NULL) DESC, (row.product_code <> '') DESC
"""


class EntityUnknown(NotFound):
    """There is no such legal entity."""

    code = "entity_unknown"
    title = _("There is no such legal entity.")


class NoBusinessDay(Conflict):
    """The legal entity has no open business day yet."""

    code = "no_business_day"
    title = _("The legal entity has no open business day. Open its first one before any business.")


class ParameterMissing(Conflict):
    """No value of a parameter is in force on a day."""

    code = "parameter_missing"
    title = _("A parameter has no value for this day. Install the shipped values with `manage.py install_parameters`, or set one.")


def entity(entity_id: UUID) -> EntityBrief:
    """A legal entity by id. Raises `EntityUnknown`."""
    return _brief(LegalEntity.objects.filter(id=entity_id).first())


def entity_by_code(code: str) -> EntityBrief:
    """A legal entity by its code. Raises `EntityUnknown`."""
    return _brief(LegalEntity.objects.filter(code=code).first())


def entities() -> list[EntityBrief]:
    """All legal entities, by code; for processes of ours, not for people."""
    return [_brief(row) for row in LegalEntity.objects.order_by("code")]


def default_entity() -> EntityBrief:
    """The only legal entity of an installation. Raises `EntityUnknown` when there is none, or more than one to choose from."""
    rows = list(LegalEntity.objects.order_by("code")[:2])
    return _brief(rows[0] if len(rows) == 1 else None)


def _brief(row: LegalEntity | None) -> EntityBrief:
    if row is None:
        raise EntityUnknown
    return EntityBrief(
        id=row.id,
        code=row.code,
        name=row.name,
        short_name=row.short_name,
        uscc=row.uscc,
        lender_type=row.lender_type,
        address=row.address,
        phone=row.phone,
    )


def branches(entity_id: UUID) -> list[BranchBrief]:
    """The branches of a legal entity, by code."""
    rows = Branch.objects.filter(legal_entity_id=entity_id).order_by("code")
    return [BranchBrief(*row) for row in rows.values_list("id", "code", "name")]


def branch_of_staff(user_id: UUID | None, entity_id: UUID) -> UUID | None:
    """The branch of a member of staff, when it is one of this legal entity; None for everybody else."""
    staff = User.objects.filter(id=user_id, kind=User.Kind.STAFF, branch__legal_entity_id=entity_id)
    return staff.values_list("branch_id", flat=True).first()


def business_date(entity_id: UUID) -> dt.date:
    """The day on which the entity's business is booked now: its open day. While a day closes, that is already the next one.

    Raises `NoBusinessDay`.
    """
    day = BusinessDay.objects.filter(legal_entity_id=entity_id, state=BusinessDay.State.OPEN).values_list("date", flat=True).first()
    if day is None:
        raise NoBusinessDay
    return day


def closing_day(entity_id: UUID) -> dt.date | None:
    """The day that is being closed; None when none is."""
    days = BusinessDay.objects.filter(legal_entity_id=entity_id, state=BusinessDay.State.CLOSING)
    return days.values_list("date", flat=True).first()


def may_post(entity_id: UUID, day: dt.date) -> bool:
    """Whether entries may still be posted on a day: it is open or closing."""
    return BusinessDay.objects.filter(
        legal_entity_id=entity_id, date=day, state__in=[BusinessDay.State.OPEN, BusinessDay.State.CLOSING]
    ).exists()


def business_days(user: Any) -> ScopedQuerySet:
    """Business days that a person may see, newest first."""
    return BusinessDay.objects.visible_to(user).select_related("legal_entity").order_by("-date", "legal_entity__code")


def step_runs(entity_id: UUID, day: dt.date) -> ScopedQuerySet:
    """What the end of day did around a day: its closing steps and its opening steps, in the order in which they began."""
    return StepRun.objects.filter(legal_entity_id=entity_id, day=day).order_by(F("started_at").asc(nulls_last=True), "id")


def parameter(code: str, *, on: dt.date, legal_entity_id: UUID | None = None, product_code: str | None = None) -> Any:
    """The value in force on a day; the most specific row wins: entity and product, entity, product, everybody.

    Amounts and rates are `Decimal` (rates are fractions a year), times are Beijing's. Raises `ParameterMissing`.
    """
    values = _in_force("row.code = ANY(%(wanted)s)", [code], on, legal_entity_id, product_code)
    if code not in values:
        raise ParameterMissing(code=code, on=on)
    return values[code]


def parameters_of(*prefixes: str, on: dt.date, legal_entity_id: UUID | None = None, product_code: str | None = None) -> dict[str, Any]:
    """All values in force whose code begins with one of `prefixes`, by code, in one query."""
    which = "EXISTS (SELECT 1 FROM unnest(%(wanted)s::text[]) prefix WHERE starts_with(row.code, prefix))"
    return _in_force(which, list(prefixes), on, legal_entity_id, product_code)


def _in_force(which: str, wanted: list[str], on: dt.date, legal_entity_id: UUID | None, product_code: str | None) -> dict[str, Any]:
    facts: dict[str, Any] = {"wanted": wanted, "on": on, "entity": legal_entity_id, "product": product_code or ""}
    with connection.cursor() as cursor:
        cursor.execute(_IN_FORCE.format(which=which), facts)
        return {code: parameter_value(kind, json.loads(value)) for code, kind, value in cursor.fetchall()}


def annual_rate_cap(*, legal_entity_id: UUID, on: dt.date) -> Decimal:
    """The highest annual cost (`apr_irr` with all fees, a fraction) that the lender's type allows on a day.

    A licensed lender and a micro-loan company have a figure of their own; an unlicensed one a multiple of the 1-year LPR.
    """
    lender_type = entity(legal_entity_id).lender_type
    values = parameters_of("rate_cap.", on=on, legal_entity_id=legal_entity_id)
    fixed = values.get(f"rate_cap.{lender_type}")
    multiple = values.get(f"rate_cap.{lender_type}_lpr_multiple")
    caps = [] if fixed is None else [fixed]
    if multiple is not None:
        caps.append(multiple * parameter("lpr.1y", on=on))
    if not caps:
        raise ParameterMissing(code=f"rate_cap.{lender_type}", on=on)
    return Decimal(min(caps))


EXTRA_KINDS: Final = tuple(ExtraField.Kind.choices)


def extra_fields(legal_entity_id: UUID, about: str) -> list[ExtraField]:
    """The extra fields that a lender keeps of a kind of thing, in the order in which they were defined; retired ones left out."""
    return list(ExtraField.objects.filter(legal_entity_id=legal_entity_id, about=about, is_retired=False).order_by("created_at", "id"))


def checked_extras(fields: Iterable[ExtraField], sent: Mapping[str, Any]) -> dict[str, Any]:
    """What was sent for extra fields as it is kept, empty ones left out. Raises `BadInput` naming the fields that are wrong."""
    known = {field.name: field for field in fields}
    wrong: dict[str, list[str]] = {name: [gettext("There is no such field.")] for name in sent if name not in known}
    values: dict[str, Any] = {}
    for name, field in known.items():
        raw = sent.get(name)
        try:
            value = extra_value(field.kind, "" if raw is None else str(raw), field.choices)
        except ValueError:
            wrong[name] = [gettext("Enter a %(kind)s.") % {"kind": field.get_kind_display()}]
            continue
        if value is not None:
            values[name] = value
        elif field.is_required:
            wrong[name] = [gettext("Please fill this in.")]
    if wrong:
        raise BadInput(fields=wrong)
    return values
