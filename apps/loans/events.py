"""News of loans."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from uuid import UUID

from apps.common.outbox import event


@event
class LoanOpened:
    """Money was paid out; the loan runs."""

    loan_id: UUID
    number: str
    legal_entity_id: UUID
    borrower_ref: UUID
    application_ref: UUID
    principal: Decimal
    opened_on: date


@event
class RepaymentRecorded:
    """Money came in on a loan: `kind` is repayment, prepayment or early_settlement."""

    loan_id: UUID
    legal_entity_id: UUID
    borrower_ref: UUID
    application_ref: UUID
    transaction_id: UUID
    kind: str
    amount: Decimal
    value_date: date
    source: str
    reference: str


@event
class LoanChanged:
    """Something other than a payment was recorded on a loan: a waiver, new terms, a write-off, a refund …; `kind` says what."""

    loan_id: UUID
    legal_entity_id: UUID
    borrower_ref: UUID
    application_ref: UUID
    transaction_id: UUID
    kind: str
    amount: Decimal | None
    value_date: date
    reference: str


@event
class TransactionReversed:
    """A transaction never happened."""

    loan_id: UUID
    legal_entity_id: UUID
    borrower_ref: UUID
    application_ref: UUID
    transaction_id: UUID
    kind: str
    amount: Decimal
    reference: str


@event
class LoanFellOverdue:
    """An instalment is unpaid for longer than the days of grace."""

    loan_id: UUID
    legal_entity_id: UUID
    borrower_ref: UUID
    dpd: int
    overdue_total: Decimal


@event
class LoanCured:
    """All overdue instalments are paid."""

    loan_id: UUID
    legal_entity_id: UUID
    borrower_ref: UUID


@event
class LoanSettled:
    """Nothing is owed any more and nothing is to come."""

    loan_id: UUID
    legal_entity_id: UUID
    borrower_ref: UUID
    application_ref: UUID
    settled_on: date


@event
class LoanReopened:
    """A settled loan owes again, after a reversal or a back-dated item."""

    loan_id: UUID
    legal_entity_id: UUID
    borrower_ref: UUID
    application_ref: UUID


@event
class LoanCancelled:
    """The disbursement was reversed."""

    loan_id: UUID
    legal_entity_id: UUID
    borrower_ref: UUID
    application_ref: UUID


@event
class LoanTakenOver:
    """A running loan of another system was taken over; no money was paid out."""

    loan_id: UUID
    number: str
    legal_entity_id: UUID
    borrower_ref: UUID
    external_number: str
    taken_over_on: date
