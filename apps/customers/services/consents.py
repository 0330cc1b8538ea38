"""Consents: given to the text in force, withdrawn at will; nothing that needs one runs without it."""

from __future__ import annotations

import datetime as dt
import hashlib
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from apps.common import clock
from apps.common.actors import Actor
from apps.common.crypto import blind_index
from apps.common.errors import Conflict, NotFound
from apps.customers.domain import ConsentKind
from apps.customers.models import Consent, ConsentText
from apps.customers.selectors import consent_texts, missing_consents, shipped_consent_texts
from apps.customers.services.access import lock_customer
from apps.organisations import selectors as organisations


class ConsentMissing(Conflict):
    """A deed needs consents that do not stand; `facts` name their kinds."""

    code = "consent_missing"
    title = _("Please read and give the consents that this step needs.")


class ConsentTextOutdated(Conflict):
    """The consent was given to words that are no longer, or not yet, the text in force."""

    code = "consent_text_outdated"
    title = _("The text has changed. Please read the present version.")


class NoSuchConsent(NotFound):
    """No consent of this kind stands."""

    code = "no_such_consent"
    title = _("No consent of this kind is in force.")


@transaction.atomic
def install_consent_texts(*, legal_entity_id: UUID, actor: Actor, now: dt.datetime) -> int:
    """Add the shipped texts that a lender lacks, with its name in them; returns how many were added. Safe to repeat."""
    actor.require("organisations.edit")
    lender = organisations.entity(legal_entity_id).name
    present = set(ConsentText.objects.filter(legal_entity_id=legal_entity_id).values_list("kind", "version"))
    new = []
    for shipped in shipped_consent_texts():
        kind = ConsentKind(shipped["kind"])
        if (kind.value, shipped["version"]) in present:
            continue
        text = shipped["text"].strip().replace("{lender}", lender)
        new.append(
            ConsentText(
                legal_entity_id=legal_entity_id,
                kind=kind,
                version=shipped["version"],
                title=shipped["title"],
                purpose=shipped["purpose"],
                text=text,
                sha256=hashlib.sha256(text.encode()).hexdigest(),
                effective_from=shipped["effective_from"],
            )
        )
    ConsentText.objects.bulk_create(new)
    return len(new)


@transaction.atomic
def give_consent(
    *, customer_id: UUID, kind: str, version: int, actor: Actor, now: dt.datetime, device_id: str = "", ip: str | None = None
) -> Consent:
    """The customer agrees to the text in force; agreeing again changes nothing. Raises `ConsentTextOutdated`, `NoSuchCustomer`."""
    row = lock_customer(customer_id, actor)
    actor.require("api.customer")
    texts = {text.kind: text for text in consent_texts(row.legal_entity_id, on=clock.local_date(now))}
    text = texts.get(kind)
    if text is None or text.version != version:
        raise ConsentTextOutdated(kind=kind, version=text.version if text else "")
    standing: Consent | None = Consent.objects.filter(customer=row, text=text, withdrawn_at=None).first()
    if standing is not None:
        return standing
    # A consent to earlier words is replaced, so that one stands per kind.
    Consent.objects.filter(customer=row, kind=kind, withdrawn_at=None).update(withdrawn_at=now)
    given: Consent = Consent.objects.create(
        customer=row,
        text=text,
        kind=kind,
        version=version,
        given_at=now,
        device_hash=blind_index(device_id, purpose="device") if device_id else "",
        ip=ip,
    )
    return given


@transaction.atomic
def withdraw_consent(*, customer_id: UUID, kind: str, actor: Actor, now: dt.datetime) -> Consent:
    """The customer takes a consent back; what was done under it stays done. Raises `NoSuchConsent`."""
    row = lock_customer(customer_id, actor)
    actor.require("api.customer")
    standing: Consent | None = Consent.objects.select_for_update().filter(customer=row, kind=kind, withdrawn_at=None).first()
    if standing is None:
        raise NoSuchConsent
    standing.withdrawn_at = now
    standing.save(update_fields=["withdrawn_at"])
    return standing


def require_consents(customer_id: UUID, purpose: str) -> None:
    """Raise `ConsentMissing` unless all consents for a purpose (see `selectors.CONSENTS_FOR`) stand."""
    missing = missing_consents(customer_id, purpose)
    if missing:
        raise ConsentMissing(kinds=", ".join(missing))
