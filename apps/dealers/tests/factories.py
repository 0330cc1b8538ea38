"""Rows for tests of this context and of those above it."""

from __future__ import annotations

import datetime as dt
from typing import Any
from uuid import UUID

import factory

from apps.common.crypto import blind_index
from apps.common.privacy import mask_card
from apps.dealers.domain import uscc_check_sign
from apps.dealers.models import Consultant, Dealer, Shop
from apps.documents.models import Document
from apps.organisations.models import User
from apps.organisations.tests.factories import LegalEntityFactory

NOW = dt.datetime(2026, 3, 2, 2, 0, tzinfo=dt.UTC)


def uscc(serial: int = 1) -> str:
    """A valid unified social credit code."""
    first = f"91310115MA{serial:07d}"
    return first + uscc_check_sign(first)


def agreement_for(legal_entity_id: UUID, number: str) -> Document:
    """A row of the archive that stands for a signed agreement; there is no file behind it."""
    row: Document = Document.objects.create(
        kind="dealer_agreement",
        number=number,
        legal_entity_id=legal_entity_id,
        owner_kind="dealer",
        owner_ref=legal_entity_id,
        filename=f"{number}.pdf",
        content_type="application/pdf",
        size=1,
        sha256="0" * 64,
        is_signed=True,
        archived_by="tests",
    )
    return row


class DealerFactory(factory.django.DjangoModelFactory):
    """In draft."""

    class Meta:
        model = Dealer

    class Params:
        serial = factory.Sequence(lambda n: n)
        active = factory.Trait(
            state=Dealer.State.ACTIVE,
            agreement_no=factory.LazyAttribute(lambda row: f"HZ-T-{row.serial:06d}"),
            agreement=factory.LazyAttribute(lambda row: agreement_for(row.legal_entity.id, row.agreement_no)),
            signed_at=NOW,
        )

    legal_entity = factory.SubFactory(LegalEntityFactory)
    code = factory.LazyAttribute(lambda row: f"D{row.serial:04d}")
    name = factory.LazyAttribute(lambda row: f"上海第{row.serial}汽车销售有限公司")
    uscc = factory.LazyAttribute(lambda row: uscc(row.serial))
    legal_representative = "赵大海"
    masked_legal_representative = "赵**"
    address = "上海市嘉定区曹安公路1号"
    contact_phone = "13700000000"
    masked_contact_phone = "137****0000"


class ShopFactory(factory.django.DjangoModelFactory):
    """A shop of an active dealer."""

    class Meta:
        model = Shop

    class Params:
        serial = factory.Sequence(lambda n: n)

    dealer = factory.SubFactory(DealerFactory, active=True)
    code = factory.LazyAttribute(lambda row: f"S{row.serial:03d}")
    name = "城东店"
    city = "上海"
    address = "上海市浦东新区东方路100号"
    account_name = factory.LazyAttribute(lambda row: row.dealer.name)
    account_no = factory.LazyAttribute(lambda row: f"1001244309{row.serial:09d}")
    account_hash = factory.LazyAttribute(lambda row: blind_index(row.account_no, purpose="bank_account"))
    masked_account_no = factory.LazyAttribute(lambda row: mask_card(row.account_no))
    bank_name = "中国工商银行上海市分行"
    bank_code = "102290020000"


class ConsultantFactory(factory.django.DjangoModelFactory):
    """A consultant with a login; the password is `correct horse battery`."""

    class Meta:
        model = Consultant
        skip_postgeneration_save = True

    shop = factory.SubFactory(ShopFactory)
    name = "陈静"
    phone = "13600000000"
    masked_phone = "136****0000"
    is_manager = False

    @factory.lazy_attribute
    def user(self: Any) -> User:
        return User.objects.create_user(
            f"consultant-{User.objects.count():05d}",
            "correct horse battery",
            kind="dealer",
            roles=["dealer_manager", "consultant"] if self.is_manager else ["consultant"],
            display_name=self.name,
            legal_entity_id=self.shop.dealer.legal_entity_id,
        )

    @factory.post_generation
    def scope(self: Any, create: bool, extracted: Any, **_: Any) -> None:
        """The login sees own orders; a manager's the shop's."""
        if create:
            self.user.scope_kind = "shop" if self.is_manager else "consultant"
            self.user.scope_ref = self.shop_id if self.is_manager else self.id
            self.user.save()
