"""Extra fields of loans: which a lender keeps, and what a loan's say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.utils.translation import gettext

from apps.common.errors import BadInput
from apps.loans.models import Loan, LoanExtras
from apps.loans.selectors.loans import loans
from apps.organisations import selectors as organisations


@dataclass(frozen=True, slots=True)
class Extra:
    """An extra field of a loan with its value; None when nothing was entered."""

    name: str
    label: str
    kind: str
    is_required: bool
    choices: tuple[str, ...]
    value: Any


def extras_of(loan: Loan) -> tuple[Extra, ...]:
    """The fields that the loan's lender keeps of loans, each with the loan's value."""
    fields = organisations.extra_fields(loan.legal_entity_id, "loan")
    row = LoanExtras.objects.filter(loan=loan).first() if fields else None
    values = row.values if row else {}
    return tuple(
        Extra(field.name, field.label, field.kind, field.is_required, tuple(field.choices), values.get(field.name)) for field in fields
    )


def loans_with_extra(user: Any, legal_entity_id: UUID, name: str, text: str) -> QuerySet[Loan]:
    """The loans of a lender, among those that a user may see, whose extra field says `text`. Raises `BadInput` naming the field."""
    fields = [field for field in organisations.extra_fields(legal_entity_id, "loan") if field.name == name]
    value = organisations.checked_extras(fields, {name: text}).get(name)
    if value is None:
        raise BadInput(fields={"value": [gettext("Please fill this in.")]})
    return loans(user).filter(legal_entity_id=legal_entity_id, extras__values__contains={name: value}).order_by("-opened_on", "-id")
