"""What the public catalogue and the calculator take and give. Rates in percent, money in yuan, both as text."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from rest_framework import serializers

from apps.loans.domain.daycount import DayCount
from apps.loans.domain.terms import MAX_INSTALLMENTS, Method
from apps.products.domain import OptionFacts, ProductFacts

QUOTED = [Method.EQUAL_INSTALLMENT, Method.EQUAL_PRINCIPAL, Method.INTEREST_FIRST, Method.FLAT, Method.BULLET, Method.BALLOON]


class VehicleSerializer(serializers.Serializer):
    id = serializers.UUIDField()
    name = serializers.CharField()
    brand = serializers.CharField()
    series = serializers.CharField()
    model_year = serializers.IntegerField()
    trim = serializers.CharField()
    guide_price = serializers.DecimalField(max_digits=18, decimal_places=2)
    power = serializers.ChoiceField(choices=[("ice", "ice"), ("nev", "nev")])


class VehicleQuerySerializer(serializers.Serializer):
    search = serializers.CharField(
        max_length=100, required=False, default="", allow_blank=True, help_text="Words of the name, in any order."
    )
    limit = serializers.IntegerField(min_value=1, max_value=100, default=20)


class OptionSerializer(serializers.Serializer):
    code = serializers.CharField()
    installments = serializers.IntegerField()
    method = serializers.CharField()
    annual_rate_from = serializers.SerializerMethodField(help_text="Percent, for the best grade.")
    annual_rate_to = serializers.SerializerMethodField(help_text="Percent, for the last grade served.")
    fee_rate = serializers.SerializerMethodField(help_text="Service fee, percent of the principal.")
    balloon_share = serializers.SerializerMethodField(help_text="Percent of the principal due with the last instalment.")

    def _rates(self, option: OptionFacts) -> list[Any]:
        product: ProductFacts = self.context["product"]
        return [min(max(rate, product.rate_min), product.rate_max) + option.rate_delta for rate in product.rates.values()]

    def get_annual_rate_from(self, option: OptionFacts) -> str:
        return f"{min(self._rates(option)) * 100:.2f}"

    def get_annual_rate_to(self, option: OptionFacts) -> str:
        return f"{max(self._rates(option)) * 100:.2f}"

    def get_fee_rate(self, option: OptionFacts) -> str:
        return f"{option.fee_rate * 100:.2f}"

    def get_balloon_share(self, option: OptionFacts) -> str:
        return f"{option.balloon_share * 100:.2f}"


class ProductSerializer(serializers.Serializer):
    id = serializers.UUIDField(help_text="The version on sale.")
    code = serializers.CharField()
    version = serializers.IntegerField()
    kind = serializers.CharField()
    name = serializers.CharField()
    financing_party = serializers.CharField()
    amount_min = serializers.DecimalField(max_digits=18, decimal_places=2)
    amount_max = serializers.DecimalField(max_digits=18, decimal_places=2)
    max_ltv = serializers.DictField(
        child=serializers.DecimalField(max_digits=9, decimal_places=6), help_text="Share of the price by power."
    )
    prepay_fee_rate = serializers.DecimalField(max_digits=9, decimal_places=6)
    prepay_fee_free_after = serializers.IntegerField(allow_null=True)
    terms = serializers.DictField(help_text="Further terms of the loan: grace, fees, order of payment …, by the keys of a replay.")
    options = serializers.SerializerMethodField()

    def get_options(self, product: ProductFacts) -> list[dict[str, Any]]:
        return list(OptionSerializer(product.options, many=True, context={"product": product}).data)


class LenderQuerySerializer(serializers.Serializer):
    lender = serializers.CharField(max_length=16, required=False, help_text="Code of the legal entity; not needed where there is only one.")


class CalculatorInputSerializer(LenderQuerySerializer):
    principal = serializers.DecimalField(max_digits=18, decimal_places=2)
    annual_rate = serializers.DecimalField(max_digits=9, decimal_places=4, help_text="Percent a year.")
    installments = serializers.IntegerField(min_value=1, max_value=MAX_INSTALLMENTS)
    method = serializers.ChoiceField(choices=[(method.value, method.value) for method in QUOTED], default=Method.EQUAL_INSTALLMENT.value)
    day_count = serializers.ChoiceField(choices=[(count.value, count.value) for count in DayCount], default=DayCount.THIRTY_360.value)
    fee_upfront = serializers.DecimalField(max_digits=18, decimal_places=2, default=Decimal("0.00"))
    balloon = serializers.DecimalField(max_digits=18, decimal_places=2, default=Decimal("0.00"))
    first_due = serializers.DateField(required=False, allow_null=True, default=None)


class QuoteRowSerializer(serializers.Serializer):
    no = serializers.IntegerField()
    due_date = serializers.DateField()
    principal = serializers.DecimalField(max_digits=18, decimal_places=2)
    interest = serializers.DecimalField(max_digits=18, decimal_places=2)
    total = serializers.DecimalField(max_digits=18, decimal_places=2)
    balance = serializers.DecimalField(max_digits=18, decimal_places=2)


class QuoteSerializer(serializers.Serializer):
    installment = serializers.DecimalField(max_digits=18, decimal_places=2)
    last_installment = serializers.DecimalField(max_digits=18, decimal_places=2)
    total_interest = serializers.DecimalField(max_digits=18, decimal_places=2)
    fees = serializers.DecimalField(max_digits=18, decimal_places=2)
    total_cost = serializers.DecimalField(max_digits=18, decimal_places=2, help_text="Interest and fees.")
    apr_irr = serializers.DecimalField(
        max_digits=9, decimal_places=2, help_text="Annual rate with all fees, percent: periodic IRR × periods."
    )
    effective_rate = serializers.DecimalField(max_digits=9, decimal_places=2, help_text="The same, compounded, percent.")
    schedule = QuoteRowSerializer(many=True)
