"""Questions about messages."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from django.db.models import Q, QuerySet
from django.utils.translation import gettext_lazy as _

from apps.common.errors import NotFound
from apps.messaging.domain import Template
from apps.messaging.models import Message, MessageTemplate

_SHIPPED: Final = Path(__file__).parent / "data" / "templates.toml"


class NoSuchTemplate(NotFound):
    """No text of this code, neither shipped nor in the database."""

    code = "no_such_template"
    title = _("There is no message template of this code.")


@cache
def shipped_templates() -> dict[str, Template]:
    """The texts that ship with the project, by code."""
    with _SHIPPED.open("rb") as file:
        rows = tomllib.load(file)["template"]
    return {
        row["code"]: Template(code=row["code"], text=row["text"], urgent=row.get("urgent", False), valid_minutes=row.get("valid_minutes"))
        for row in rows
    }


def template_of(code: str, legal_entity_id: UUID | None) -> Template:
    """The text in use: the entity's, else everybody's, else the shipped one. Raises `NoSuchTemplate`."""
    rows = MessageTemplate.objects.filter(Q(legal_entity_id=legal_entity_id) | Q(legal_entity_id=None), code=code)
    row = max(rows, key=lambda row: row.legal_entity_id is not None, default=None)
    if row is not None:
        return Template(code=row.code, text=row.text, channel=row.channel, urgent=row.urgent, valid_minutes=row.valid_minutes)
    try:
        return shipped_templates()[code]
    except KeyError:
        raise NoSuchTemplate(code=code) from None


def messages_to(person_ref: UUID) -> QuerySet[Any]:
    """Messages to a person, newest first. The caller holds the scope."""
    return Message.objects.filter(person_ref=person_ref).order_by("-queued_at", "-id")
