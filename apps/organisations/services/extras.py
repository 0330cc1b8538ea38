"""Extra fields 附加字段: staff define what they keep beside their loans. Rules: docs/rules/extra-fields.md."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.common.actors import Actor
from apps.common.errors import BadInput, Conflict
from apps.organisations.models import ExtraField
from apps.organisations.services.access import require_entity

MAX_EXTRA_FIELDS: Final = 40
_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,31}", re.ASCII)


class ExtraFieldStands(Conflict):
    """A field of this name holds values of another kind."""

    code = "extra_field_stands"
    title = gettext_lazy("A field of this name stands with another kind. Choose another name.")


@transaction.atomic
def define_extra_field(
    *,
    legal_entity_id: UUID,
    about: str,
    name: str,
    kind: str,
    label_en: str,
    label_zh: str,
    actor: Actor,
    now: dt.datetime,
    is_required: bool = False,
    choices: Sequence[str] = (),
) -> ExtraField:
    """Define a field, or change labels, choices and whether it is required; a retired one comes back.

    Its kind stays, for values of it may stand. Raises `BadInput` naming fields, `ExtraFieldStands`.
    """
    actor.require("organisations.edit")
    require_entity(actor, legal_entity_id)
    wrong: dict[str, list[str]] = {}
    if not _NAME.fullmatch(name):
        wrong["name"] = [_("Small letters, digits and _, at most 32, a letter first.")]
    if about not in ExtraField.About.values:
        wrong["about"] = [_("Choose one of the list.")]
    if kind not in ExtraField.Kind.values:
        wrong["kind"] = [_("Choose one of the list.")]
    options = list(dict.fromkeys(text.strip() for text in choices if text.strip()))
    if (kind == ExtraField.Kind.CHOICE) != (len(options) > 1) or any(len(text) > 60 for text in options):
        wrong["choices"] = [_("A choice has at least two choices of at most 60 characters; other kinds have none.")]
    for label_name, label in (("label_en", label_en), ("label_zh", label_zh)):
        if not 0 < len(label.strip()) <= 60:
            wrong[label_name] = [_("From 1 to 60 characters.")]
    if wrong:
        raise BadInput(fields=wrong)
    standing = ExtraField.objects.select_for_update().filter(legal_entity_id=legal_entity_id, about=about)
    field = standing.filter(name=name).first()
    if field is not None and field.kind != kind:
        raise ExtraFieldStands(name=name, kind=field.kind)
    if field is None:
        if standing.count() >= MAX_EXTRA_FIELDS:
            raise BadInput(fields={"name": [_("There are %(most)s fields already.") % {"most": MAX_EXTRA_FIELDS}]})
        field = ExtraField(legal_entity_id=legal_entity_id, about=about, name=name, kind=kind, created_at=now)
    field.label_en, field.label_zh, field.is_required = label_en.strip(), label_zh.strip(), is_required
    field.choices, field.is_retired = options, False
    field.save()
    return field


@transaction.atomic
def retire_extra_field(*, legal_entity_id: UUID, about: str, name: str, actor: Actor) -> None:
    """Ask for a field no more; its values stay in the record. Safe to repeat."""
    actor.require("organisations.edit")
    require_entity(actor, legal_entity_id)
    ExtraField.objects.filter(legal_entity_id=legal_entity_id, about=about, name=name).update(is_retired=True)
