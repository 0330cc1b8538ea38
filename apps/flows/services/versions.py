"""Flow versions: written as data, checked, published; running orders stay on theirs."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Max
from django.utils.translation import gettext_lazy as _

from apps.common.actors import Actor
from apps.common.errors import BadInput, Conflict, NotFound, NotPermitted
from apps.flows import domain
from apps.flows.models import FlowVersion
from apps.organisations.domain import ROLES

DEFINITIONS = Path(__file__).parent.parent / "definitions"


class FlowInvalid(BadInput):
    """The definition has errors, listed under `definition`."""

    code = "flow_invalid"
    title = _("The flow cannot be published: see what is wrong with its definition.")


class NoSuchFlow(NotFound):
    """There is no such version in the actor's view."""

    code = "flow_unknown"
    title = _("There is no such flow version.")


class NotADraft(Conflict):
    """Only drafts are edited."""

    code = "flow_not_a_draft"
    title = _("A version that was published is never changed. Make a new one.")


def checked(document: Any) -> domain.Definition:
    """The definition of a document. Raises `FlowInvalid` with every error found."""
    definition, errors = domain.parse(document)
    errors = errors or domain.check(definition, permissions=frozenset().union(*ROLES.values()))
    if errors:
        raise FlowInvalid(fields={"definition": errors})
    return definition


def _lock(version_id: UUID, actor: Actor) -> FlowVersion:
    version: FlowVersion | None = FlowVersion.objects.within(actor.data_scope).select_for_update().filter(id=version_id).first()
    if version is None:
        raise NoSuchFlow
    actor.require("flows.edit")
    return version


@transaction.atomic
def create_version(
    *, legal_entity_id: UUID, code: str, definition: Any, actor: Actor, now: dt.datetime, product_code: str = ""
) -> FlowVersion:
    """A new draft, numbered behind the latest version. Its errors are told when it is published."""
    actor.require("flows.edit")
    if actor.data_scope.kind != "all" and actor.data_scope.owner_id != legal_entity_id:
        raise NotPermitted
    family = FlowVersion.objects.filter(legal_entity_id=legal_entity_id, code=code, product_code=product_code)
    latest = family.aggregate(latest=Max("version"))["latest"] or 0
    return FlowVersion.objects.create(
        legal_entity_id=legal_entity_id,
        code=code,
        product_code=product_code,
        version=latest + 1,
        definition=definition,
        author=str(actor),
    )


@transaction.atomic
def edit_version(*, version_id: UUID, definition: Any, actor: Actor, now: dt.datetime) -> FlowVersion:
    """Change a draft. Raises `NotADraft`."""
    version = _lock(version_id, actor)
    if version.state != FlowVersion.State.DRAFT:
        raise NotADraft
    version.definition = definition
    version.save(update_fields=["definition"])
    return version


@transaction.atomic
def publish_version(*, version_id: UUID, actor: Actor, now: dt.datetime) -> FlowVersion:
    """New orders follow this version; the one before retires. A retired version may be published again. Raises `FlowInvalid`."""
    version = _lock(version_id, actor)
    checked(version.definition)
    before = FlowVersion.objects.select_for_update().filter(
        legal_entity_id=version.legal_entity_id,
        code=version.code,
        product_code=version.product_code,
        state=FlowVersion.State.PUBLISHED,
    )
    for other in before.exclude(id=version.id):
        other.retire()
        other.save(update_fields=["state"])
    version.publish()
    version.published_at = now
    version.save(update_fields=["state", "published_at"])
    return version


@transaction.atomic
def retire_version(*, version_id: UUID, actor: Actor, now: dt.datetime) -> FlowVersion:
    """No new order follows this version."""
    version = _lock(version_id, actor)
    version.retire()
    version.save(update_fields=["state"])
    return version


@transaction.atomic
def install_shipped_flows(*, legal_entity_id: UUID, actor: Actor, now: dt.datetime) -> list[FlowVersion]:
    """Publish the shipped definitions of flows that the entity does not have yet."""
    installed = []
    for path in sorted(DEFINITIONS.glob("*.json")):
        if FlowVersion.objects.filter(legal_entity_id=legal_entity_id, code=path.stem, product_code="").exists():
            continue
        document = json.loads(path.read_text(encoding="utf-8"))
        draft = create_version(legal_entity_id=legal_entity_id, code=path.stem, definition=document, actor=actor, now=now)
        installed.append(publish_version(version_id=draft.id, actor=actor, now=now))
    return installed
