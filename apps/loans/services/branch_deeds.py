"""Counter operation: a loan goes to another branch 分支机构转移."""

from __future__ import annotations

from uuid import UUID

from apps.loans.models import Loan
from apps.loans.services.branches import transfer_branch
from apps.loans.services.deeds import Order, Values


def move(loan: Loan, values: Values, order: Order) -> tuple[UUID, ...]:
    """From the value date on the loan belongs to another branch of its legal entity; nothing is posted."""
    transfer_branch(
        loan_id=loan.id,
        branch_code=values["branch"],
        value_date=values["value_date"],
        reason=" · ".join(filter(None, (order.reason, values.get("note", "")))),
        reference=order.reference,
        actor=order.actor,
        now=order.now,
    )
    return (loan.id,)
