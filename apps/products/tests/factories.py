"""Rows for tests of this context and of those above it."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import factory

from apps.common.actors import Actor
from apps.organisations import services as organisations
from apps.organisations.models import Parameter
from apps.organisations.tests.factories import LegalEntityFactory
from apps.products import services
from apps.products.domain import ProductFacts
from apps.products.models import Brand, Product, ProductOption, ProductVersion, Series, VehicleModel

NOW = dt.datetime(2026, 3, 2, 2, 0, tzinfo=dt.UTC)
TODAY = dt.date(2026, 3, 2)
SYSTEM = Actor.system("tests")


class BrandFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Brand
        django_get_or_create = ("name",)

    name = "远岚"


class SeriesFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Series
        django_get_or_create = ("brand", "name")

    brand = factory.SubFactory(BrandFactory)
    name = "E5"


class VehicleModelFactory(factory.django.DjangoModelFactory):
    """A new-energy car at a guide price of 152,800 yuan."""

    class Meta:
        model = VehicleModel

    series = factory.SubFactory(SeriesFactory)
    model_year = 2026
    trim = factory.Sequence(lambda n: f"长续航版 {n}")
    guide_price = Decimal("152800.00")
    power = "nev"


class ProductFactory(factory.django.DjangoModelFactory):
    class Meta:
        model = Product

    legal_entity = factory.SubFactory(LegalEntityFactory)
    code = factory.Sequence(lambda n: f"p{n:04d}")
    kind = "car_lease_back"


class ProductVersionFactory(factory.django.DjangoModelFactory):
    """On sale, with one way to repay: 36 equal instalments."""

    class Meta:
        model = ProductVersion
        skip_postgeneration_save = True

    product = factory.SubFactory(ProductFactory)
    version = 1
    state = ProductVersion.State.ON_SALE
    name = "新车回租"
    guarantee = "mortgage"
    financing_party = "恒川汽车金融有限公司"
    amount_min = Decimal("10000.00")
    amount_max = Decimal("500000.00")
    max_ltv = factory.LazyFunction(lambda: {"ice": "0.80", "nev": "0.85"})
    rates = factory.LazyFunction(lambda: {"A": "0.096", "B": "0.108"})
    rate_min = Decimal("0.06")
    rate_max = Decimal("0.18")
    day_count = "30/360"
    penalty_uplift = Decimal("0.5")
    on_sale_from = TODAY

    @factory.post_generation
    def options(self: Any, create: bool, extracted: Any, **_: Any) -> None:
        if create:
            ProductOption.objects.create(version=self, code="H36", installments=36, method="equal_installment")


def install_rules() -> None:
    """The shipped parameters, when they are not there."""
    if not Parameter.objects.exists():
        organisations.install_parameters(actor=SYSTEM, now=NOW)


def shipped_products(legal_entity: Any) -> dict[str, ProductFacts]:
    """The shipped products of a lender on sale, by code, with the rules of the market."""
    install_rules()
    found = services.install_shipped_products(legal_entity_id=legal_entity.id, on=TODAY, actor=SYSTEM, now=NOW)
    return {product.code: product for product in found}
