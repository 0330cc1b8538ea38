"""Rows for tests of this context and of those above it."""

from __future__ import annotations

import datetime as dt
import hashlib
from decimal import Decimal
from typing import Any

import factory

from apps.common import clock
from apps.common.crypto import blind_index
from apps.common.privacy import mask_card, mask_id_number, mask_name, mask_phone
from apps.customers.models import BankCard, Consent, ConsentText, Contact, Customer, IdentityCheck, WorkProfile
from apps.customers.selectors import shipped_consent_texts
from apps.organisations.models import User
from apps.organisations.tests.factories import LegalEntityFactory

NOW = dt.datetime(2026, 3, 2, 2, 0, tzinfo=dt.UTC)
TODAY = clock.local_date(NOW)
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)


def id_number(serial: int = 1, *, birthday: dt.date = dt.date(1990, 3, 7), region: str = "110101") -> str:
    """A valid identity number; each serial from 0 to 999 gives another."""
    first = f"{region}{birthday:%Y%m%d}{serial:03d}"
    return first + "10X98765432"[sum(int(d) * w for d, w in zip(first, _WEIGHTS, strict=True)) % 11]


def card_number(serial: int = 1, *, prefix: str = "622202") -> str:
    """A valid card number of 19 digits."""
    first = f"{prefix}{serial:012d}"
    total = sum((2 * int(d) - 9 * (int(d) > 4)) if place % 2 == 0 else int(d) for place, d in enumerate(reversed(first)))
    return first + str(-total % 10)


class CustomerFactory(factory.django.DjangoModelFactory):
    """Registered: a phone and a login, nothing proved."""

    class Meta:
        model = Customer
        skip_postgeneration_save = True

    class Params:
        serial = factory.Sequence(lambda n: n)
        number = factory.LazyAttribute(lambda row: f"138{10_000_000 + row.serial}")

    legal_entity = factory.SubFactory(LegalEntityFactory)
    phone = factory.LazyAttribute(lambda row: row.number)
    phone_hash = factory.LazyAttribute(lambda row: blind_index(row.number, purpose="phone"))
    masked_phone = factory.LazyAttribute(lambda row: mask_phone(row.number))

    @factory.post_generation
    def user(self: Any, create: bool, extracted: Any, **_: Any) -> None:
        """The login, which knows its customer."""
        if create:
            self.user = User.objects.create_user(
                f"c-{self.id}",
                kind="customer",
                roles=["customer"],
                legal_entity_id=self.legal_entity_id,
                scope_kind="customer",
                scope_ref=self.id,
            )
            self.save()


class VerifiedCustomerFactory(CustomerFactory):
    """Everything proved, agreed and told: may apply and sign."""

    class Meta:
        model = Customer

    name = "王小明"
    masked_name = mask_name("王小明")
    id_number = factory.LazyAttribute(lambda row: id_number(row.serial % 1000, birthday=dt.date(1990 - row.serial // 1000, 3, 7)))
    id_number_hash = factory.LazyAttribute(lambda row: blind_index(row.id_number, purpose="id_number"))
    masked_id_number = factory.LazyAttribute(lambda row: mask_id_number(row.id_number))
    state = Customer.State.VERIFIED
    verified_at = NOW

    @factory.post_generation
    def story(self: Any, create: bool, extracted: Any, **_: Any) -> None:
        """Consents, checks, a default card with debit agreement, work and two contacts."""
        if create:
            give_all_consents(self)
            card = BankCardFactory(customer=self)
            for kind in ("id_authenticity", "liveness", "bank_card"):
                PassedCheckFactory(customer=self, kind=kind, card=card if kind == "bank_card" else None)
            WorkProfile.objects.create(
                customer=self,
                employer="上海某某科技有限公司",
                monthly_income=Decimal("15000.00"),
                employed_since=dt.date(2021, 3, 1),
                education="bachelor",
                marital_status="married",
                housing="mortgaged",
            )
            for serial, relation in enumerate(("spouse", "friend")):
                ContactFactory(customer=self, serial=serial, relation=relation)


class ContactFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Contact

    class Params:
        serial = factory.Sequence(lambda n: n)
        number = factory.LazyAttribute(lambda row: f"139{20_000_000 + row.serial}")

    customer = factory.SubFactory(CustomerFactory)
    relation = "friend"
    name = "李雷"
    masked_name = "李*"
    phone = factory.LazyAttribute(lambda row: row.number)
    phone_hash = factory.LazyAttribute(lambda row: blind_index(row.number, purpose="phone"))
    masked_phone = factory.LazyAttribute(lambda row: mask_phone(row.number))


class BankCardFactory(factory.django.DjangoModelFactory):
    """Bound, default, with a debit agreement."""

    class Meta:
        model = BankCard

    class Params:
        serial = factory.Sequence(lambda n: n)

    customer = factory.SubFactory(CustomerFactory)
    state = BankCard.State.BOUND
    number = factory.LazyAttribute(lambda row: card_number(row.serial))
    number_hash = factory.LazyAttribute(lambda row: blind_index(row.number, purpose="card_number"))
    masked_number = factory.LazyAttribute(lambda row: mask_card(row.number))
    phone = "13800000000"
    masked_phone = "138****0000"
    bank_code = "ICBC"
    bank_name = "中国工商银行"
    is_default = True
    debit_agreed = True
    agreement_no = factory.Sequence(lambda n: f"DK-T-{n:06d}")
    agreed_at = NOW
    bound_at = NOW


class PassedCheckFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = IdentityCheck

    customer = factory.SubFactory(CustomerFactory)
    kind = "id_authenticity"
    state = IdentityCheck.State.PASSED
    provider = "sandbox"
    requested_at = NOW
    finished_at = NOW
    expires_at = factory.LazyAttribute(lambda row: None if row.kind == "bank_card" else NOW + dt.timedelta(days=365))


def consent_texts_for(legal_entity: Any) -> list[ConsentText]:
    """The shipped texts of a lender."""
    texts = []
    for shipped in shipped_consent_texts():
        digest = hashlib.sha256(shipped["text"].encode()).hexdigest()
        text, _created = ConsentText.objects.get_or_create(
            legal_entity=legal_entity,
            kind=shipped["kind"],
            version=shipped["version"],
            defaults={key: shipped[key] for key in ("title", "purpose", "text", "effective_from")} | {"sha256": digest},
        )
        texts.append(text)
    return texts


def give_all_consents(customer: Customer, *kinds: str) -> None:
    """Standing consents of all kinds, or of those named."""
    for text in consent_texts_for(customer.legal_entity):
        if not kinds or text.kind in kinds:
            Consent.objects.create(customer=customer, text=text, kind=text.kind, version=text.version, given_at=NOW)
