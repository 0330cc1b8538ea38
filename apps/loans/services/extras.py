"""Values of a loan's extra fields 附加字段. Rules: docs/rules/extra-fields.md."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db import transaction

from apps.common.actors import Actor
from apps.loans.models import Loan, LoanExtras
from apps.loans.selectors import LoanUnknown
from apps.organisations import selectors as organisations

ABOUT = "loan"


@transaction.atomic
def keep_extras(*, loan_id: UUID, values: Mapping[str, Any], actor: Actor, now: dt.datetime) -> dict[str, Any]:
    """Take the values of all extra fields of a loan, as text, and answer with what is kept; those of retired fields stay.

    The same again changes nothing. Raises `LoanUnknown`, `BadInput` naming fields.
    """
    loan: Loan | None = Loan.objects.select_for_update().within(actor.data_scope).filter(id=loan_id).first()
    if loan is None:
        raise LoanUnknown(loan_id=loan_id)
    actor.require("loans.adjust")
    fields = organisations.extra_fields(loan.legal_entity_id, ABOUT)
    checked = organisations.checked_extras(fields, values)
    row = LoanExtras.objects.filter(loan=loan).first() or LoanExtras(loan=loan, created_at=now)
    asked = {field.name for field in fields}
    kept = {name: value for name, value in row.values.items() if name not in asked} | checked
    if kept != row.values:
        row.values = kept
        row.save()
    return checked
