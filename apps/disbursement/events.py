"""News of payments out and in."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from uuid import UUID

from apps.common.outbox import event


@event
class VoucherIssued:
    """The dealer holds the promise; its document follows."""

    voucher_id: UUID
    application_id: UUID


@event
class VoucherUsed:
    """The car was picked up."""

    voucher_id: UUID
    application_id: UUID
    customer_id: UUID
    used_on: dt.date


@event
class DisbursementRouted:
    """A funder was chosen; the transfer goes out as soon as the bank's hours allow."""

    disbursement_id: UUID


@event
class TransferSucceeded:
    """The payee has the money and the loan is open."""

    disbursement_id: UUID
    application_id: UUID
    customer_id: UUID
    loan_id: UUID
    amount: Decimal


@event
class TransferFailed:
    """Certainly not paid; `picked_up` when the car has left on the strength of the voucher, which makes it urgent."""

    disbursement_id: UUID
    application_id: UUID
    reason: str
    picked_up: bool


@event
class PositionRanLow:
    """A funding account is used up to its warning level."""

    account_id: UUID
    available: Decimal


@event
class RepaymentOrdered:
    """Money is to be asked from a customer's card."""

    order_id: UUID


@event
class RepaymentSucceeded:
    order_id: UUID
    loan_id: UUID
    customer_id: UUID
    amount: Decimal


@event
class RepaymentFailed:
    order_id: UUID
    loan_id: UUID
    customer_id: UUID
    amount: Decimal
    reason: str
    next_debit_date: dt.date | None
