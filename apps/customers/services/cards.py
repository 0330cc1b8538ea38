"""Bank cards: bound by a four-factor check, one of them the default, debited under an agreement."""

from __future__ import annotations

import datetime as dt
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from apps.common import clock
from apps.common.actors import Actor
from apps.common.crypto import blind_index
from apps.common.errors import Conflict, NotFound
from apps.common.numbers import next_number
from apps.common.privacy import mask_card, mask_phone
from apps.customers.domain import CheckKind, parse_card_number, parse_phone
from apps.customers.models import BankCard, IdentityCheck
from apps.customers.selectors import card_bank, passed_checks
from apps.customers.services.access import invalid, lock_customer, parsed
from apps.customers.services.consents import require_consents
from apps.customers.services.identity import IdentityFirst, begin_check


class NoSuchCard(NotFound):
    """The customer has no such card, or it is not bound."""

    code = "no_such_card"
    title = _("There is no such bank card.")


class LastDebitCard(Conflict):
    """The default card is changed by choosing another one, not by removing it."""

    code = "last_debit_card"
    title = _("This card is used for repayments. Choose another default card first.")


class DebitNotAgreed(Conflict):
    """Instalments cannot be taken from this card: the customer has not agreed."""

    code = "debit_not_agreed"
    title = _("Agree to the direct debit from this card first.")


@transaction.atomic
def bind_card(
    *,
    customer_id: UUID,
    card_number: str,
    phone: str,
    actor: Actor,
    now: dt.datetime,
    debit_agreed: bool = False,
) -> IdentityCheck:
    """Check the four factors of a card; it is bound when they agree, as default when instalments may be taken
    from no other. `phone` is the one kept at the bank.

    Raises `ConsentMissing`, `IdentityFirst`, `PersonalDataInvalid`, `TooManyChecks`. A card already bound gives its passed check.
    """
    row = lock_customer(customer_id, actor)
    actor.require("api.customer")
    require_consents(row.id, "identity_check")
    if CheckKind.ID_AUTHENTICITY not in passed_checks(row.id, now=now):
        raise IdentityFirst
    number = parsed("card_number", lambda: parse_card_number(card_number))
    bank_phone = parsed("phone", lambda: parse_phone(phone))
    bank = card_bank(number)
    if bank is None:
        raise invalid("card_number", "card_bank_unknown")
    number_hash = blind_index(number, purpose="card_number")
    card = BankCard.objects.select_for_update().filter(customer=row, number_hash=number_hash).exclude(state=BankCard.State.REMOVED).first()
    if card is None:
        card = BankCard(
            customer=row,
            number=number,
            number_hash=number_hash,
            masked_number=mask_card(number),
            bank_code=bank.code,
            bank_name=bank.name,
        )
    elif card.state == BankCard.State.REFUSED:
        card.ask_again()
    if card.state == BankCard.State.PENDING and not _being_checked(card):
        card.phone, card.masked_phone, card.debit_agreed = bank_phone, mask_phone(bank_phone), debit_agreed
        card.save()
    elif debit_agreed and card.state == BankCard.State.BOUND and not card.agreement_no:
        _agree(card, now)
    return begin_check(row, kind=CheckKind.BANK_CARD, purpose=IdentityCheck.Purpose.ONBOARDING, card=card, now=now)


def _being_checked(card: BankCard) -> bool:
    return IdentityCheck.objects.filter(card_id=card.id, state=IdentityCheck.State.PENDING).exists()


def settle_card(card_id: UUID, *, passed: bool, now: dt.datetime) -> None:
    """Bind or refuse a card by the answer to its check, in the caller's transaction, which holds the customer's lock."""
    card = BankCard.objects.select_for_update().get(id=card_id)
    if not passed:
        card.refuse()
        card.save()
        return
    card.bind()
    card.bound_at = now
    if card.debit_agreed:
        card.agreement_no, card.agreed_at = next_number("DK", clock.local_date(now), separator="-"), now
    _default_if_none(card)
    card.save()


def _default_if_none(card: BankCard) -> None:
    """Only a card with an agreement is the default: the first one becomes it. The caller holds the customer's lock and saves."""
    if card.agreement_no and not BankCard.objects.filter(customer_id=card.customer_id, is_default=True).exists():
        card.is_default = True


def reopen_card(card_id: UUID) -> None:
    """A refused card waits again, before a person decides on its check."""
    card = BankCard.objects.select_for_update().get(id=card_id)
    card.ask_again()
    card.save()


@transaction.atomic
def agree_debit(*, customer_id: UUID, card_id: UUID, actor: Actor, now: dt.datetime) -> BankCard:
    """The customer lets instalments be taken from a bound card; repeating it changes nothing. Raises `NoSuchCard`."""
    card = _lock_card(customer_id, card_id, actor)
    if not card.agreement_no:
        _agree(card, now)
    return card


@transaction.atomic
def choose_default_card(*, customer_id: UUID, card_id: UUID, actor: Actor, now: dt.datetime) -> BankCard:
    """The card that instalments are taken from, from now on. Raises `NoSuchCard`, `DebitNotAgreed`."""
    card = _lock_card(customer_id, card_id, actor)
    if not card.agreement_no:
        raise DebitNotAgreed
    if not card.is_default:
        for other in BankCard.objects.select_for_update().filter(customer_id=customer_id, is_default=True):
            other.is_default = False
            other.save()
        card.is_default = True
        card.save()
    return card


@transaction.atomic
def remove_card(*, customer_id: UUID, card_id: UUID, actor: Actor, now: dt.datetime) -> BankCard:
    """Take a card away; its debit agreement ends. Raises `NoSuchCard`, `LastDebitCard` for the default card."""
    card = _lock_card(customer_id, card_id, actor)
    if card.is_default:
        raise LastDebitCard
    card.remove()
    card.save()
    return card


def _lock_card(customer_id: UUID, card_id: UUID, actor: Actor) -> BankCard:
    row = lock_customer(customer_id, actor)
    actor.require("api.customer")
    card: BankCard | None = BankCard.objects.select_for_update().filter(id=card_id, customer=row, state=BankCard.State.BOUND).first()
    if card is None:
        raise NoSuchCard
    return card


def _agree(card: BankCard, now: dt.datetime) -> None:
    card.debit_agreed, card.agreed_at = True, now
    card.agreement_no = next_number("DK", clock.local_date(now), separator="-")
    _default_if_none(card)
    card.save()
