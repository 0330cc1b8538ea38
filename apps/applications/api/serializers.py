"""Shapes of the customer's applications; amounts are text with two decimals, rates fractions a year unless named percent."""

from __future__ import annotations

from rest_framework import serializers

from apps.applications.models import Kind, LeaseType, State


def _money(**options: object) -> serializers.DecimalField:
    return serializers.DecimalField(max_digits=18, decimal_places=2, **options)  # type: ignore[arg-type]


class ApplicationSerializer(serializers.Serializer):
    """An application in one line."""

    id = serializers.UUIDField()
    number = serializers.CharField()
    kind = serializers.ChoiceField(choices=Kind.choices)
    state = serializers.ChoiceField(choices=State.choices)
    vehicle = serializers.CharField(allow_blank=True)
    lease_type = serializers.ChoiceField(choices=LeaseType.choices, allow_blank=True)
    price = _money(allow_null=True)
    down_payment = _money(help_text="Down payment of a leaseback, deposit of a direct lease.")
    requested_amount = _money()
    requested_term = serializers.IntegerField(help_text="Months.")
    created_at = serializers.DateTimeField()
    submitted_at = serializers.DateTimeField(allow_null=True)
    promised_by = serializers.DateTimeField(allow_null=True, help_text="When the shop was promised an answer.")
    expires_at = serializers.DateTimeField(allow_null=True)


class ApplicationStepSerializer(serializers.Serializer):
    """One step of the way."""

    at = serializers.DateTimeField()
    from_state = serializers.CharField(allow_blank=True)
    to_state = serializers.CharField(allow_blank=True)


class ApplicationDetailSerializer(ApplicationSerializer):
    """With its way so far; `reasons` explain a decline or what is still wanted, in plain words."""

    reasons = serializers.ListField(child=serializers.CharField())
    chosen_offer_id = serializers.UUIDField(allow_null=True)
    steps = ApplicationStepSerializer(many=True)


class OfferCostSerializer(serializers.Serializer):
    """A line of the full cost table."""

    name = serializers.CharField()
    how = serializers.CharField()
    standard = serializers.CharField()
    collector = serializers.CharField()
    amount = _money(allow_null=True)
    annualised = serializers.DecimalField(max_digits=12, decimal_places=6, allow_null=True, help_text="Fraction a year.")


class OfferCostTableSerializer(serializers.Serializer):
    """综合融资成本明示表: everything a borrower pays; `contingent` only if something goes wrong or changes."""

    version = serializers.CharField()
    principal = _money()
    rows = OfferCostSerializer(many=True)
    contingent = OfferCostSerializer(many=True)
    total = _money()
    annual_all_in = serializers.DecimalField(max_digits=12, decimal_places=6)
    annual_simple = serializers.DecimalField(max_digits=12, decimal_places=6)
    sentence = serializers.CharField()


class OfferInstalmentSerializer(serializers.Serializer):
    """One row of the repayment plan."""

    no = serializers.IntegerField()
    due_date = serializers.DateField()
    principal = _money()
    interest = _money()
    fee = _money()
    total = _money()
    balance = _money()


class OfferSerializer(serializers.Serializer):
    """One plan, best first, with every cost."""

    id = serializers.UUIDField()
    rank = serializers.IntegerField()
    name = serializers.CharField()
    financing_party = serializers.CharField()
    method = serializers.CharField()
    principal = _money()
    installments = serializers.IntegerField()
    annual_rate = serializers.DecimalField(max_digits=9, decimal_places=6)
    installment = _money()
    first_installment = _money()
    total_interest = _money()
    fees = _money()
    total_cost = _money()
    total_paid = _money()
    apr_irr = serializers.DecimalField(max_digits=9, decimal_places=4, help_text="Percent: periodic IRR times periods, all fees in.")
    effective_rate = serializers.DecimalField(max_digits=9, decimal_places=4, help_text="The same compounded, percent.")
    down_payment = _money()
    deposit = _money()
    reasons = serializers.ListField(child=serializers.CharField(), help_text="Why the plan stands where it does.")
    chosen = serializers.BooleanField()
    valid_until = serializers.DateTimeField()
    cost_table = OfferCostTableSerializer()
    schedule = OfferInstalmentSerializer(many=True)


class AcceptOfferSerializer(serializers.Serializer):
    offer_id = serializers.UUIDField()


class WithdrawSerializer(serializers.Serializer):
    reason = serializers.CharField(max_length=500)
