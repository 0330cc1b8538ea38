"""Questions about cars, products, and the words of a plan."""

from __future__ import annotations

import datetime as dt
import tomllib
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from django.db.models import F, Q, QuerySet, Value
from django.db.models.fields import CharField
from django.db.models.functions import Cast, Concat, Replace
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.common.errors import NotFound
from apps.products.domain import CostRow, OptionFacts, Plan, ProductFacts, Reason, VehicleBrief
from apps.products.models import ProductOption, ProductVersion, VehicleModel

_DATA: Final = Path(__file__).parent / "data"
MAX_TOKENS: Final = 8


class NoSuchVehicle(NotFound):
    """There is no such car in the catalogue."""

    code = "no_such_vehicle"
    title = gettext_lazy("There is no such vehicle.")


class NoSuchProduct(NotFound):
    """There is no such product version."""

    code = "no_such_product"
    title = gettext_lazy("There is no such product.")


def search_vehicles(text: str, *, limit: int = 20) -> list[VehicleBrief]:
    """Cars on sale whose name holds every word of `text` (spaces inside names do not matter); brand and series first, newest year first."""
    return [_vehicle(row) for row in vehicles_like(text)[:limit]]


def vehicles_like(text: str) -> QuerySet[VehicleModel]:
    """The rows behind `search_vehicles`, for pages that cut them themselves."""
    whole = Concat(F("series__brand__name"), F("series__name"), Cast("model_year", CharField()), Value("款"), F("trim"))
    rows = VehicleModel.objects.filter(is_active=True).select_related("series__brand")
    rows = rows.annotate(squeezed=Replace(whole, Value(" "), Value("")))
    for word in text.split()[:MAX_TOKENS]:
        rows = rows.filter(squeezed__icontains=word)
    return rows.order_by("series__brand__name", "series__name", "-model_year", "guide_price", "id")


def vehicle(vehicle_id: UUID) -> VehicleBrief:
    """A car of the catalogue, also one no longer on sale. Raises `NoSuchVehicle`."""
    row = VehicleModel.objects.select_related("series__brand").filter(id=vehicle_id).first()
    if row is None:
        raise NoSuchVehicle
    return _vehicle(row)


def _vehicle(row: VehicleModel) -> VehicleBrief:
    brand, series = row.series.brand.name, row.series.name
    return VehicleBrief(
        id=row.id,
        brand=brand,
        series=series,
        model_year=row.model_year,
        trim=row.trim,
        name=f"{brand} {series} {row.model_year}款 {row.trim}",
        guide_price=row.guide_price,
        power=row.power,
    )


def product_version(version_id: UUID) -> ProductFacts:
    """A version of a product, whatever its state. Raises `NoSuchProduct`."""
    row = _versions().filter(id=version_id).first()
    if row is None:
        raise NoSuchProduct
    return facts_of(row)


def product_name(legal_entity_id: UUID, code: str) -> str:
    """What the newest version of a product is called; the code for one that is not there."""
    named = _versions().filter(product__legal_entity_id=legal_entity_id, product__code=code).order_by("-version")
    return named.values_list("name", flat=True).first() or code


def on_sale(legal_entity_id: UUID, *, on: dt.date, kinds: tuple[str, ...] = ()) -> list[ProductFacts]:
    """Versions that a lender sells on a day, by code."""
    rows = _versions().filter(
        Q(on_sale_to=None) | Q(on_sale_to__gte=on),
        product__legal_entity_id=legal_entity_id,
        state=ProductVersion.State.ON_SALE,
        on_sale_from__lte=on,
    )
    if kinds:
        rows = rows.filter(product__kind__in=kinds)
    return [facts_of(row) for row in rows.order_by("product__code")]


def _versions() -> QuerySet[ProductVersion]:
    return ProductVersion.objects.select_related("product").prefetch_related("options")


def facts_of(row: ProductVersion) -> ProductFacts:
    """The row as a value; its product and options should be loaded with it."""
    return ProductFacts(
        id=row.id,
        product_id=row.product_id,
        legal_entity_id=row.product.legal_entity_id,
        code=row.product.code,
        version=row.version,
        kind=row.product.kind,
        state=row.state,
        name=row.name,
        financing_party=row.financing_party,
        guarantee=row.guarantee,
        purpose=row.purpose,
        borrower=row.borrower,
        amount_min=row.amount_min,
        amount_max=row.amount_max,
        max_ltv={power: Decimal(share) for power, share in row.max_ltv.items()},
        min_share_down=row.min_share_down,
        rates={grade: Decimal(rate) for grade, rate in row.rates.items()},
        rate_min=row.rate_min,
        rate_max=row.rate_max,
        day_count=row.day_count,
        penalty_uplift=row.penalty_uplift,
        grace_days=row.grace_days,
        prepay_fee_rate=row.prepay_fee_rate,
        prepay_fee_free_after=row.prepay_fee_free_after,
        min_age=row.min_age,
        max_age_at_end=row.max_age_at_end,
        min_income=row.min_income,
        funders=tuple(row.funders),
        options=tuple(_option(option) for option in row.options.all()),
        is_finance_lease=row.is_finance_lease,
        offsets_deposit=row.offsets_deposit,
        purchase_price=row.purchase_price,
        terms=row.terms,
    )


def _option(row: ProductOption) -> OptionFacts:
    return OptionFacts(
        id=row.id,
        code=row.code,
        installments=row.installments,
        method=row.method,
        rate_delta=row.rate_delta,
        fee_rate=row.fee_rate,
        balloon_share=row.balloon_share,
    )


@dataclass(frozen=True)
class CostTableRow:
    """A line of the table in the words of the document; `amount` in yuan, `annualised` a fraction, None where nothing is certain."""

    name: str
    how: str
    standard: str
    collector: str
    amount: Decimal | None
    annualised: Decimal | None


@dataclass(frozen=True)
class CostTable:
    """综合融资成本明示表: everything a borrower pays. Rates are fractions a year; `annual_all_in` compounds the periodic IRR."""

    version: str
    principal: Decimal
    rows: tuple[CostTableRow, ...]
    contingent: tuple[CostTableRow, ...]
    total: Decimal
    annual_all_in: Decimal
    annual_simple: Decimal
    sentence: str


@cache
def _words() -> dict[str, Any]:
    with (_DATA / "cost_table.toml").open("rb") as file:
        return tomllib.load(file)


def cost_table(plan: Plan) -> CostTable:
    """The full cost table of a plan, in the Chinese words that the document must have."""
    words = _words()
    return CostTable(
        version=words["version"],
        principal=plan.principal,
        rows=tuple(_cost_row(row, plan, words["normal"]) for row in plan.cost_rows if not row.contingent),
        contingent=tuple(_cost_row(row, plan, words["contingent"]) for row in plan.cost_rows if row.contingent),
        total=plan.total_cost,
        annual_all_in=plan.effective_rate / 100,
        annual_simple=plan.apr_irr / 100,
        sentence=words["sentence"],
    )


def _cost_row(row: CostRow, plan: Plan, words: dict[str, Any]) -> CostTableRow:
    always = row.code == "prepay_fee" and row.free_after is None
    text = words["prepay_fee_always" if always else row.code]
    figures = {"rate": percent_text(row.rate), "free_after": row.free_after, "name": row.name}
    return CostTableRow(
        name=text["name"].format(**figures),
        how=text["how"].format(**figures),
        standard=_standard(row) if row.basis else text["standard"].format(**figures),
        collector=plan.financing_party,
        amount=row.amount,
        annualised=None if row.annual_compound is None else row.annual_compound / 100,
    )


def _standard(row: CostRow) -> str:
    """Such as 当期应还本息的 1.00%，最低 5.00 元."""
    words = _words()["bases"]
    parts = [words[row.basis].format(rate=percent_text(row.rate), amount=row.least)]
    if row.rate is not None:
        parts += [words[name].format(amount=amount) for name, amount in (("least", row.least), ("most", row.most)) if amount is not None]
    return "，".join(parts)


def percent_text(share: Decimal | None) -> str:
    """`0.108` → `10.80%`; a dash for nothing."""
    return "–" if share is None else f"{share * 100:.2f}%"


def reason_texts(plan: Plan) -> list[str]:
    """Why a plan stands where it does, one line each, in the reader's language."""
    return [text for reason in plan.reasons if (text := _reason_text(reason))]


def _reason_text(reason: Reason) -> str:
    value = percent_text(reason.value)
    texts = {
        "approval_chance": _("Chance of approval %(value)s"),
        "payment_to_income": _("Monthly payments take %(value)s of the income"),
        "income_unknown": _("Income not known: the payment could not be compared with it"),
        "total_cost": _("All costs together are %(value)s of the principal"),
        "term_as_asked": _("The term that was asked for"),
        "amount_reduced": _("%(value)s of the amount asked for"),
        "balloon_at_end": _("%(value)s of the principal falls due with the last instalment"),
    }
    return texts[reason.code] % {"value": value} if reason.code in texts else ""
