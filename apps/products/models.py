"""What is financed and on which terms: the vehicle catalogue, and products in versions that never change once on sale."""

from __future__ import annotations

import pgtrigger
from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy
from django_fsm import transition

from apps.common.audit import audited
from apps.common.fsm import StateField, legal_edges
from apps.common.models import BusinessModel
from apps.common.scope import Scope
from apps.products.domain import Kind, Power

KINDS = {
    Kind.CAR_LEASE_DIRECT.value: _("car, direct lease"),
    Kind.CAR_LEASE_BACK.value: _("car, leaseback"),
    Kind.CASH.value: _("cash loan"),
}
VERSION_EDGES = {
    "draft": ["on_sale", "withdrawn"],
    "on_sale": ["withdrawn"],
}


@audited()
class Brand(BusinessModel):
    """A make of cars."""

    name = models.CharField(_("brand"), max_length=32, unique=True)

    scope = Scope(public=True)

    class Meta:
        verbose_name = _("brand")
        verbose_name_plural = _("brands")

    def __str__(self) -> str:
        return self.name


@audited()
class Series(BusinessModel):
    """A series of a brand."""

    brand = models.ForeignKey(Brand, on_delete=models.PROTECT, related_name="series", verbose_name=_("brand"))
    name = models.CharField(_("series"), max_length=48)

    scope = Scope(public=True)

    class Meta:
        verbose_name = _("series")
        verbose_name_plural = _("series")
        constraints = [models.UniqueConstraint(fields=["brand", "name"], name="series_per_brand")]

    def __str__(self) -> str:
        return f"{self.brand} {self.name}"


@audited()
class VehicleModel(BusinessModel):
    """A car as it is offered: model year and trim, with the maker's guide price in yuan, tax included."""

    series = models.ForeignKey(Series, on_delete=models.PROTECT, related_name="models", verbose_name=_("series"))
    model_year = models.PositiveSmallIntegerField(_("model year"), validators=[MinValueValidator(2000), MaxValueValidator(2100)])
    trim = models.CharField(_("trim"), max_length=64)
    guide_price = models.DecimalField(
        _("guide price"), max_digits=18, decimal_places=2, validators=[MinValueValidator(10_000), MaxValueValidator(5_000_000)]
    )
    power = models.CharField(_("power"), max_length=3, choices=[(Power.ICE.value, _("combustion")), (Power.NEV.value, _("new energy"))])
    is_active = models.BooleanField(_("on sale"), default=True)

    scope = Scope(public=True)

    class Meta:
        verbose_name = _("vehicle")
        verbose_name_plural = _("vehicles")
        constraints = [
            models.UniqueConstraint(fields=["series", "model_year", "trim"], name="one_vehicle_per_trim"),
            models.CheckConstraint(condition=Q(guide_price__gte=10_000, guide_price__lte=5_000_000), name="guide_price_plausible"),
            models.CheckConstraint(condition=Q(model_year__gte=2000, model_year__lte=2100), name="model_year_plausible"),
        ]

    def __str__(self) -> str:
        return f"{self.series} {self.model_year} {self.trim}"


@audited()
class Product(BusinessModel):
    """A product of a lender; its terms are in its versions."""

    legal_entity = models.ForeignKey(
        "organisations.LegalEntity", on_delete=models.PROTECT, related_name="+", verbose_name=_("legal entity")
    )
    code = models.CharField(_("code"), max_length=32)
    kind = models.CharField(_("kind"), max_length=16, choices=KINDS)

    scope = Scope(entity="legal_entity_id")

    class Meta:
        verbose_name = _("product")
        verbose_name_plural = _("products")
        constraints = [models.UniqueConstraint(fields=["legal_entity", "code"], name="product_code_per_entity")]

    def __str__(self) -> str:
        return self.code


@audited()
class ProductVersion(BusinessModel):
    """Terms of a product from a day on. Once on sale its terms stay as they are: a change is the next version, and changes no loan."""

    class State(models.TextChoices):
        DRAFT = "draft", _("draft")
        ON_SALE = "on_sale", _("on sale")
        WITHDRAWN = "withdrawn", _("withdrawn")

    product = models.ForeignKey(Product, on_delete=models.PROTECT, related_name="versions", verbose_name=_("product"))
    version = models.PositiveSmallIntegerField(_("version"))
    state = StateField(State, State.DRAFT, verbose_name=_("state"))
    name = models.CharField(_("name"), max_length=64)
    borrower = models.CharField(_("borrower"), max_length=8, choices=[("person", _("person")), ("company", _("company"))], default="person")
    purpose = models.CharField(
        _("purpose"), max_length=12, choices=[("consumption", _("consumption")), ("business", _("business"))], default="consumption"
    )
    guarantee = models.CharField(
        _("guarantee"),
        max_length=10,
        choices=[
            ("mortgage", _("mortgage")),
            ("pledge", _("pledge")),
            ("guarantor", _("guarantor")),
            ("credit", pgettext_lazy("guarantee", "credit")),
        ],
    )
    financing_party = models.CharField(_("financing party"), max_length=100)
    amount_min = models.DecimalField(_("least amount"), max_digits=18, decimal_places=2)
    amount_max = models.DecimalField(_("greatest amount"), max_digits=18, decimal_places=2)
    max_ltv = models.JSONField(_("greatest share of the price by power"), default=dict, help_text=_("fractions; empty: no car"))
    min_share_down = models.DecimalField(_("least down payment or deposit"), max_digits=9, decimal_places=6, default=0)
    rates = models.JSONField(_("annual rate by grade"), help_text=_("fractions a year, e.g. 0.108"))
    rate_min = models.DecimalField(_("least annual rate"), max_digits=9, decimal_places=6)
    rate_max = models.DecimalField(_("greatest annual rate"), max_digits=9, decimal_places=6)
    day_count = models.CharField(_("day count"), max_length=8)
    penalty_uplift = models.DecimalField(_("penalty uplift"), max_digits=9, decimal_places=6)
    grace_days = models.PositiveSmallIntegerField(_("days of grace"), default=0)
    prepay_fee_rate = models.DecimalField(_("prepayment fee"), max_digits=9, decimal_places=6, default=0)
    prepay_fee_free_after = models.PositiveSmallIntegerField(_("no prepayment fee after instalment"), null=True, blank=True)
    min_age = models.PositiveSmallIntegerField(_("least age"), default=18)
    max_age_at_end = models.PositiveSmallIntegerField(_("greatest age at the end"), default=65)
    min_income = models.DecimalField(_("least monthly income"), max_digits=18, decimal_places=2, default=0)
    funders = ArrayField(models.CharField(max_length=32), default=list, blank=True, verbose_name=_("funders allowed"))
    is_finance_lease = models.BooleanField(
        _("booked as a finance lease"), default=False, help_text=_("direct leases only; otherwise the books hold it as a loan")
    )
    offsets_deposit = models.BooleanField(
        _("the deposit pays the last instalments"), default=False, help_text=_("otherwise it is refunded at the end")
    )
    purchase_price = models.DecimalField(
        _("price of the purchase option"), max_digits=18, decimal_places=2, null=True, blank=True, help_text=_("empty: there is no option")
    )
    terms = models.JSONField(
        _("further terms"),
        default=dict,
        blank=True,
        help_text=_("terms of the loan core that the plan does not set itself, by the keys of a replay; empty: none"),
    )
    on_sale_from = models.DateField(_("on sale from"))
    on_sale_to = models.DateField(_("on sale to"), null=True, blank=True)

    scope = Scope(entity="product__legal_entity_id")

    class Meta:
        verbose_name = _("product version")
        verbose_name_plural = _("product versions")
        constraints = [
            models.UniqueConstraint(fields=["product", "version"], name="product_versions_are_numbered"),
            models.UniqueConstraint(fields=["product"], condition=Q(state="on_sale"), name="one_version_on_sale"),
            models.CheckConstraint(condition=Q(amount_min__gt=0, amount_max__gte=F("amount_min")), name="product_amounts_in_order"),
            models.CheckConstraint(condition=Q(purchase_price__isnull=True) | Q(purchase_price__gte=0), name="product_option_not_negative"),
            models.CheckConstraint(condition=Q(rate_min__gte=0, rate_max__gte=F("rate_min")), name="product_rates_in_order"),
        ]
        triggers = [
            legal_edges("state", VERSION_EDGES),
            pgtrigger.Trigger(
                name="terms_stay_once_on_sale",
                operation=pgtrigger.Update,
                when=pgtrigger.Before,
                condition=pgtrigger.AnyChange(exclude=["state", "on_sale_to"]),
                func="IF OLD.state <> 'draft' THEN RAISE EXCEPTION 'terms of a product version on sale do not change'; END IF; RETURN NEW;",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} v{self.version}"

    @transition(field=state, source="draft", target="on_sale")
    def put_on_sale(self) -> None:
        """New applications may take it."""

    @transition(field=state, source=["draft", "on_sale"], target="withdrawn")
    def withdraw(self) -> None:
        """No new applications; loans made on it run on."""


class ProductOption(BusinessModel):
    """A way to repay that a version offers: term, method, fee, and its distance from the customer's rate; append-only."""

    version = models.ForeignKey(ProductVersion, on_delete=models.PROTECT, related_name="options", verbose_name=_("product version"))
    code = models.CharField(_("code"), max_length=16)
    installments = models.PositiveSmallIntegerField(_("instalments"))
    method = models.CharField(_("method"), max_length=20)
    rate_delta = models.DecimalField(_("rate above or below the customer's"), max_digits=9, decimal_places=6, default=0)
    fee_rate = models.DecimalField(_("service fee, share of the principal"), max_digits=9, decimal_places=6, default=0)
    balloon_share = models.DecimalField(_("balloon, share of the principal"), max_digits=9, decimal_places=6, default=0)

    scope = Scope(entity="version__product__legal_entity_id")

    class Meta:
        verbose_name = _("product option")
        verbose_name_plural = _("product options")
        ordering = ["version", "installments", "code"]
        constraints = [
            models.UniqueConstraint(fields=["version", "code"], name="one_option_per_code"),
            models.CheckConstraint(condition=Q(installments__gte=1, installments__lte=60), name="option_term_in_range"),
            models.CheckConstraint(condition=Q(fee_rate__gte=0, fee_rate__lt=1), name="option_fee_in_range"),
            models.CheckConstraint(condition=Q(balloon_share__gte=0, balloon_share__lt=1), name="option_balloon_in_range"),
        ]
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return f"{self.code} × {self.installments}"
