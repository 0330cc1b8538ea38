"""Forms of the portal."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import uuid4

from django import forms
from django.utils.translation import gettext_lazy as _

TERMS = ((12, "12"), (24, "24"), (36, "36"), (48, "48"), (60, "60"))


class OrderForm(forms.Form):
    """A new order: who, which car, how."""

    id_number = forms.CharField(label=_("Customer's ID number"), min_length=15, max_length=18, strip=True)
    vehicle = forms.UUIDField(label=_("Vehicle"), error_messages={"required": _("Choose the vehicle from the list.")})
    price = forms.DecimalField(label=_("Transaction price (yuan)"), min_value=Decimal(1000), max_digits=12, decimal_places=2)
    lease_type = forms.ChoiceField(
        label=_("Lease type"),
        choices=[
            ("leaseback", _("Leaseback: the customer owns the car, down payment")),
            ("direct", _("Direct lease: we own the car, deposit")),
        ],
        widget=forms.RadioSelect,
        initial="leaseback",
    )
    down_payment = forms.DecimalField(label=_("Down payment or deposit (yuan)"), min_value=Decimal(0), max_digits=12, decimal_places=2)
    term = forms.TypedChoiceField(label=_("Instalments (months)"), choices=TERMS, coerce=int, initial=36)
    authorisation = forms.FileField(
        label=_("Signed credit-query authorisation (photo or PDF)"),
        widget=forms.ClearableFileInput(attrs={"accept": "image/jpeg,image/png,application/pdf", "capture": "environment"}),
    )
    idempotency_key = forms.CharField(widget=forms.HiddenInput, max_length=64)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["idempotency_key"].initial = uuid4().hex
        for name, field in self.fields.items():
            if not isinstance(field.widget, forms.RadioSelect | forms.HiddenInput):
                field.widget.attrs.setdefault("class", "input num" if isinstance(field, forms.DecimalField) else "input")
            if name in {"id_number", "price", "down_payment"}:
                field.widget.attrs.setdefault("inputmode", "text" if name == "id_number" else "decimal")
                field.widget.attrs.setdefault("autocomplete", "off")


class CalculatorForm(forms.Form):
    """The public calculator."""

    principal = forms.DecimalField(
        label=_("Amount (yuan)"), min_value=Decimal(1000), max_value=Decimal(10_000_000), decimal_places=2, initial=Decimal(120000)
    )
    annual_rate = forms.DecimalField(
        label=_("Annual rate (%)"), min_value=Decimal(0), max_value=Decimal(24), decimal_places=4, initial=Decimal("10.8")
    )
    installments = forms.IntegerField(label=_("Instalments (months)"), min_value=1, max_value=60, initial=36)
    method = forms.ChoiceField(
        label=_("Repayment method"),
        choices=[
            ("equal_installment", _("equal instalments")),
            ("equal_principal", _("equal principal")),
            ("interest_first", _("interest first")),
        ],
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.widget.attrs.setdefault("class", "input num" if not isinstance(field, forms.ChoiceField) else "input")
