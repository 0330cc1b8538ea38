"""What disbursement makes of others' news and of its own."""

from __future__ import annotations

import datetime as dt

from apps.common.actors import Actor
from apps.common.outbox import handles
from apps.contracts.events import ContractSigned
from apps.disbursement import services
from apps.disbursement.events import DisbursementRouted, PositionRanLow, RepaymentOrdered, TransferFailed, TransferSucceeded, VoucherIssued
from apps.loans.events import LoanReopened, LoanSettled

_ACTOR = Actor.system("disbursement")


@handles(ContractSigned)
def on_contract_signed(event: ContractSigned, *, now: dt.datetime) -> None:
    services.open_disbursement(application_id=event.application_id, contract_id=event.contract_id, actor=_ACTOR, now=now)


@handles(LoanSettled)
def on_loan_settled(event: LoanSettled, *, now: dt.datetime) -> None:
    services.heed_credit_left(loan_id=event.loan_id, actor=_ACTOR, now=now)


@handles(LoanReopened)
def on_loan_reopened(event: LoanReopened, *, now: dt.datetime) -> None:
    services.call_off_credit_left(loan_id=event.loan_id, actor=_ACTOR, now=now)


@handles(VoucherIssued, outside=True)
def on_voucher_issued(event: VoucherIssued, *, now: dt.datetime) -> None:
    services.issue_voucher_document(voucher_id=event.voucher_id, now=now)


@handles(DisbursementRouted, outside=True)
def on_disbursement_routed(event: DisbursementRouted, *, now: dt.datetime) -> None:
    services.send_transfer(disbursement_id=event.disbursement_id, now=now)


@handles(TransferFailed)
def on_transfer_failed(event: TransferFailed, *, now: dt.datetime) -> None:
    services.heed_failed_transfer(disbursement_id=event.disbursement_id, actor=_ACTOR, now=now)


@handles(PositionRanLow)
def on_position_ran_low(event: PositionRanLow, *, now: dt.datetime) -> None:
    services.heed_low_position(account_id=event.account_id, actor=_ACTOR, now=now)


@handles(TransferSucceeded)
def on_transfer_succeeded(event: TransferSucceeded, *, now: dt.datetime) -> None:
    services.tell_customer_paid_out(disbursement_id=event.disbursement_id, actor=_ACTOR, now=now)


@handles(RepaymentOrdered, outside=True)
def on_repayment_ordered(event: RepaymentOrdered, *, now: dt.datetime) -> None:
    services.send_debit(order_id=event.order_id, now=now)
