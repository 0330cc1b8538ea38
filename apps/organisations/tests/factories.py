"""Rows for tests of this context and of those above it."""

from __future__ import annotations

import datetime as dt
from typing import Any

import factory

from apps.organisations.models import Branch, BusinessDay, LegalEntity, User


class LegalEntityFactory(factory.django.DjangoModelFactory):
    """A licensed lender."""

    class Meta:
        model = LegalEntity

    code = factory.Sequence(lambda n: f"LE{n:03d}")
    name = factory.Sequence(lambda n: f"第{n}汽车金融有限公司")
    short_name = factory.Sequence(lambda n: f"第{n}金融")
    uscc = "91310000MA1FL00001"
    address = "上海市浦东新区世纪大道1号"
    phone = "400-800-0000"


class BranchFactory(factory.django.DjangoModelFactory):
    """A branch of a new lender."""

    class Meta:
        model = Branch

    legal_entity = factory.SubFactory(LegalEntityFactory)
    code = factory.Sequence(lambda n: f"B{n:03d}")
    name = factory.Sequence(lambda n: f"第{n}网点")
    city = "上海"


class UserFactory(factory.django.DjangoModelFactory):
    """A member of staff without roles; the password is `correct horse battery`."""

    class Meta:
        model = User
        skip_postgeneration_save = True

    username = factory.Sequence(lambda n: f"user{n:04d}")
    display_name = factory.Sequence(lambda n: f"员工{n}")
    kind = User.Kind.STAFF
    legal_entity = factory.SubFactory(LegalEntityFactory)
    roles = factory.LazyFunction(list)

    @factory.post_generation
    def password(self: Any, create: bool, extracted: str | None, **_: Any) -> None:
        self.set_password(extracted or "correct horse battery")
        if create:
            self.save(update_fields=["password"])


class BusinessDayFactory(factory.django.DjangoModelFactory):
    """An open business day."""

    class Meta:
        model = BusinessDay

    legal_entity = factory.SubFactory(LegalEntityFactory)
    date = dt.date(2026, 3, 1)
    opened_at = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
