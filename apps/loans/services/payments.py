"""Money from the borrower: repayment, prepayment, early settlement."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from apps.common.actors import Actor
from apps.common.errors import BadInput
from apps.common.money import CENT, MAX_MONEY, ZERO
from apps.common.outbox import publish, publish_many
from apps.loans import events
from apps.loans.bridge import ABOUT, entry_of
from apps.loans.domain.errors import BadTerms, RefusedOnEntry
from apps.loans.domain.state import LoanState
from apps.loans.models import LIVE, Loan, LoanTransaction
from apps.loans.selectors import LoanNotRunning
from apps.loans.services.errors import AmountRefused, ReferenceReused, TermsRefused
from apps.loans.services.on_time import Payment, pay_on_time
from apps.loans.services.servicing import LoanFile, open_file

Kind = LoanTransaction.Kind
_LONGEST_REFERENCE: Final = 64


@dataclass(frozen=True, slots=True)
class TransactionBrief:
    """A recorded transaction, and the state it left the loan in (`repeated`: it stood already, nothing was done)."""

    id: UUID
    loan_id: UUID
    kind: str
    amount: Decimal | None
    value_date: dt.date
    reference: str
    loan_state: str
    repeated: bool = False


@transaction.atomic
def record_repayment(
    *, loan_id: UUID, amount: Decimal, value_date: dt.date, source: str, reference: str, actor: Actor, now: dt.datetime
) -> TransactionBrief:
    """Money paid on what is due, oldest first; a surplus is credit for the next due day.

    `source`: manual, debit, counter, compensation or third_party. The same reference again changes nothing. Raises `LoanUnknown`,
    `LoanNotRunning`, `AmountRefused`, `ValueDateRefused`, `ReferenceReused`.
    """
    paid = _record_on_time([Payment(loan_id, amount, value_date, source, reference)], actor, now)
    if paid:
        return paid[0]
    return _record(
        loan_id=loan_id,
        kind=Kind.REPAYMENT,
        amount=amount,
        value_date=value_date,
        source=source,
        reference=reference,
        params={},
        actor=actor,
        now=now,
    )


@transaction.atomic
def record_on_time(payments: Sequence[Payment], *, actor: Actor, now: dt.datetime) -> list[TransactionBrief]:
    """Record, of many payments, those of exactly what fell due today, at once; the others are left for `record_repayment`.

    What was left alone is not said why; nothing is refused here.
    """
    return _record_on_time(payments, actor, now)


def _record_on_time(payments: Sequence[Payment], actor: Actor, now: dt.datetime) -> list[TransactionBrief]:
    actor.require("loans.record")
    payable = [one for one in payments if _is_amount(one.amount) and _is_told(one.source, one.reference)]
    rows = pay_on_time(payable, actor=actor, now=now)
    publish_many([_recorded(row.loan, row) for row in rows])
    return [_brief(row.loan, row) for row in rows]


@transaction.atomic
def prepay(
    *,
    loan_id: UUID,
    amount: Decimal,
    mode: str,
    value_date: dt.date,
    reference: str,
    actor: Actor,
    now: dt.datetime,
    source: str = LoanTransaction.Source.DEBIT,
    about: Mapping[str, str] | None = None,
) -> TransactionBrief:
    """Pay part of the principal before it is due. `mode`: `reduce` (smaller instalments) or `shorten` (fewer). `about` are notes.

    Refused (`AmountRefused`) when the amount leaves nothing for principal after what is due, interest and fee.
    """
    if mode not in ("reduce", "shorten"):
        raise AmountRefused(_("Choose to reduce the instalments or to shorten the term."), mode=mode)
    return _record(
        loan_id=loan_id,
        kind=Kind.PREPAYMENT,
        amount=amount,
        value_date=value_date,
        source=source,
        reference=reference,
        params={"mode": mode} | _noted(about),
        actor=actor,
        now=now,
    )


def check_prepayment(*, loan_id: UUID, amount: Decimal, mode: str, value_date: dt.date, actor: Actor, now: dt.datetime) -> None:
    """Whether `prepay` would take this money on `value_date`; holds the loan, changes nothing. Raises `AmountRefused`, `TermsRefused`."""
    _check_amount(amount)
    file = open_file(loan_id, actor, now)
    _check_entry(file, LoanTransaction(loan=file.loan, kind=Kind.PREPAYMENT, amount=amount, value_date=value_date, params={"mode": mode}))


@transaction.atomic
def settle_early(
    *,
    loan_id: UUID,
    value_date: dt.date,
    amount: Decimal,
    reference: str,
    actor: Actor,
    now: dt.datetime,
    source: str = LoanTransaction.Source.DEBIT,
    about: Mapping[str, str] | None = None,
) -> TransactionBrief:
    """End the loan with the payoff of `value_date` (`payoff_quote`). Refused (`AmountRefused`) below it. `about` are notes."""
    return _record(
        loan_id=loan_id,
        kind=Kind.EARLY_SETTLEMENT,
        amount=amount,
        value_date=value_date,
        source=source,
        reference=reference,
        params=_noted(about),
        actor=actor,
        now=now,
    )


def _record(
    *,
    loan_id: UUID,
    kind: LoanTransaction.Kind,
    amount: Decimal,
    value_date: dt.date,
    source: str,
    reference: str,
    params: dict[str, Any],
    actor: Actor,
    now: dt.datetime,
) -> TransactionBrief:
    actor.require("loans.record")
    _check_amount(amount)
    if not _is_told(source, reference):
        sources = ", ".join(LoanTransaction.Source.values)
        raise BadInput(fields={"source": [_("One of %(sources)s, with a reference of at most 64 characters.") % {"sources": sources}]})
    file = open_file(loan_id, actor, now)
    earlier = next((row for row in file.transactions if row.reference == reference), None)
    if earlier is not None:
        return _repeated(file.loan, earlier, kind, amount)
    file.check_value_date(value_date)
    if file.loan.state not in LIVE:
        raise LoanNotRunning(loan=file.loan.number, state=file.loan.state)
    file.bring_up_to(max(file.today, value_date))
    row = LoanTransaction(
        loan=file.loan,
        kind=kind,
        amount=amount,
        value_date=value_date,
        source=LoanTransaction.Source(source),
        reference=reference,
        params=params,
        actor=str(actor)[:80],
        created_at=now,
    )
    state = _check_entry(file, row)
    file.record(row, narrative=f"{file.loan.number} {Kind(kind).label}", state=state)
    publish(_recorded(file.loan, row))
    return _brief(file.loan, row)


def _noted(about: Mapping[str, str] | None) -> dict[str, Any]:
    return {ABOUT: dict(about)} if about else {}


def _check_entry(file: LoanFile, row: LoanTransaction) -> LoanState:
    try:
        return entry_of(file.loan, file.transactions, row)
    except RefusedOnEntry as refusal:
        raise AmountRefused(refusal.told(_), loan=file.loan.number) from None
    except BadTerms as refusal:
        raise TermsRefused(refusal.told(_), field=refusal.field) from None


def _check_amount(amount: Decimal) -> None:
    if not _is_amount(amount):
        raise AmountRefused(_("An amount is above zero and has at most two decimals."))


def _is_told(source: str, reference: str) -> bool:
    """Whether the books can keep where money came from."""
    return source in LoanTransaction.Source.values and len(reference) <= _LONGEST_REFERENCE


def _is_amount(amount: Decimal) -> bool:
    return amount.is_finite() and 0 < amount <= MAX_MONEY and amount == amount.quantize(CENT)


def _repeated(loan: Loan, earlier: LoanTransaction, kind: str, amount: Decimal) -> TransactionBrief:
    if earlier.kind != kind or earlier.amount != amount:
        raise ReferenceReused(reference=earlier.reference)
    return _brief(loan, earlier, repeated=True)


def _brief(loan: Loan, row: LoanTransaction, *, repeated: bool = False) -> TransactionBrief:
    return TransactionBrief(
        id=row.id,
        loan_id=loan.id,
        kind=str(row.kind),
        amount=row.amount,
        value_date=row.value_date,
        reference=row.reference,
        loan_state=loan.state,
        repeated=repeated,
    )


def _recorded(loan: Loan, row: LoanTransaction) -> events.RepaymentRecorded:
    return events.RepaymentRecorded(
        loan_id=loan.id,
        legal_entity_id=loan.legal_entity_id,
        borrower_ref=loan.borrower_ref,
        application_ref=loan.application_ref,
        transaction_id=row.id,
        kind=str(row.kind),
        amount=row.amount or ZERO,
        value_date=row.value_date,
        source=str(row.source),
        reference=row.reference,
    )
