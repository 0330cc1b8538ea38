"""Products in versions: drafted, put on sale (the one before is withdrawn), withdrawn."""

from __future__ import annotations

import datetime as dt
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from django.db import transaction
from django.db.models import Max
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from apps.common import clock
from apps.common.actors import Actor
from apps.common.calendar import is_working_day
from apps.common.errors import BadInput, NotPermitted
from apps.loans.domain.daycount import DayCount
from apps.loans.domain.errors import BadTerms
from apps.loans.domain.terms import MAX_ANNUAL_RATE, Method
from apps.organisations import selectors as organisations
from apps.products.domain import Kind, ProductFacts, Wish, price
from apps.products.models import Product, ProductOption, ProductVersion
from apps.products.selectors import NoSuchProduct, facts_of

SHIPPED: Final = Path(__file__).parent.parent / "data" / "products.toml"
# What the next version does not take over from the one before.
_OF_ITS_OWN: Final = frozenset({"id", "created_at", "version", "version_id", "state", "terms", "on_sale_to"})


class TermsIncomplete(BadInput):
    """A version cannot be sold as it stands; `fields` say what is missing."""

    code = "product_terms_incomplete"
    title = _("These product terms are not complete.")


@transaction.atomic
def create_version(
    *,
    legal_entity_id: UUID,
    code: str,
    kind: str,
    terms: Mapping[str, Any],
    options: Sequence[Mapping[str, Any]],
    actor: Actor,
    now: dt.datetime,
) -> ProductVersion:
    """Draft the next version of a product, which is made with its first. `terms` and `options` are fields of the models.

    Raises `TermsIncomplete`, `NotPermitted`.
    """
    actor.require("products.edit")
    _same_entity(actor, legal_entity_id)
    _check(kind, terms, options)
    product, _created = Product.objects.select_for_update().get_or_create(
        legal_entity_id=legal_entity_id, code=code, defaults={"kind": kind}
    )
    if product.kind != kind:
        raise TermsIncomplete(fields={"kind": [str(_("A product keeps its kind; choose another code."))]})
    last = product.versions.aggregate(last=Max("version"))["last"] or 0
    version = ProductVersion(product=product, version=last + 1, **terms)
    version.save()
    for option in options:
        ProductOption.objects.create(version=version, **option)
    if version.terms:
        check_further_terms(version, version.terms, on=clock.local_date(now))
    return version


@transaction.atomic
def set_further_terms(*, version_id: UUID, terms: Mapping[str, Any], actor: Actor, now: dt.datetime) -> ProductVersion:
    """Give a draft other further terms; of a version that was sold, a draft of the next with them. The same terms change nothing.

    Raises `TermsIncomplete`, `NoSuchProduct`, `NotPermitted`.
    """
    version = _lock(version_id, actor)
    if version.terms == terms:
        return version
    check_further_terms(version, terms, on=clock.local_date(now))
    if version.state != ProductVersion.State.DRAFT:
        return _next(version, terms)
    version.terms = dict(terms)
    version.save()
    return version


def check_further_terms(version: ProductVersion, terms: Mapping[str, Any], *, on: dt.date) -> None:
    """Raise `TermsIncomplete`, naming the key, unless every way to repay can be priced with them at the least and greatest amount."""
    facts = replace(facts_of(version), terms=terms)
    grade = next(iter(facts.rates))
    for option in facts.options:
        for amount in (facts.amount_min, facts.amount_max):
            wish = Wish(on=on, amount=amount, term=None, grade=grade, rate_cap=MAX_ANNUAL_RATE, vehicle_price=amount)
            try:
                price(facts, option, wish, amount, is_working_day=is_working_day)
            except BadTerms as wrong:
                raise TermsIncomplete(fields={"terms": [wrong.told(gettext)]}) from None


def _next(version: ProductVersion, terms: Mapping[str, Any]) -> ProductVersion:
    """A draft of the next version: as this one, but for its further terms."""
    options = list(version.options.all())
    last = version.product.versions.aggregate(last=Max("version"))["last"]
    kept = {field.attname: getattr(version, field.attname) for field in version._meta.concrete_fields if field.attname not in _OF_ITS_OWN}
    draft: ProductVersion = ProductVersion.objects.create(version=last + 1, terms=dict(terms), **kept)
    for option in options:
        facts = {field.attname: getattr(option, field.attname) for field in option._meta.concrete_fields}
        ProductOption.objects.create(version=draft, **{name: facts[name] for name in facts if name not in _OF_ITS_OWN})
    return draft


@transaction.atomic
def put_on_sale(*, version_id: UUID, actor: Actor, now: dt.datetime) -> ProductVersion:
    """Sell a version; the one sold until now is withdrawn. Repeating it changes nothing. Raises `NoSuchProduct`, `NotPermitted`."""
    version = _lock(version_id, actor)
    if version.state == ProductVersion.State.ON_SALE:
        return version
    siblings = ProductVersion.objects.select_for_update().filter(product=version.product, state=ProductVersion.State.ON_SALE)
    for sold in siblings:
        sold.withdraw()
        sold.save()
    version.put_on_sale()
    version.save()
    return version


@transaction.atomic
def withdraw_version(*, version_id: UUID, actor: Actor, now: dt.datetime) -> ProductVersion:
    """No new applications on this version; loans made on it run on."""
    version = _lock(version_id, actor)
    version.withdraw()
    version.save()
    return version


@transaction.atomic
def install_shipped_products(*, legal_entity_id: UUID, on: dt.date, actor: Actor, now: dt.datetime) -> list[ProductFacts]:
    """Put the products that ship with the project on sale from a day on, where the lender has none of that code. Safe to repeat."""
    lender = organisations.entity(legal_entity_id).name
    installed = []
    for shipped in _shipped():
        mine = ProductVersion.objects.filter(product__legal_entity_id=legal_entity_id, product__code=shipped["code"])
        row = mine.order_by("-version").first()
        if row is None:
            row = _install(legal_entity_id, lender, shipped, on=on, actor=actor, now=now)
        installed.append(facts_of(row))
    return installed


def _install(legal_entity_id: UUID, lender: str, shipped: dict[str, Any], *, on: dt.date, actor: Actor, now: dt.datetime) -> ProductVersion:
    terms = {key: _typed(key, value) for key, value in shipped.items() if key not in ("code", "kind", "options")}
    version = create_version(
        legal_entity_id=legal_entity_id,
        code=shipped["code"],
        kind=shipped["kind"],
        terms=terms | {"financing_party": shipped["financing_party"].replace("{lender}", lender), "on_sale_from": on},
        options=[{key: _typed(key, value) for key, value in option.items()} for option in shipped["options"]],
        actor=actor,
        now=now,
    )
    return put_on_sale(version_id=version.id, actor=actor, now=now)


def _shipped() -> list[dict[str, Any]]:
    with SHIPPED.open("rb") as file:
        products: list[dict[str, Any]] = tomllib.load(file)["product"]
    return products


_WORDS: Final = frozenset({"code", "kind", "name", "purpose", "guarantee", "financing_party", "day_count", "method"})


def _typed(key: str, value: Any) -> Any:
    """Amounts and rates are text in the file, so that nothing passes through a float."""
    return Decimal(value) if isinstance(value, str) and key not in _WORDS else value


def _check(kind: str, terms: Mapping[str, Any], options: Sequence[Mapping[str, Any]]) -> None:
    faults: dict[str, list[str]] = {}
    if kind not in list(Kind):
        faults["kind"] = [str(_("This kind of product is not known."))]
    if not terms.get("rates"):
        faults["rates"] = [str(_("Give the annual rate of at least one grade."))]
    if (kind != Kind.CASH) != bool(terms.get("max_ltv")):
        faults["max_ltv"] = [str(_("Car products state the greatest share of the price by power; cash products do not."))]
    if terms.get("day_count") not in list(DayCount):
        faults["day_count"] = [str(_("This day count is not known."))]
    if kind != Kind.CAR_LEASE_DIRECT:
        for name in ("is_finance_lease", "offsets_deposit", "purchase_price"):
            if terms.get(name):
                faults[name] = [str(_("Only a direct lease has this."))]
    if not options:
        faults["options"] = [str(_("Offer at least one way to repay."))]
    for option in options:
        if option.get("method") not in list(Method):
            faults["options"] = [str(_("A way to repay has a method that is not known."))]
        if (option.get("method") == Method.BALLOON) != bool(option.get("balloon_share")):
            faults["options"] = [str(_("A balloon share goes with the balloon method, and only with it."))]
    if faults:
        raise TermsIncomplete(fields=faults)


def _lock(version_id: UUID, actor: Actor) -> ProductVersion:
    actor.require("products.edit")
    row: ProductVersion | None = (
        ProductVersion.objects.within(actor.data_scope)
        .select_related("product")
        .select_for_update(of=("self",))
        .filter(id=version_id)
        .first()
    )
    if row is None:
        raise NoSuchProduct
    Product.objects.select_for_update().get(id=row.product_id)
    return row


def _same_entity(actor: Actor, legal_entity_id: UUID) -> None:
    if actor.data_scope.kind != "all" and actor.data_scope.owner_id != legal_entity_id:
        raise NotPermitted
