"""Forms of the back office's own pages."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django import forms
from django.core.validators import MaxValueValidator, MinValueValidator
from django.utils.translation import gettext_lazy as _

from apps.common.errors import BadInput


class AmountField(forms.DecimalField):
    """Yuan as people write them: `120,000.00`."""

    def __init__(self, **options: Any) -> None:
        super().__init__(max_digits=16, decimal_places=2, **options)

    def to_python(self, value: Any) -> Any:
        return super().to_python(value.replace(",", "").replace("，", "") if isinstance(value, str) else value)


class DecisionForm(forms.Form):
    """What a reviewer decides; the services know which outcomes there are and when a reason is needed."""

    outcome = forms.CharField(max_length=16)
    reason = forms.CharField(max_length=300, required=False, strip=True)
    approved_amount = AmountField(required=False, label=_("Approved amount"))
    grade = forms.CharField(max_length=2, required=False, label=_("Grade"))

    def read(self) -> dict[str, Any]:
        """The cleaned values. Raises `BadInput` with the fields that are wrong."""
        if not self.is_valid():
            raise BadInput(fields={name: [str(text) for text in texts] for name, texts in self.errors.items()})
        return self.cleaned_data


class CalculatorForm(forms.Form):
    """Terms to try out."""

    amount = AmountField(min_value=Decimal(1), max_value=Decimal(100_000_000), label=_("Amount (yuan)"))
    rate = forms.DecimalField(
        max_digits=6, decimal_places=4, validators=[MinValueValidator(0), MaxValueValidator(100)], label=_("Annual rate %")
    )
    term = forms.IntegerField(min_value=1, max_value=360, label=_("Instalments"))
