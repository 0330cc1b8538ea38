"""Shapes of the contract's interface."""

from __future__ import annotations

from rest_framework import serializers

from apps.contracts.models import Contract, State


class CostLineSerializer(serializers.Serializer):
    """A cost: how it is charged, by which standard, by whom; `annualised` is a fraction a year."""

    name = serializers.CharField()
    how = serializers.CharField()
    standard = serializers.CharField()
    collector = serializers.CharField()
    amount = serializers.DecimalField(max_digits=18, decimal_places=2, allow_null=True)
    annualised = serializers.CharField(allow_null=True)


class CostTableSerializer(serializers.Serializer):
    """The full cost table 综合融资成本明示表. `annual_all_in`: monthly IRR compounded; `annual_simple`: × 12."""

    version = serializers.CharField()
    principal = serializers.DecimalField(max_digits=18, decimal_places=2)
    rows = CostLineSerializer(many=True)
    contingent = CostLineSerializer(many=True)
    total = serializers.DecimalField(max_digits=18, decimal_places=2)
    annual_all_in = serializers.CharField()
    annual_simple = serializers.CharField()
    sentence = serializers.CharField()


class ContractSerializer(serializers.Serializer):
    """A contract as its customer sees it. `reading_seconds`: how long the cost table has to be read before signing.

    `cost_table_sha256`: the cost table's paper, as it comes back with the word to sign; null until it is made.
    """

    id = serializers.UUIDField()
    number = serializers.CharField()
    state = serializers.ChoiceField(choices=State.choices)
    kind = serializers.ChoiceField(choices=Contract.Kind.choices)
    application_id = serializers.UUIDField()
    made_on = serializers.DateField()
    amount = serializers.DecimalField(max_digits=18, decimal_places=2)
    installments = serializers.IntegerField()
    installment = serializers.DecimalField(max_digits=18, decimal_places=2)
    annual_rate = serializers.DecimalField(max_digits=9, decimal_places=6)
    apr_irr = serializers.DecimalField(max_digits=9, decimal_places=6)
    first_due = serializers.DateField()
    cost_table = CostTableSerializer()
    cost_table_sha256 = serializers.CharField(source="cost_document.sha256", default=None, allow_null=True)
    reading_seconds = serializers.IntegerField()
    opened_at = serializers.DateTimeField(allow_null=True)
    signing_confirmed = serializers.BooleanField()
    signed_at = serializers.DateTimeField(allow_null=True)


class ContractListItemSerializer(serializers.Serializer):
    """A contract in a list."""

    id = serializers.UUIDField()
    number = serializers.CharField()
    state = serializers.ChoiceField(choices=State.choices)
    kind = serializers.ChoiceField(choices=Contract.Kind.choices)
    application_id = serializers.UUIDField()
    made_on = serializers.DateField()
    amount = serializers.DecimalField(max_digits=18, decimal_places=2)
    signed_at = serializers.DateTimeField(allow_null=True)


class SignSerializer(serializers.Serializer):
    """The word to sign: for how many seconds the cost table was on the screen, and which one: its version and its SHA-256."""

    seconds_read = serializers.IntegerField(min_value=0, max_value=86_400)
    cost_table_version = serializers.CharField(max_length=16)
    cost_table_sha256 = serializers.RegexField(r"^[0-9a-fA-F]{64}$")
