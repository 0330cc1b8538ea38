"""Forms of the portal."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from apps.common import clock
from apps.customers.domain import InvalidPersonalData, parse_id_number

TERMS = ((12, "12"), (24, "24"), (36, "36"), (48, "48"), (60, "60"))
ACCEPTED_FILES = "image/jpeg,image/png,application/pdf"
_ID_PROBLEMS = {
    "id_number_old": _("Fifteen digits belong to a card of the first generation. Enter the eighteen signs of the present card."),
    "id_number_invalid": _("This is not an ID number: compare all eighteen signs with the card."),
    "minor": _("The customer is under age."),
}


class PortalForm(forms.Form):
    """Fields in the portal's look, tied to their messages for screen readers."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            if isinstance(field.widget, forms.RadioSelect | forms.HiddenInput):
                continue
            money = isinstance(field, forms.DecimalField | forms.IntegerField) and not isinstance(field, forms.ChoiceField)
            field.widget.attrs.setdefault("class", "input num" if money else "input")


class OrderForm(PortalForm):
    """A new order: who, which car, how."""

    id_number = forms.CharField(
        label=_("Customer's ID number"),
        max_length=24,
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "characters", "spellcheck": "false"}),
    )
    vehicle = forms.UUIDField(
        label=_("Vehicle"),
        widget=forms.HiddenInput,
        error_messages={"required": _("Choose the vehicle from the list."), "invalid": _("Choose the vehicle from the list.")},
    )
    price = forms.DecimalField(
        label=_("Transaction price (yuan)"),
        min_value=Decimal(1000),
        max_digits=12,
        decimal_places=2,
        widget=forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"}),
    )
    lease_type = forms.ChoiceField(
        label=_("Lease type"),
        choices=[
            ("leaseback", _("Leaseback: the customer owns the car and pays part of it down")),
            ("direct", _("Direct lease: we own the car, the customer leaves a deposit")),
        ],
        widget=forms.RadioSelect,
        initial="leaseback",
    )
    down_payment = forms.DecimalField(
        label=_("Down payment or deposit (yuan)"),
        min_value=Decimal(0),
        max_digits=12,
        decimal_places=2,
        widget=forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"}),
    )
    term = forms.TypedChoiceField(label=_("Instalments (months)"), choices=TERMS, coerce=int, initial=36)
    authorisation = forms.FileField(
        label=_("Signed credit-query authorisation"),
        error_messages={"required": _("Photograph the signed authorisation, or choose its file.")},
        widget=forms.FileInput(attrs={"accept": ACCEPTED_FILES}),
    )
    idempotency_key = forms.CharField(widget=forms.HiddenInput, max_length=64)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["idempotency_key"].initial = uuid4().hex

    def clean_id_number(self) -> str:
        """The number without spaces, checked by its own check sign."""
        try:
            return parse_id_number(self.cleaned_data["id_number"], on=clock.local_date(clock.now())).number
        except InvalidPersonalData as problem:
            raise ValidationError(_ID_PROBLEMS.get(problem.code, _ID_PROBLEMS["id_number_invalid"])) from None

    def clean(self) -> dict[str, Any]:
        """A down payment below the price."""
        data = super().clean() or {}
        price, down = data.get("price"), data.get("down_payment")
        if price is not None and down is not None and down >= price:
            self.add_error("down_payment", _("The down payment lies between zero and the price."))
        return data


class CalculatorForm(PortalForm):
    """The public calculator."""

    principal = forms.DecimalField(
        label=_("Amount (yuan)"),
        min_value=Decimal(1000),
        max_value=Decimal(10_000_000),
        decimal_places=2,
        initial=Decimal(120000),
        widget=forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"}),
    )
    annual_rate = forms.DecimalField(
        label=_("Annual rate (%)"),
        min_value=Decimal(0),
        max_value=Decimal(100),
        decimal_places=4,
        initial=Decimal("10.8"),
        widget=forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"}),
    )
    installments = forms.IntegerField(
        label=_("Instalments (months)"),
        min_value=1,
        max_value=60,
        initial=36,
        widget=forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "off"}),
    )
    method = forms.ChoiceField(
        label=_("Repayment method"),
        choices=[
            ("equal_installment", _("equal instalments")),
            ("equal_principal", _("equal principal")),
            ("interest_first", _("interest first")),
        ],
    )
    lender = forms.TypedChoiceField(label=_("Lender"), coerce=UUID)

    def __init__(self, *args: Any, lenders: Sequence[Any], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if len(lenders) > 1:
            self.fields["lender"].choices = [(str(lender.id), lender.short_name or lender.name) for lender in lenders]  # type: ignore[attr-defined]
        else:
            del self.fields["lender"]
        self._only = lenders[0].id if len(lenders) == 1 else None

    def clean(self) -> dict[str, Any]:
        """With the lender whose cap counts: the chosen one, or the only one there is."""
        data = super().clean() or {}
        if "lender" not in self.fields:
            if self._only is None:
                raise ValidationError(_("There is no lender yet."))
            data["lender"] = self._only
        return data
