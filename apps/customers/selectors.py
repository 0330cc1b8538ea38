"""Questions about customers. Only `signing_identity`, `debit_card`, `phone_of` and `phones_of` give values in clear, to those who must."""

from __future__ import annotations

import datetime as dt
import tomllib
from collections.abc import Iterable
from contextlib import suppress
from csv import DictReader
from functools import cache
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from django.db.models import Q, QuerySet, TextField
from django.db.models.functions import Cast
from django.utils.translation import gettext_lazy as _

from apps.common import clock
from apps.common.bulk import any_of
from apps.common.crypto import UndecryptableError, blind_index
from apps.common.errors import CarloanError, Conflict, NotFound
from apps.common.models import ProjectNow
from apps.customers.domain import (
    MIN_CONTACTS,
    REQUIRED_CHECKS,
    CardBank,
    CheckKind,
    ConsentKind,
    CustomerBrief,
    CustomerFacts,
    DebitAgreement,
    DebitCard,
    SigningIdentity,
    bank_of,
    full_months,
    full_years,
    read_id_number,
)
from apps.customers.models import BankCard, Consent, ConsentText, Customer, IdentityCheck, LoginRecord

_DATA: Final = Path(__file__).parent / "data"
# Which consents a deed needs.
CONSENTS_FOR: Final[dict[str, tuple[ConsentKind, ...]]] = {
    "application": (ConsentKind.PRIVACY, ConsentKind.CREDIT_QUERY),
    "profile": (ConsentKind.PRIVACY,),
    "identity_check": (ConsentKind.PRIVACY, ConsentKind.IDENTITY_CHECK),
    "bureau_query": (ConsentKind.CREDIT_QUERY,),
    "data_collection": (ConsentKind.DATA_COLLECTION,),
    "signing": (ConsentKind.E_SIGN,),
}


class NoSuchCustomer(NotFound):
    """There is no such customer, or it is not this person's to see."""

    code = "no_such_customer"
    title = _("There is no such customer.")


class IdentityIncomplete(Conflict):
    """Name and ID number are not known yet."""

    code = "identity_incomplete"
    title = _("The customer has not proved an ID number yet.")


class NoDebitCard(Conflict):
    """No bound card with a debit agreement."""

    code = "no_debit_card"
    title = _("The customer has no bank card with a debit agreement. Ask the customer to bind one.")


class MayNotBorrow(Conflict):
    """The person is restricted, or a proof or the ID card has run out."""

    code = "may_not_borrow"
    title = _("The customer may not borrow at present. Identity checks and ID card must be valid; else please call the service line.")


def customer(customer_id: UUID) -> Customer:
    """The row. Raises `NoSuchCustomer`. For use inside this context and for pages that hold the scope."""
    found: Customer | None = Customer.objects.filter(id=customer_id).first()
    if found is None:
        raise NoSuchCustomer
    return found


def brief(customer_id: UUID) -> CustomerBrief:
    """What pages need of a customer, masked. Raises `NoSuchCustomer`."""
    return _brief(customer(customer_id))


def customer_by_id_number(id_number: str, legal_entity_id: UUID) -> CustomerBrief | None:
    """The living customer of a lender with this identity number; None when there is none."""
    found = (
        Customer.objects.exclude(state=Customer.State.CLOSED)
        .filter(legal_entity_id=legal_entity_id, id_number_hash=blind_index(id_number, purpose="id_number"))
        .first()
    )
    return _brief(found) if found else None


def customer_of_user(user_id: UUID) -> CustomerBrief:
    """The customer who signs in as this user. Raises `NoSuchCustomer`."""
    found = Customer.objects.filter(user_id=user_id).first()
    if found is None:
        raise NoSuchCustomer
    return _brief(found)


def _brief(row: Customer) -> CustomerBrief:
    return CustomerBrief(
        id=row.id,
        legal_entity_id=row.legal_entity_id,
        user_id=row.user_id,
        state=row.state,
        masked_name=row.masked_name,
        masked_id_number=row.masked_id_number,
        masked_phone=row.masked_phone,
        verified=row.state == Customer.State.VERIFIED,
        profile_complete=profile_complete(row.id),
    )


def may_borrow(customer_id: UUID, now: dt.datetime) -> bool:
    """Whether the person may borrow at this moment: verified and not restricted, every proof still live, the ID card not expired."""
    card = Q(id_valid_until=None) | Q(id_valid_until__gte=clock.local_date(now))
    verified = Customer.objects.filter(card, id=customer_id, state=Customer.State.VERIFIED).exists()
    return verified and passed_checks(customer_id, now=now) >= REQUIRED_CHECKS


def require_may_borrow(customer_id: UUID, now: dt.datetime) -> None:
    """Raises `MayNotBorrow` for whom `may_borrow` denies; asked again at every step up to the payment."""
    if not may_borrow(customer_id, now):
        raise MayNotBorrow


def is_verified(customer_id: UUID) -> bool:
    """Whether the person has passed all checks and is not restricted."""
    return Customer.objects.filter(id=customer_id, state=Customer.State.VERIFIED).exists()


def profile_complete(customer_id: UUID) -> bool:
    """Work profile and at least two contacts."""
    row = Customer.objects.filter(id=customer_id, work__isnull=False).first()
    return row is not None and row.contacts.count() >= MIN_CONTACTS


def has_consent(customer_id: UUID, kind: str) -> bool:
    """Whether a consent of this kind stands: given and not withdrawn."""
    return Consent.objects.filter(customer_id=customer_id, kind=kind, withdrawn_at=None).exists()


def standing_consents(customer_id: UUID) -> tuple[str, ...]:
    """Kinds of consent that stand, sorted."""
    kinds = Consent.objects.filter(customer_id=customer_id, withdrawn_at=None).values_list("kind", flat=True).distinct()
    return tuple(sorted(kinds))


def missing_consents(customer_id: UUID, purpose: str) -> list[str]:
    """Kinds of consent that a purpose (a key of `CONSENTS_FOR`) needs and that do not stand."""
    standing = set(standing_consents(customer_id))
    return [str(kind) for kind in CONSENTS_FOR[purpose] if kind not in standing]


def consents_of(customer_id: UUID) -> QuerySet[Consent]:
    """All consents ever given, newest first."""
    return Consent.objects.filter(customer_id=customer_id).select_related("text").order_by("-given_at", "-id")


def consent_texts(legal_entity_id: UUID, *, on: dt.date) -> list[ConsentText]:
    """The text in force of each kind: the highest version that is effective."""
    rows = ConsentText.objects.filter(legal_entity_id=legal_entity_id, effective_from__lte=on).order_by("kind", "-version")
    return list(rows.distinct("kind"))


def shipped_consent_texts() -> list[dict[str, Any]]:
    """The texts that ship with the project."""
    with (_DATA / "consents.toml").open("rb") as file:
        texts: list[dict[str, Any]] = tomllib.load(file)["text"]
    return texts


@cache
def _bank_prefixes() -> dict[str, CardBank]:
    with (_DATA / "bank_bins.csv").open(encoding="utf-8", newline="") as file:
        return {row["prefix"]: CardBank(row["bank_code"], row["bank_name"]) for row in DictReader(file)}


def card_bank(number: str) -> CardBank | None:
    """The issuer of a card by its first digits; None when they are not in our list."""
    return bank_of(number, _bank_prefixes())


def passed_checks(customer_id: UUID, *, now: dt.datetime) -> frozenset[str]:
    """Kinds of check that have passed and may still be relied upon."""
    rows = IdentityCheck.objects.filter(customer_id=customer_id, state=IdentityCheck.State.PASSED)
    return frozenset(kind for kind, until in rows.values_list("kind", "expires_at") if until is None or until > now)


def identity_checks(customer_id: UUID) -> QuerySet[IdentityCheck]:
    """All checks of a customer, newest first."""
    return IdentityCheck.objects.filter(customer_id=customer_id).order_by("-requested_at", "-id")


def liveness_fresh(customer_id: UUID, within: dt.timedelta, now: dt.datetime) -> bool:
    """Whether the person passed a liveness check within the last `within`."""
    return IdentityCheck.objects.filter(
        customer_id=customer_id,
        kind=CheckKind.LIVENESS,
        state=IdentityCheck.State.PASSED,
        finished_at__gt=now - within,
        finished_at__lte=now,
    ).exists()


def subject(customer_id: UUID, *, on: dt.date | None = None) -> CustomerFacts:
    """Facts for a decision, as of a day (unless given: today by the project's clock, as the database tells it). Raises `NoSuchCustomer`."""
    row = Customer.objects.filter(id=customer_id).select_related("work").annotate(present=ProjectNow()).first()
    if row is None:
        raise NoSuchCustomer
    day = on or clock.local_date(row.present)
    identity = read_id_number(row.id_number) if row.id_number else None
    passed = passed_checks(customer_id, now=clock.beijing(day + dt.timedelta(days=1)))
    work = getattr(row, "work", None)
    consents = standing_consents(customer_id)
    return CustomerFacts(
        customer_id=row.id,
        as_of=day,
        age=full_years(identity[0], day) if identity else None,
        sex=identity[1] if identity else "",
        region=identity[2] if identity else "",
        monthly_income=work.monthly_income if work else None,
        employment_months=full_months(work.employed_since, day) if work else None,
        industry=work.industry if work else "",
        education=work.education if work else "",
        marital_status=work.marital_status if work else "",
        housing=work.housing if work else "",
        contacts_count=row.contacts.count(),
        state=row.state,
        id_verified=CheckKind.ID_AUTHENTICITY in passed,
        liveness_verified=CheckKind.LIVENESS in passed,
        card_verified=CheckKind.BANK_CARD in passed,
        phone_hash=row.phone_hash,
        id_number_hash=row.id_number_hash,
        device_hashes=_devices(row.id) if ConsentKind.DATA_COLLECTION in consents else (),
        card_hashes=_cards(row.id),
        contact_phone_hashes=tuple(row.contacts.order_by("phone_hash").values_list("phone_hash", flat=True)),
        registered_days=(day - clock.local_date(row.created_at)).days,
        consents=consents,
    )


def _devices(customer_id: UUID) -> tuple[str, ...]:
    hashes: Iterable[str] = (
        LoginRecord.objects.filter(customer_id=customer_id).exclude(device_hash="").values_list("device_hash", flat=True).distinct()
    )
    return tuple(sorted(hashes))


def _cards(customer_id: UUID) -> tuple[str, ...]:
    """Cards that are, or once were, proved to be the customer's."""
    proved = BankCard.objects.filter(customer_id=customer_id, state__in=[BankCard.State.BOUND, BankCard.State.REMOVED])
    return tuple(sorted(set(proved.values_list("number_hash", flat=True))))


def signing_identity(customer_id: UUID) -> SigningIdentity:
    """Who signs, in clear. Raises `NoSuchCustomer`, `IdentityIncomplete`."""
    row = customer(customer_id)
    if not row.name or not row.id_number:
        raise IdentityIncomplete
    return SigningIdentity(customer_id=row.id, name=row.name, id_number=row.id_number, phone=row.phone, address=row.address)


def phone_of(customer_id: UUID) -> str:
    """The phone in clear, for messages. Raises `NoSuchCustomer`."""
    return customer(customer_id).phone


def phones_of(customer_ids: Iterable[UUID]) -> dict[UUID, str]:
    """Phones in clear by customer, for messages to many; without customers who have none, or one that cannot be read."""
    rows = Customer.objects.filter(any_of("id", list(customer_ids))).annotate(sealed=Cast("phone", TextField())).values_list("id", "sealed")
    field = Customer._meta.get_field("phone")
    phones: dict[UUID, str] = {}
    for customer_id, sealed in rows:
        with suppress(UndecryptableError):
            phones[customer_id] = field.from_db_value(sealed, None, None)
    return {customer_id: phone for customer_id, phone in phones.items() if phone}


def debit_agreements(customer_ids: Iterable[UUID]) -> dict[UUID, DebitAgreement | CarloanError]:
    """The card that a debit of each customer goes to, or what is in its way: `NoDebitCard`, `IdentityIncomplete`. Nothing in clear."""
    ids = list(customer_ids)
    cards = BankCard.objects.filter(any_of("customer_id", ids), state=BankCard.State.BOUND, is_default=True).exclude(agreement_no="")
    cards = cards.annotate(holder=Cast("customer__name", TextField()))
    found: dict[UUID, DebitAgreement | CarloanError] = dict.fromkeys(ids, NoDebitCard())
    for customer_id, card_id, masked_number, agreement_no, holder in cards.values_list(
        "customer_id", "id", "masked_number", "agreement_no", "holder"
    ):
        found[customer_id] = DebitAgreement(card_id, masked_number, agreement_no) if holder else IdentityIncomplete()
    return found


def debit_card(customer_id: UUID, *, card_id: UUID | None = None) -> DebitCard:
    """The default card (or the one named) with its debit agreement, in clear. Raises `NoDebitCard`, `IdentityIncomplete`."""
    row = customer(customer_id)
    chosen = {"id": card_id} if card_id else {"is_default": True}
    card = BankCard.objects.filter(customer_id=customer_id, state=BankCard.State.BOUND, **chosen).exclude(agreement_no="").first()
    if card is None:
        raise NoDebitCard
    if not row.name:
        raise IdentityIncomplete
    return DebitCard(
        id=card.id,
        customer_id=row.id,
        holder=row.name,
        number=card.number,
        masked_number=card.masked_number,
        bank_code=card.bank_code,
        bank_name=card.bank_name,
        phone=card.phone,
        agreement_no=card.agreement_no,
    )


def cards_of(customer_id: UUID) -> QuerySet[BankCard]:
    """Cards that were not removed, the default one first."""
    return BankCard.objects.filter(customer_id=customer_id).exclude(state=BankCard.State.REMOVED).order_by("-is_default", "-created_at")
