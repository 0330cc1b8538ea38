"""Compensation 代偿 and the claim that it makes 追偿: whoever pays for a borrower may claim it back. Rules: docs/rules/security.md.

The claim is the payer's own: what the payer gets back is noted, and moves nothing in the lender's books.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.common.actors import Actor
from apps.common.errors import NotFound
from apps.loans.models import ClaimRecovery, CompensationClaim, Loan, LoanTransaction
from apps.loans.selectors.claims import claims_of
from apps.loans.services.errors import AmountRefused, ReferenceReused
from apps.loans.services.payments import record_repayment
from apps.loans.services.servicing import open_file


class ClaimUnknown(NotFound):
    """No compensation of the loan made such a claim."""

    code = "claim_unknown"
    title = gettext_lazy("This transaction made no claim. Choose a compensation that was not cancelled.")


@transaction.atomic
def compensate_loan(
    *, loan_id: UUID, amount: Decimal, value_date: dt.date, payer: str, reference: str, actor: Actor, now: dt.datetime
) -> CompensationClaim:
    """Money of a guarantor or dealer on what is due, and the claim on the borrower that it makes. Safe to repeat; raises as a repayment."""
    paid = record_repayment(
        loan_id=loan_id,
        amount=amount,
        value_date=value_date,
        source=LoanTransaction.Source.COMPENSATION,
        reference=reference,
        actor=actor,
        now=now,
    )
    claim, _made = CompensationClaim.objects.get_or_create(
        transaction_id=paid.id, defaults={"loan_id": loan_id, "payer": payer, "created_at": now}
    )
    if claim.payer != payer:
        raise ReferenceReused(reference=reference)
    return claim


@transaction.atomic
def record_claim_recovery(
    *,
    loan_id: UUID,
    transaction_id: UUID,
    amount: Decimal,
    recovered_on: dt.date,
    reference: str,
    actor: Actor,
    now: dt.datetime,
    note: str = "",
) -> ClaimRecovery:
    """Note what the payer of a compensation got back from the borrower. The same reference again changes nothing.

    Raises `ClaimUnknown`, `AmountRefused` above what is still open, `ValueDateRefused`, `ReferenceReused`.
    """
    file = open_file(loan_id, actor, now)
    actor.require("loans.adjust")
    loan: Loan = file.loan
    earlier = ClaimRecovery.objects.filter(reference=reference).select_related("claim").first()
    if earlier is not None:
        if (earlier.claim.transaction_id, earlier.amount, earlier.recovered_on) != (transaction_id, amount, recovered_on):
            raise ReferenceReused(reference=reference)
        return earlier
    file.check_value_date(recovered_on)
    found = next((claim for claim in claims_of(loan, file.as_of) if claim.transaction_id == transaction_id), None)
    if found is None or found.is_void:
        raise ClaimUnknown(transaction=transaction_id)
    if not 0 < amount <= found.open:
        raise AmountRefused(_("%(open)s of this claim is open. Enter that at most.") % {"open": found.open}, open=found.open)
    return ClaimRecovery.objects.create(
        claim_id=found.id,
        recovered_on=recovered_on,
        amount=amount,
        note=note[:200],
        reference=reference,
        actor=str(actor)[:80],
        created_at=now,
    )
