"""What the app sends and gets about payments."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from apps.disbursement.models import RepaymentOrder

MODES = [("reduce", _("smaller instalments")), ("shorten", _("fewer instalments"))]


class RepaymentInput(serializers.Serializer):
    """Pay what is due, part of the principal, or everything. Amounts in yuan."""

    purpose = serializers.ChoiceField(choices=RepaymentOrder.Purpose.choices)
    amount = serializers.DecimalField(
        max_digits=18,
        decimal_places=2,
        min_value=0,
        required=False,
        help_text=_("Required for a prepayment; otherwise what is owed for the purpose."),
    )
    mode = serializers.ChoiceField(choices=MODES, required=False, help_text=_("Required for a prepayment."))


class RepaymentOutput(serializers.ModelSerializer):
    """A payment and what became of it."""

    loan_id = serializers.UUIDField(source="loan_ref")
    card = serializers.CharField(source="card_masked")
    state_label = serializers.CharField(source="get_state_display")

    class Meta:
        model = RepaymentOrder
        fields = [
            "id",
            "order_no",
            "loan_id",
            "purpose",
            "mode",
            "amount",
            "due_date",
            "business_date",
            "card",
            "state",
            "state_label",
            "reason",
            "next_debit_date",
            "created_at",
            "finished_at",
        ]
        read_only_fields = fields
