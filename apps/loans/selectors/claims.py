"""Claims of those who paid for a borrower: how much by component, recovered, still open."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from apps.common.money import ZERO
from apps.loans.domain.terms import Component
from apps.loans.models import CompensationClaim, Loan
from apps.loans.selectors.loans import state_of


@dataclass(frozen=True, slots=True)
class Claim:
    """A payer's claim on the borrower in yuan: `components` is what of the payment went to what the borrower owed.

    `is_void`: the payment was cancelled, so there is nothing to claim.
    """

    id: UUID
    transaction_id: UUID
    payer: str
    on: dt.date
    paid: Decimal
    components: Mapping[Component, Decimal]
    total: Decimal
    recovered: Decimal
    open: Decimal
    is_void: bool


def claims_of(loan: Loan, on: dt.date) -> tuple[Claim, ...]:
    """The claims that compensations of a loan up to a day have made, oldest first. Raises `DayBeforeLoan`."""
    rows = list(
        CompensationClaim.objects.filter(loan=loan, transaction__value_date__lte=on)
        .select_related("transaction")
        .prefetch_related("recoveries")
        .order_by("transaction__value_date", "created_at")
    )
    if not rows:
        return ()
    told = {item.transaction.id: item for item in state_of(loan, on).transactions}
    found = []
    for row in rows:
        paid = told[str(row.transaction_id)]
        total = sum(paid.allocated.values(), start=ZERO)
        recovered = sum((item.amount for item in row.recoveries.all() if item.recovered_on <= on), start=ZERO)
        found.append(
            Claim(
                id=row.id,
                transaction_id=row.transaction_id,
                payer=row.payer,
                on=row.transaction.value_date,
                paid=row.transaction.amount or ZERO,
                components={component: amount for component, amount in paid.allocated.items() if amount},
                total=total,
                recovered=recovered,
                open=max(total - recovered, ZERO),
                is_void=paid.reversed_by is not None,
            )
        )
    return tuple(found)
