"""Lists and links: what risk itself knows of persons, devices, contacts and consultants."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from apps.common import clock
from apps.common.actors import Actor
from apps.common.crypto import blind_index
from apps.common.errors import BadInput, Conflict, NotFound, NotPermitted
from apps.common.privacy import mask_card, mask_id_number, mask_phone
from apps.customers.domain import ConsentKind, CustomerFacts, parse_card_number, parse_id_number, parse_phone
from apps.customers.services.access import parsed
from apps.organisations.selectors import parameter
from apps.risk.models import DecisionRequest, IdentifierKind, Link, ListEntry

# How a value of each kind is read; a kind that no subject is compared by (companies) is not taken: it would never hit.
_READ: dict[str, Callable[[str, dt.date], str]] = {
    IdentifierKind.PHONE: lambda text, _day: parse_phone(text),
    IdentifierKind.ID_NUMBER: lambda text, day: parse_id_number(text, on=day).number,
    IdentifierKind.CARD: lambda text, _day: parse_card_number(text),
    IdentifierKind.DEVICE: lambda text, _day: text.strip(),
}
_MASKS = {IdentifierKind.PHONE: mask_phone, IdentifierKind.ID_NUMBER: mask_id_number, IdentifierKind.CARD: mask_card}


class AlreadyListed(Conflict):
    """The identifier stands on this list."""

    code = "already_listed"
    title = _("This value is on the list already.")


class NoSuchEntry(NotFound):
    """No such list entry, or it is not this person's to see."""

    code = "list_entry_not_found"
    title = _("There is no such list entry.")


@transaction.atomic
def add_list_entry(
    *,
    legal_entity_id: UUID,
    colour: str,
    kind: str,
    value: str,
    reason: str,
    source: str,
    actor: Actor,
    now: dt.datetime,
    valid_until: dt.date | None = None,
) -> ListEntry:
    """Put an identifier on a list from today on; only its blind index and mask are kept.

    The value is read as customers' own values are, so that it hits however it was typed. Raises `AlreadyListed`, `BadInput`.
    """
    actor.require("risk.edit")
    if actor.data_scope.kind != "all" and actor.data_scope.owner_id != legal_entity_id:
        raise NotPermitted
    day = clock.local_date(now)
    problems: dict[str, list[str]] = {}
    if colour not in ListEntry.Colour.values or kind not in _READ:
        problems["colour"] = [str(_("Choose a list and a kind of identifier."))]
    if not value.strip():
        problems["value"] = [str(_("Enter the value to list."))]
    if not reason.strip():
        problems["reason"] = [str(_("Please give a reason."))]
    if valid_until is not None and valid_until < day:
        problems["valid_until"] = [str(_("The validity ends before it begins."))]
    if problems:
        raise BadInput(fields=problems)
    value = parsed("value", lambda: _READ[IdentifierKind(kind)](value, day))
    value_hash = blind_index(value, purpose=kind)
    if _listed(legal_entity_id, day).filter(colour=colour, kind=kind, value_hash=value_hash).exists():
        raise AlreadyListed
    return ListEntry.objects.create(
        legal_entity_id=legal_entity_id,
        colour=colour,
        kind=kind,
        value_hash=value_hash,
        masked=_MASKS.get(IdentifierKind(kind), lambda text: f"{text[:4]}****")(value)[:32],
        reason=reason.strip()[:200],
        source=source.strip()[:64],
        valid_from=day,
        valid_until=valid_until,
        added_by=str(actor)[:100],
    )


@transaction.atomic
def end_list_entry(*, entry_id: UUID, actor: Actor, now: dt.datetime) -> ListEntry:
    """Let an entry's validity end yesterday, or today when it began today. Raises `NoSuchEntry`."""
    entry = ListEntry.objects.within(actor.data_scope).select_for_update().filter(id=entry_id).first()
    if entry is None:
        raise NoSuchEntry
    actor.require("risk.edit")
    yesterday = clock.local_date(now) - dt.timedelta(days=1)
    entry.valid_until = max(entry.valid_from, yesterday)
    entry.save()
    return entry


def keep_links(request: DecisionRequest, facts: CustomerFacts, *, now: dt.datetime) -> None:
    """Remember with what the subject was seen; once per request and value."""
    seen = [(Link.Kind.DEVICE, value) for value in facts.device_hashes]
    seen += [(Link.Kind.CONTACT, value) for value in facts.contact_phone_hashes]
    seen.append((Link.Kind.PHONE, facts.phone_hash))
    for kind, key in ((Link.Kind.CONSULTANT, "consultant_ref"), (Link.Kind.SHOP, "shop_ref")):
        seen.append((kind, str(request.subject.get(key) or "")))
    Link.objects.bulk_create(
        [
            Link(
                legal_entity_id=request.legal_entity_id,
                customer_ref=request.customer_ref,
                kind=kind,
                value=value[:64],
                request=request,
                at=now,
            )
            for kind, value in dict.fromkeys(seen)
            if value
        ],
        ignore_conflicts=True,
    )


def signals_of(request: DecisionRequest, facts: CustomerFacts, *, now: dt.datetime) -> tuple[dict[str, Any], list[UUID]]:
    """What lists and links say of a subject at a moment, and the list entries that were hit.

    Without the consent to device data nothing is said of devices: the feature is absent, and a person decides.
    """
    day = clock.local_date(now)
    entries = list(_entries_of(request.legal_entity_id, facts, day))
    contacts = set(facts.contact_phone_hashes) - {facts.phone_hash}
    own = [entry for entry in entries if not (entry.kind == IdentifierKind.PHONE and entry.value_hash in contacts)]
    colours = {entry.colour for entry in own}
    links = Link.objects.filter(legal_entity_id=request.legal_entity_id, at__lte=now)
    return {
        "blacklisted": ListEntry.Colour.BLACK in colours,
        "greylisted": ListEntry.Colour.GREY in colours,
        "whitelisted": ListEntry.Colour.WHITE in colours,
        "contact_blacklisted": any(entry.colour == ListEntry.Colour.BLACK for entry in entries if entry not in own),
        "device_applicants": _people(links, Link.Kind.DEVICE, facts.device_hashes, _since("device", request, now))
        if ConsentKind.DATA_COLLECTION in facts.consents
        else None,
        "consultant_applications": _people(
            links, Link.Kind.CONSULTANT, [str(request.subject.get("consultant_ref"))], _since("consultant", request, now)
        ),
        "contact_shared_applicants": _people(
            links.exclude(customer_ref=request.customer_ref), Link.Kind.CONTACT, facts.contact_phone_hashes, None
        ),
    }, [entry.id for entry in entries]


def _since(name: str, request: DecisionRequest, now: dt.datetime) -> dt.datetime:
    hours = int(parameter(f"risk.{name}_window_hours", on=clock.local_date(now), legal_entity_id=request.legal_entity_id))
    return now - dt.timedelta(hours=hours)


def _people(links: Any, kind: str, values: Any, since: dt.datetime | None) -> int:
    """How many persons were seen with any of the values."""
    found = links.filter(kind=kind, value__in=[value for value in values if value])
    if since is not None:
        found = found.filter(at__gt=since)
    return int(found.values("customer_ref").distinct().count())


def _listed(legal_entity_id: UUID, day: dt.date) -> Any:
    return ListEntry.objects.filter(Q(valid_until=None) | Q(valid_until__gte=day), legal_entity_id=legal_entity_id, valid_from__lte=day)


def _entries_of(legal_entity_id: UUID, facts: CustomerFacts, day: dt.date) -> Any:
    phones = [facts.phone_hash, *facts.contact_phone_hashes]
    return _listed(legal_entity_id, day).filter(
        Q(kind=IdentifierKind.PHONE, value_hash__in=phones)
        | Q(kind=IdentifierKind.ID_NUMBER, value_hash=facts.id_number_hash)
        | Q(kind=IdentifierKind.DEVICE, value_hash__in=list(facts.device_hashes))
        | Q(kind=IdentifierKind.CARD, value_hash__in=list(facts.card_hashes))
    )
