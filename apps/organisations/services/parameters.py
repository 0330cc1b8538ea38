"""Dated parameters: the shipped ones, and changes by maker and checker."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.common import approvals
from apps.common.actors import Actor
from apps.common.errors import BadInput
from apps.common.models import ChangeRequest
from apps.organisations.domain import parameter_value
from apps.organisations.models import Parameter
from apps.organisations.services.access import require_entity, require_operator

SHIPPED_PARAMETERS = Path(__file__).parent.parent / "data" / "parameters.json"
CHANGE_KIND = "organisations.parameter"


class BadParameter(BadInput):
    """A parameter's value, kind or validity is not acceptable."""

    code = "bad_parameter"
    title = gettext_lazy("The value does not suit the parameter.")


def shipped_parameters() -> list[dict[str, Any]]:
    """The parameters that ship with the project, as their file states them."""
    with SHIPPED_PARAMETERS.open(encoding="utf-8") as file:
        rows: list[dict[str, Any]] = json.load(file)
    return rows


@transaction.atomic
def install_parameters(*, actor: Actor, now: dt.datetime) -> int:
    """Add the shipped parameters that are missing; returns how many were added. What staff have changed stays as it is."""
    require_operator(actor)
    present = set(Parameter.objects.filter(legal_entity=None, product_code="").values_list("code", "effective_from"))
    new = []
    for row in shipped_parameters():
        effective_from = dt.date.fromisoformat(row["from"])
        if (row["code"], effective_from) in present:
            continue
        parameter_value(row["kind"], row["value"])
        new.append(
            Parameter(
                code=row["code"],
                kind=row["kind"],
                value=row["value"],
                effective_from=effective_from,
                effective_to=dt.date.fromisoformat(row["to"]) if row.get("to") else None,
                source=row["source"],
                certainty=row["certainty"],
                note=row.get("note", ""),
            )
        )
    Parameter.objects.bulk_create(new)
    return len(new)


@transaction.atomic
def set_parameter(
    *,
    code: str,
    value: Any,
    effective_from: dt.date,
    source: str,
    certainty: str,
    actor: Actor,
    now: dt.datetime,
    legal_entity_id: UUID | None = None,
    product_code: str = "",
    note: str = "",
) -> Parameter:
    """A new value from a day on, set by an operator of the whole system; an entity's people propose theirs (`propose_parameter`).

    The value in force until then ends the day before. Dated rows are never changed otherwise. Raises `BadParameter` for a code that is
    unknown, a value not of its kind, or a day before an existing later row.
    """
    require_operator(actor)
    return _set(
        code=code,
        value=value,
        effective_from=effective_from,
        source=source,
        certainty=certainty,
        legal_entity_id=legal_entity_id,
        product_code=product_code,
        note=note,
    )


def propose_parameter(
    *,
    legal_entity_id: UUID,
    code: str,
    value: Any,
    effective_from: dt.date,
    source: str,
    reason: str,
    actor: Actor,
    now: dt.datetime,
    product_code: str = "",
) -> ChangeRequest:
    """Propose a value of the entity's own; it comes into force when somebody else approves. Raises `BadParameter`."""
    require_entity(actor, legal_entity_id)
    payload = {
        "legal_entity_id": str(legal_entity_id),
        "code": code,
        "product_code": product_code,
        "value": value,
        "effective_from": effective_from.isoformat(),
        "source": source,
        "note": reason[:300],
    }
    return approvals.propose(
        kind=CHANGE_KIND, legal_entity_id=legal_entity_id, subject=code, payload=payload, reason=reason, actor=actor, now=now
    )


def preview_change(payload: dict[str, Any], _now: dt.datetime) -> dict[str, Any]:
    """What a proposed value takes the place of; changes nothing. Raises `BadParameter` for a value that cannot be set."""
    proposed = _proposed(payload)
    rows = _rows(proposed)
    _check(proposed, rows)
    before = rows.filter(_in_force_on(proposed["effective_from"])).first()
    return {
        "code": payload["code"],
        "before": before.value if before else None,
        "after": payload["value"],
        "from": payload["effective_from"],
    }


def execute_change(payload: dict[str, Any], actor: Actor, now: dt.datetime, reference: str) -> dict[str, Any]:
    """Set a value that maker and checker agreed on."""
    row = _set(**_proposed(payload), certainty=Parameter.Certainty.STATED)
    return {"parameter": str(row.id)}


def _proposed(payload: dict[str, Any]) -> dict[str, Any]:
    return payload | {
        "legal_entity_id": UUID(payload["legal_entity_id"]),
        "effective_from": dt.date.fromisoformat(payload["effective_from"]),
    }


def _in_force_on(day: dt.date) -> Q:
    return Q(effective_from__lte=day) & (Q(effective_to=None) | Q(effective_to__gte=day))


def _rows(new: dict[str, Any]) -> Any:
    return Parameter.objects.filter(code=new["code"], legal_entity_id=new["legal_entity_id"], product_code=new["product_code"])


def _check(new: dict[str, Any], rows: Any) -> str:
    """The kind of the parameter. Raises `BadParameter`."""
    kind: str | None = Parameter.objects.filter(code=new["code"]).order_by("created_at").values_list("kind", flat=True).first()
    if kind is None:
        raise BadParameter(_("This parameter is not known."), code=new["code"])
    try:
        parameter_value(kind, new["value"])
    except ValueError as error:
        raise BadParameter(str(error), code=new["code"]) from None
    if rows.filter(effective_from__gte=new["effective_from"]).exists():
        raise BadParameter(_("A value from this day or a later one exists already."), code=new["code"])
    return kind


@transaction.atomic
def _set(**new: Any) -> Parameter:
    rows = _rows(new).select_for_update()
    kind = _check(new, rows)
    rows.filter(_in_force_on(new["effective_from"])).update(effective_to=new["effective_from"] - dt.timedelta(days=1))
    try:
        with transaction.atomic():
            return Parameter.objects.create(kind=kind, **new)
    except IntegrityError:
        raise BadParameter(_("Another value was set at the same time. Please look again."), code=new["code"]) from None
