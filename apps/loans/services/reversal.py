"""Reversal: a bounced debit, an error, a disbursement cancelled. What is reversed never happened; both stay shown."""

from __future__ import annotations

import datetime as dt
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from apps.common.actors import Actor
from apps.common.money import ZERO
from apps.common.outbox import publish
from apps.loans import events
from apps.loans.bridge import replay_of
from apps.loans.domain.errors import BadTerms
from apps.loans.models import LoanTransaction
from apps.loans.selectors import LoanNotRunning
from apps.loans.services.errors import ReferenceReused, TermsRefused, TransactionUnknown
from apps.loans.services.payments import TransactionBrief, _brief
from apps.loans.services.servicing import LoanFile, open_file


@transaction.atomic
def reverse_transaction(
    *, loan_id: UUID, transaction_id: UUID, reason: str, reference: str, actor: Actor, now: dt.datetime
) -> TransactionBrief:
    """Reverse a transaction of a loan in whatever state: the loan and the books stand as if it had never been recorded.

    The same reference again changes nothing. Raises `LoanUnknown`, `TransactionUnknown`, `LoanNotRunning` (a reversal cannot be
    reversed, nothing twice), `ReferenceReused`.
    """
    actor.require("loans.adjust")
    file = open_file(loan_id, actor, now)
    target = next((row for row in file.transactions if row.id == transaction_id), None)
    if target is None:
        raise TransactionUnknown(transaction=transaction_id)
    earlier = next((row for row in file.transactions if row.reference == reference), None)
    if earlier is not None:
        if earlier.reverses_id != target.id:
            raise ReferenceReused(reference=reference)
        return _brief(file.loan, earlier, repeated=True)
    if target.kind == LoanTransaction.Kind.REVERSAL or any(row.reverses_id == target.id for row in file.transactions):
        raise LoanNotRunning(_("This transaction is a reversal, or reversed already."), transaction=transaction_id)
    file.bring_up_to(max(file.today, target.value_date))
    row = LoanTransaction(
        loan=file.loan,
        kind=LoanTransaction.Kind.REVERSAL,
        value_date=max(file.today, target.value_date),
        reference=reference,
        reverses=target,
        reason=reason[:200],
        actor=str(actor)[:80],
        created_at=now,
    )
    _check(file, row)
    file.record(row, narrative=_("Reversal of %(what)s") % {"what": f"{file.loan.number} {target.get_kind_display()}"})
    publish(
        events.TransactionReversed(
            loan_id=file.loan.id,
            legal_entity_id=file.loan.legal_entity_id,
            borrower_ref=file.loan.borrower_ref,
            application_ref=file.loan.application_ref,
            transaction_id=target.id,
            kind=str(target.kind),
            amount=target.amount or ZERO,
            reference=reference,
        )
    )
    return _brief(file.loan, row)


def _check(file: LoanFile, row: LoanTransaction) -> None:
    try:
        replay_of(file.loan, [*file.transactions, row], max(file.as_of, row.value_date))
    except BadTerms as refusal:
        raise TermsRefused(refusal.told(_), field=refusal.field) from None
