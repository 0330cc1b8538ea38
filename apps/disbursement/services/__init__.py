"""Deeds of paying out and collecting."""

from apps.disbursement.services.by_hand import propose_result
from apps.disbursement.services.debiting import order_debits
from apps.disbursement.services.documents import issue_voucher_document
from apps.disbursement.services.failures import heed_failed_transfer, heed_low_position
from apps.disbursement.services.messages import tell_customer_paid_out
from apps.disbursement.services.notices import BankResult
from apps.disbursement.services.positions import PositionShort, create_funder, top_up
from apps.disbursement.services.repayments import (
    NothingDue,
    PaymentUnderWay,
    cancel_order,
    pay_now,
    send_debit,
)
from apps.disbursement.services.results import record_debit_result, record_debit_results
from apps.disbursement.services.review import ChecksFailed, open_disbursement, review_disbursement
from apps.disbursement.services.routing import reroute
from apps.disbursement.services.sweeping import sweep_debits, sweep_transfers
from apps.disbursement.services.transfers import record_transfer_result, send_transfer
from apps.disbursement.services.unresolved import call_off_credit_left, end_questions, heed_credit_left
from apps.disbursement.services.vouchers import end_voucher, revoke_voucher, use_voucher

__all__ = [
    "BankResult",
    "ChecksFailed",
    "NothingDue",
    "PaymentUnderWay",
    "PositionShort",
    "call_off_credit_left",
    "cancel_order",
    "create_funder",
    "end_questions",
    "end_voucher",
    "heed_credit_left",
    "heed_failed_transfer",
    "heed_low_position",
    "issue_voucher_document",
    "open_disbursement",
    "order_debits",
    "pay_now",
    "propose_result",
    "record_debit_result",
    "record_debit_results",
    "record_transfer_result",
    "reroute",
    "review_disbursement",
    "revoke_voucher",
    "send_debit",
    "send_transfer",
    "sweep_debits",
    "sweep_transfers",
    "tell_customer_paid_out",
    "top_up",
    "use_voucher",
]
