"""Deeds on dealers: onboarding, signing, shops, consultants, suspension."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext_lazy as _

from apps.common import clock
from apps.common.actors import Actor
from apps.common.crypto import blind_index
from apps.common.errors import BadInput, Conflict, NotPermitted
from apps.common.money import ZERO
from apps.common.numbers import next_number
from apps.common.outbox import publish
from apps.common.privacy import mask_card, mask_name, mask_phone
from apps.dealers.domain import Scene, parse_account_no, parse_mobile, uscc_valid
from apps.dealers.events import DealerActivated, DealerSigningStarted, DealerSuspended
from apps.dealers.models import Consultant, Dealer, Shop
from apps.dealers.selectors import NoSuchConsultant, NoSuchDealer, NoSuchShop
from apps.documents import services as documents
from apps.documents.domain import Signer
from apps.organisations import selectors as organisations
from apps.organisations import services as people

AGREEMENT_TEMPLATE = "documents/dealer_agreement.html"
AGREEMENT_VERSION = "2026-01"
SIGNING = Actor.system("dealers.signing")


class DealerInvalid(BadInput):
    """Company facts that cannot be right; `fields` name them."""

    code = "dealer_invalid"


class DealerIncomplete(Conflict):
    """Papers are missing before the agreement can be signed."""

    code = "dealer_incomplete"
    title = _("Add a shop with its bank account before the agreement is signed.")


class DealerTaken(Conflict):
    """The code or the company is known already."""

    code = "dealer_taken"
    title = _("A dealer with this code or social credit code exists already.")


class DealerNotActive(Conflict):
    """Only an active dealer gets new people."""

    code = "dealer_not_active"
    title = _("The dealer is not active.")


@transaction.atomic
def create_dealer(
    *,
    legal_entity_id: UUID,
    code: str,
    name: str,
    uscc: str,
    legal_representative: str,
    address: str,
    contact_phone: str,
    actor: Actor,
    now: dt.datetime,
    scene: str = Scene.CAR,
    licence_valid_until: dt.date | None = None,
    quota: Decimal = ZERO,
    deposit: Decimal = ZERO,
) -> Dealer:
    """A partner company in draft. Quota and deposit in yuan. Raises `DealerInvalid`, `DealerTaken`."""
    actor.require("dealers.edit")
    if actor.data_scope.kind != "all" and actor.data_scope.owner_id != legal_entity_id:
        raise NotPermitted
    faults: dict[str, list[str]] = {}
    if not uscc_valid(uscc):
        faults["uscc"] = [str(_("This unified social credit code is not valid."))]
    if scene not in list(Scene):
        faults["scene"] = [str(_("This scene is not known."))]
    if licence_valid_until is not None and licence_valid_until < clock.local_date(now):
        faults["licence_valid_until"] = [str(_("The licence has expired."))]
    phone = _phone(contact_phone, "contact_phone", faults)
    if faults:
        raise DealerInvalid(fields=faults)
    mine = Dealer.objects.filter(legal_entity_id=legal_entity_id)
    if mine.filter(code=code).exists() or mine.filter(uscc=uscc).exclude(state=Dealer.State.CLOSED).exists():
        raise DealerTaken
    return Dealer.objects.create(
        legal_entity_id=legal_entity_id,
        code=code,
        name=name,
        scene=scene,
        uscc=uscc,
        licence_valid_until=licence_valid_until,
        legal_representative=legal_representative,
        masked_legal_representative=mask_name(legal_representative),
        address=address,
        contact_phone=phone,
        masked_contact_phone=mask_phone(phone),
        quota=quota,
        deposit=deposit,
    )


@transaction.atomic
def add_shop(
    *,
    dealer_id: UUID,
    code: str,
    name: str,
    city: str,
    address: str,
    account_name: str,
    account_no: str,
    bank_name: str,
    actor: Actor,
    now: dt.datetime,
    bank_code: str = "",
) -> Shop:
    """A shop with the account that its loans are paid to. Raises `NoSuchDealer`, `DealerInvalid`, `DealerTaken`."""
    row = _lock_dealer(dealer_id, actor)
    if row.state == Dealer.State.CLOSED:
        raise DealerNotActive
    try:
        number = parse_account_no(account_no)
    except ValueError:
        raise DealerInvalid(fields={"account_no": [str(_("A bank account has 8 to 30 digits."))]}) from None
    if Shop.objects.filter(dealer=row, code=code).exists():
        raise DealerTaken
    return Shop.objects.create(
        dealer=row,
        code=code,
        name=name,
        city=city,
        address=address,
        account_name=account_name,
        account_no=number,
        account_hash=blind_index(number, purpose="bank_account"),
        masked_account_no=mask_card(number),
        bank_name=bank_name,
        bank_code=bank_code,
    )


@transaction.atomic
def start_signing(*, dealer_id: UUID, actor: Actor, now: dt.datetime) -> Dealer:
    """The papers are complete: the agreement is rendered and sealed, and makes the dealer active. Raises `DealerIncomplete`."""
    row = _lock_dealer(dealer_id, actor)
    if not row.shops.filter(is_active=True).exists():
        raise DealerIncomplete
    row.start_signing()
    if not row.agreement_no:
        row.agreement_no = next_number("HZ", clock.local_date(now), separator="-")
    row.save()
    publish(DealerSigningStarted(dealer_id=row.id))
    return row


def seal_agreement(*, dealer_id: UUID, now: dt.datetime) -> None:
    """Render, seal and archive the agreement of a dealer that is signing, then activate it. Takes seconds: outside any transaction.

    Safe to repeat: the agreement's number gives the same paper, and a dealer that is not signing is left alone.
    """
    row = Dealer.objects.select_related("legal_entity").filter(id=dealer_id, state=Dealer.State.SIGNING).first()
    if row is None:
        return
    lender = organisations.entity(row.legal_entity_id)
    document = documents.issue(
        kind="dealer_agreement",
        number=row.agreement_no,
        template=AGREEMENT_TEMPLATE,
        context=_agreement(row, lender, clock.local_date(now)),
        signers=[
            Signer(field="company", kind="company", ref=lender.id, name=lender.name, identifier=lender.uscc),
            Signer(field="dealer", kind="company", ref=row.id, name=row.name, identifier=row.uscc),
        ],
        legal_entity_id=row.legal_entity_id,
        owner_kind="dealer",
        owner_ref=row.id,
        dealer_ref=row.id,
        actor=SIGNING,
        now=now,
    )
    _activate_signed(dealer_id=row.id, number=row.agreement_no, document_id=document.id, now=now)


def _agreement(row: Dealer, lender: Any, day: dt.date) -> dict[str, Any]:
    """What the agreement says."""
    shop = row.shops.filter(is_active=True).order_by("created_at").first()
    return {
        "lender": lender,
        "dealer": {
            "name": row.name,
            "uscc": row.uscc,
            "legal_representative": row.legal_representative,
            "address": row.address,
            "bank": shop.bank_name if shop else "",
            "account_masked": shop.masked_account_no if shop else "",
        },
        "quota": row.quota,
        "deposit": row.deposit,
        "made_on": day,
        "template_version": AGREEMENT_VERSION,
        "verify_url": f"{settings.PUBLIC_URL}/verify/?number={row.agreement_no}",
    }


@transaction.atomic
def _activate_signed(*, dealer_id: UUID, number: str, document_id: UUID, now: dt.datetime) -> None:
    row = Dealer.objects.select_for_update().get(id=dealer_id)
    if row.state != Dealer.State.SIGNING or row.agreement_no != number:  # called off while it was sealed; the next has its own news
        return
    row.agreement_id, row.signed_at = document_id, now
    row.activate()
    row.save()
    publish(DealerActivated(dealer_id=row.id, legal_entity_id=row.legal_entity_id))


@transaction.atomic
def return_to_draft(*, dealer_id: UUID, actor: Actor, now: dt.datetime) -> Dealer:
    """Call the signing off; the next one gets a new agreement number."""
    row = _lock_dealer(dealer_id, actor)
    row.return_to_draft()
    row.agreement_no = ""
    row.save()
    return row


@transaction.atomic
def suspend_dealer(*, dealer_id: UUID, reason: str, actor: Actor, now: dt.datetime) -> Dealer:
    """No new applications; those that run go on."""
    row = _lock_dealer(dealer_id, actor)
    if not reason.strip():
        raise BadInput(fields={"reason": [str(_("Please give a reason."))]})
    row.suspend()
    row.suspended_reason = reason.strip()[:200]
    row.save()
    publish(DealerSuspended(dealer_id=row.id, legal_entity_id=row.legal_entity_id, reason=row.suspended_reason))
    return row


@transaction.atomic
def resume_dealer(*, dealer_id: UUID, actor: Actor, now: dt.datetime) -> Dealer:
    """Lift a suspension; raises a conflict for a dealer that never signed."""
    row = _lock_dealer(dealer_id, actor)
    if row.state != Dealer.State.SUSPENDED:
        raise DealerNotActive(_("Only a suspended dealer is resumed."))
    row.activate()
    row.suspended_reason = ""
    row.save()
    publish(DealerActivated(dealer_id=row.id, legal_entity_id=row.legal_entity_id))
    return row


@transaction.atomic
def close_dealer(*, dealer_id: UUID, actor: Actor, now: dt.datetime) -> Dealer:
    """End the partnership; its people can no longer sign in."""
    row = _lock_dealer(dealer_id, actor)
    row.close()
    row.save()
    for person in Consultant.objects.filter(shop__dealer=row, is_active=True).select_for_update():
        _leave(person, actor, now)
    return row


@transaction.atomic
def add_consultant(
    *,
    shop_id: UUID,
    username: str,
    password: str | None,
    name: str,
    phone: str,
    actor: Actor,
    now: dt.datetime,
    is_manager: bool = False,
    totp_key: str | None = None,
) -> Consultant:
    """Somebody of a shop with a login of their own: a consultant sees own orders, a manager the shop's.

    Raises `NoSuchShop`, `DealerNotActive`, `DealerInvalid`, and what `organisations.services.create_user` raises.
    """
    actor.require("dealers.edit")
    shop: Shop | None = Shop.objects.within(actor.data_scope).select_related("dealer").filter(id=shop_id).first()
    if shop is None:
        raise NoSuchShop
    if _lock_dealer(shop.dealer_id, actor).state != Dealer.State.ACTIVE or not shop.is_active:
        raise DealerNotActive
    faults: dict[str, list[str]] = {}
    number = _phone(phone, "phone", faults)
    if faults:
        raise DealerInvalid(fields=faults)
    person = Consultant(shop=shop, name=name, phone=number, masked_phone=mask_phone(number), is_manager=is_manager)
    user = people.create_user(
        username=username,
        password=password,
        kind="dealer",
        roles=["dealer_manager", "consultant"] if is_manager else ["consultant"],
        legal_entity_id=shop.dealer.legal_entity_id,
        display_name=name,
        scope_kind="shop" if is_manager else "consultant",
        scope_ref=shop.id if is_manager else person.id,
        totp_key=totp_key,
        actor=actor,
        now=now,
    )
    person.user_id = user.id
    person.save(force_insert=True)
    return person


@transaction.atomic
def remove_consultant(*, consultant_id: UUID, actor: Actor, now: dt.datetime) -> Consultant:
    """Somebody leaves: the login ends, the orders stay."""
    actor.require("dealers.edit")
    person: Consultant | None = Consultant.objects.within(actor.data_scope).select_for_update(of=("self",)).filter(id=consultant_id).first()
    if person is None:
        raise NoSuchConsultant
    _leave(person, actor, now)
    return person


def _leave(person: Consultant, actor: Actor, now: dt.datetime) -> None:
    if person.is_active:
        person.is_active = False
        person.save()
        people.deactivate_user(user_id=person.user_id, actor=actor, now=now)


def _lock_dealer(dealer_id: UUID, actor: Actor) -> Dealer:
    row: Dealer | None = Dealer.objects.within(actor.data_scope).select_for_update(of=("self",)).filter(id=dealer_id).first()
    if row is None:
        raise NoSuchDealer
    actor.require("dealers.edit")
    return row


def _phone(text: str, field: str, faults: dict[str, list[str]]) -> str:
    try:
        return parse_mobile(text)
    except ValueError:
        faults[field] = [str(_("Enter a mainland mobile number of 11 digits."))]
        return ""
