"""Counter operations of compensation 代偿 and of what the payer gets back 追偿."""

from __future__ import annotations

from uuid import UUID

from apps.loans.models import Loan
from apps.loans.services.claims import compensate_loan, record_claim_recovery
from apps.loans.services.deeds import Order, Values, take_in


def compensate(loan: Loan, values: Values, order: Order) -> tuple[UUID, ...]:
    """代偿: a guarantor or dealer pays for the borrower, and has a claim on the borrower for it."""
    take_in(loan, values, order)
    compensate_loan(
        loan_id=loan.id,
        amount=values["amount"],
        value_date=values["value_date"],
        payer=values["payer"],
        reference=order.reference,
        actor=order.actor,
        now=order.now,
    )
    return (loan.id,)


def recover_claim(loan: Loan, values: Values, order: Order) -> tuple[UUID, ...]:
    """追偿: the payer of a compensation got money back from the borrower."""
    record_claim_recovery(
        loan_id=loan.id,
        transaction_id=values["transaction"],
        amount=values["amount"],
        recovered_on=values["value_date"],
        note=values.get("note", ""),
        reference=order.reference,
        actor=order.actor,
        now=order.now,
    )
    return (loan.id,)
