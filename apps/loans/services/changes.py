"""Changes of a running loan that are no payment: waiver, write-off, new terms, refund of credit, and what comes back after a write-off."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from django.db import transaction

from apps.common.actors import Actor
from apps.common.outbox import publish
from apps.loans import events
from apps.loans.bridge import ABOUT
from apps.loans.models import LIVE, LoanTransaction
from apps.loans.selectors import LoanNotRunning
from apps.loans.services.errors import ReferenceReused
from apps.loans.services.payments import TransactionBrief, _brief, _check_amount, _check_entry
from apps.loans.services.servicing import LoanFile, open_file

Kind = LoanTransaction.Kind

_OPEN: Final = (*LIVE, "terminated")
_CLAIMED: Final = (*_OPEN, "written_off")
# In which states of a loan a change of each kind can be recorded.
TAKEN_IN: Final[Mapping[str, tuple[str, ...]]] = {
    Kind.DISBURSEMENT: LIVE,
    Kind.WAIVER: _CLAIMED,
    Kind.FEE: _CLAIMED,
    Kind.ADJUSTMENT: (*_CLAIMED, "settled"),
    Kind.REFUND: (*_CLAIMED, "settled", "cancelled"),
    Kind.CHARGEBACK: (*_CLAIMED, "settled"),
    Kind.RATE_RESET: LIVE,
    Kind.EXTENSION: LIVE,
    Kind.TERM_CHANGE: LIVE,
    Kind.DUE_DAY_CHANGE: LIVE,
    Kind.RE_AMORTISE: LIVE,
    Kind.RE_AGE: LIVE,
    Kind.INTEREST_PAUSE: LIVE,
    Kind.TERMINATION: LIVE,
    Kind.WRITE_OFF: _OPEN,
    Kind.RECOVERY: ("written_off",),
    Kind.OWNER_TRANSFER: _OPEN,
    Kind.CAPITALISED_INCOME: LIVE,
    Kind.BUY_DOWN: LIVE,
}


@transaction.atomic
def record_change(
    *,
    loan_id: UUID,
    kind: str,
    value_date: dt.date,
    reference: str,
    reason: str,
    actor: Actor,
    now: dt.datetime,
    amount: Decimal | None = None,
    particulars: Mapping[str, Any] | None = None,
    about: Mapping[str, str] | None = None,
    source: str = "",
) -> TransactionBrief:
    """Record a change of a loan and post what it makes of the books; the same reference again changes nothing.

    `particulars` are what the kind needs in the public shape of `manage.py replay` (`components`, `installments`, `annual_rate` in
    percent, `due_day`, `until` …); `about` are notes that change no sum. Raises `LoanUnknown`, `LoanNotRunning`, `AmountRefused`,
    `TermsRefused`, `ValueDateRefused`, `ReferenceReused`.
    """
    actor.require("loans.adjust")
    file = open_file(loan_id, actor, now)
    params = dict(particulars or {}) | ({ABOUT: dict(about)} if about else {})
    earlier = next((row for row in file.transactions if row.reference == reference), None)
    if earlier is not None:
        if (earlier.kind, earlier.amount, earlier.params) != (kind, amount, params):
            raise ReferenceReused(reference=reference)
        return _brief(file.loan, earlier, repeated=True)
    if amount is not None:
        _check_amount(amount)
    file.check_value_date(value_date)
    if file.loan.state not in TAKEN_IN[kind]:
        raise LoanNotRunning(loan=file.loan.number, state=file.loan.state, kind=kind)
    file.bring_up_to(max(file.today, value_date))
    row = LoanTransaction(
        loan=file.loan,
        kind=kind,
        amount=amount,
        value_date=value_date,
        source=source,
        reference=reference,
        params=params,
        reason=reason[:200],
        actor=str(actor)[:80],
        created_at=now,
    )
    _check_entry(file, row)
    file.record(row, narrative=f"{file.loan.number} {Kind(kind).label}")
    publish(_changed(file, row))
    return _brief(file.loan, row)


def _changed(file: LoanFile, row: LoanTransaction) -> events.LoanChanged:
    loan = file.loan
    return events.LoanChanged(
        loan_id=loan.id,
        legal_entity_id=loan.legal_entity_id,
        borrower_ref=loan.borrower_ref,
        application_ref=loan.application_ref,
        transaction_id=row.id,
        kind=str(row.kind),
        amount=row.amount,
        value_date=row.value_date,
        reference=row.reference,
    )
