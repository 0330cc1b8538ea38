"""What customers tell about themselves: work, home, contacts."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Final
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from apps.common import clock
from apps.common.actors import Actor
from apps.common.crypto import blind_index
from apps.common.errors import BadInput, Conflict, NotFound
from apps.common.privacy import mask_name, mask_phone
from apps.customers.domain import parse_name, parse_phone
from apps.customers.models import Contact, WorkProfile
from apps.customers.services.access import lock_customer, parsed
from apps.customers.services.consents import require_consents

MAX_CONTACTS: Final = 10
MAX_INCOME: Final = Decimal(10_000_000)


class ProfileInvalid(BadInput):
    """Income or dates that cannot be right."""

    code = "profile_invalid"


class ContactInvalid(BadInput):
    """A contact who is the customer."""

    code = "contact_invalid"


class TooManyContacts(Conflict):
    """Ten contacts are enough."""

    code = "too_many_contacts"
    title = _("Ten contacts are enough. Remove one first.")


class NoSuchContact(NotFound):
    """The customer has no such contact."""

    code = "no_such_contact"
    title = _("There is no such contact.")


@transaction.atomic
def put_profile(
    *,
    customer_id: UUID,
    employer: str,
    monthly_income: Decimal,
    employed_since: dt.date,
    actor: Actor,
    now: dt.datetime,
    industry: str = "",
    position: str = "",
    education: str = "",
    marital_status: str = "",
    housing: str = "",
    address: str = "",
) -> WorkProfile:
    """The customer's work and home, in place of what was told before. Income in yuan a month. Raises `ConsentMissing`, `ProfileInvalid`."""
    row = lock_customer(customer_id, actor)
    actor.require("api.customer")
    require_consents(row.id, "profile")
    if not Decimal(0) <= monthly_income <= MAX_INCOME:
        raise ProfileInvalid(fields={"monthly_income": [str(_("Enter your income in yuan a month."))]})
    if employed_since > clock.local_date(now) or employed_since.year < 1950:
        raise ProfileInvalid(fields={"employed_since": [str(_("This day lies in the future or too far in the past."))]})
    work, _created = WorkProfile.objects.update_or_create(
        customer=row,
        defaults={
            "employer": employer,
            "industry": industry,
            "position": position,
            "monthly_income": monthly_income,
            "employed_since": employed_since,
            "education": education,
            "marital_status": marital_status,
            "housing": housing,
        },
    )
    if address:
        row.address = address
        row.save()
    return work


@transaction.atomic
def add_contact(*, customer_id: UUID, name: str, phone: str, relation: str, actor: Actor, now: dt.datetime) -> Contact:
    """Somebody who can reach the customer; the same phone again corrects name and relation.

    Raises `ConsentMissing`, `PersonalDataInvalid`, `ContactInvalid`, `TooManyContacts`.
    """
    row = lock_customer(customer_id, actor)
    actor.require("api.customer")
    require_consents(row.id, "profile")
    full_name = parsed("name", lambda: parse_name(name))
    number = parsed("phone", lambda: parse_phone(phone))
    phone_hash = blind_index(number, purpose="phone")
    if phone_hash == row.phone_hash:
        raise ContactInvalid(fields={"phone": [str(_("A contact is somebody else: this is your own phone."))]})
    known = Contact.objects.filter(customer=row)
    if known.exclude(phone_hash=phone_hash).count() >= MAX_CONTACTS:
        raise TooManyContacts
    contact, _created = Contact.objects.update_or_create(
        customer=row,
        phone_hash=phone_hash,
        defaults={
            "relation": relation,
            "name": full_name,
            "masked_name": mask_name(full_name),
            "phone": number,
            "masked_phone": mask_phone(number),
        },
    )
    return contact


@transaction.atomic
def remove_contact(*, customer_id: UUID, contact_id: UUID, actor: Actor, now: dt.datetime) -> None:
    """Take a contact away. Raises `NoSuchContact`."""
    row = lock_customer(customer_id, actor)
    actor.require("api.customer")
    removed, _rows = Contact.objects.filter(customer=row, id=contact_id).delete()
    if not removed:
        raise NoSuchContact
