"""Shapes of the loan API; amounts are text with two decimals, rates fractions a year."""

from __future__ import annotations

from rest_framework import serializers


def _money() -> serializers.DecimalField:
    return serializers.DecimalField(max_digits=18, decimal_places=2)


class LoanSerializer(serializers.Serializer):
    """A loan in one line."""

    id = serializers.UUIDField()
    number = serializers.CharField()
    state = serializers.CharField(help_text="pending, active, overdue, settled, written_off, terminated or cancelled")
    principal = _money()
    opened_on = serializers.DateField()
    settled_on = serializers.DateField(allow_null=True)
    principal_outstanding = _money()
    due_total = _money()
    overdue = _money()
    dpd = serializers.IntegerField(help_text="days past due")
    next_due_date = serializers.DateField(allow_null=True, help_text="due date of the oldest unpaid instalment")


class InstalmentSerializer(serializers.Serializer):
    """One row of the schedule."""

    no = serializers.IntegerField()
    due_date = serializers.DateField()
    principal = _money()
    interest = _money()
    fee = _money()
    penalty = _money()
    total = _money()
    paid = _money()
    left = _money()
    status = serializers.CharField(help_text="future, due, overdue or paid")


class LoanComponentsSerializer(serializers.Serializer):
    """An amount by what it is for."""

    fee = _money()
    penalty = _money()
    compound = _money()
    interest = _money()
    principal = _money()


class LoanDueSerializer(serializers.Serializer):
    """What is to be paid today."""

    total = _money()
    components = LoanComponentsSerializer()
    credit = _money()
    oldest_due_date = serializers.DateField(allow_null=True)
    dpd = serializers.IntegerField()


class PayoffQuerySerializer(serializers.Serializer):
    """The day of a payoff."""

    on = serializers.DateField(required=False, help_text="the day of payment; today when left out")


class PayoffSerializer(serializers.Serializer):
    """What ends the loan on a day."""

    loan_id = serializers.UUIDField()
    on = serializers.DateField()
    due = LoanComponentsSerializer()
    interest = _money()
    fee = _money()
    principal = _money()
    credit = _money()
    total = _money()


class LoanDetailSerializer(LoanSerializer):
    """A loan with its schedule, what is due on the business day, and what would end it then."""

    annual_rate = serializers.DecimalField(max_digits=9, decimal_places=6)
    installments = serializers.IntegerField()
    method = serializers.CharField()
    schedule = InstalmentSerializer(many=True)
    due = LoanDueSerializer(allow_null=True, help_text="null when the loan is not running")
    payoff = PayoffSerializer(allow_null=True, help_text="null when the loan is not running")
