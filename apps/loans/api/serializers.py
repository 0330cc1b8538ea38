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


class StatementQuerySerializer(serializers.Serializer):
    """The period of a statement and the page of its lines."""

    first = serializers.DateField(required=False, help_text="first day; the first day of the loan when left out")
    last = serializers.DateField(required=False, help_text="last day; today when left out")
    page = serializers.IntegerField(required=False, default=1, min_value=1, help_text="page of the lines, from 1 on")
    page_size = serializers.IntegerField(required=False, default=50, min_value=1, max_value=200, help_text="lines on a page")


class StatementLineSerializer(serializers.Serializer):
    """A transaction, or credit put to use on a due day, and the balances after it."""

    on = serializers.DateField(help_text="value date")
    kind = serializers.CharField(help_text="kind of transaction, or credit_used")
    transaction_id = serializers.CharField()
    amount = serializers.DecimalField(max_digits=18, decimal_places=2, allow_null=True)
    moved = LoanComponentsSerializer(help_text="change of what is owed")
    credit = serializers.DecimalField(max_digits=18, decimal_places=2, help_text="change of the customer's credit")
    principal_after = _money()
    credit_after = _money()
    is_reversed = serializers.BooleanField()


class StatementSerializer(serializers.Serializer):
    """A loan over a period: opening + disbursed + charged - collected - waived + adjusted = closing, for every component."""

    loan_id = serializers.UUIDField()
    number = serializers.CharField()
    first = serializers.DateField()
    last = serializers.DateField()
    opening = LoanComponentsSerializer()
    opening_credit = _money()
    disbursed = LoanComponentsSerializer()
    charged = LoanComponentsSerializer()
    collected = LoanComponentsSerializer()
    waived = LoanComponentsSerializer()
    adjusted = LoanComponentsSerializer()
    closing = LoanComponentsSerializer()
    closing_credit = _money()
    opening_deposit = _money()
    closing_deposit = _money()
    count = serializers.IntegerField(help_text="lines in the period, on all pages")
    page = serializers.IntegerField()
    lines = StatementLineSerializer(many=True)
