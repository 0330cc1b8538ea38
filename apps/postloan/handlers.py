"""What post-loan work makes of others' news."""

from __future__ import annotations

import datetime as dt

from apps.common.actors import Actor
from apps.common.outbox import handles
from apps.disbursement.events import TransferSucceeded, VoucherUsed
from apps.loans.events import LoanCured, LoanReopened, LoanSettled, RepaymentRecorded
from apps.postloan import services
from apps.postloan.events import SettlementNoted

_ACTOR = Actor.system("postloan")


@handles(VoucherUsed)
def on_voucher_used(event: VoucherUsed, *, now: dt.datetime) -> None:
    services.open_checklist(application_id=event.application_id, used_on=event.used_on, actor=_ACTOR, now=now)


@handles(TransferSucceeded)
def on_transfer_succeeded(event: TransferSucceeded, *, now: dt.datetime) -> None:
    services.complete_when_ready(application_id=event.application_id, actor=_ACTOR, now=now)


@handles(RepaymentRecorded)
def on_repayment_recorded(event: RepaymentRecorded, *, now: dt.datetime) -> None:
    services.tell_payment_received(loan_id=event.loan_id, amount=event.amount, transaction_id=event.transaction_id, actor=_ACTOR, now=now)


@handles(LoanCured)
def on_loan_cured(event: LoanCured, *, now: dt.datetime) -> None:
    services.heed_payment(loan_id=event.loan_id, settled=False, actor=_ACTOR, now=now)


@handles(LoanSettled)
def on_loan_settled(event: LoanSettled, *, now: dt.datetime) -> None:
    services.heed_payment(loan_id=event.loan_id, settled=True, actor=_ACTOR, now=now)
    services.note_settlement(
        loan_id=event.loan_id, application_id=event.application_ref, settled_on=event.settled_on, actor=_ACTOR, now=now
    )


@handles(SettlementNoted, outside=True)
def on_settlement_noted(event: SettlementNoted, *, now: dt.datetime) -> None:
    services.issue_certificate(loan_id=event.loan_id, actor=_ACTOR, now=now)


@handles(LoanReopened)
def on_loan_reopened(event: LoanReopened, *, now: dt.datetime) -> None:
    services.withdraw_certificate(loan_id=event.loan_id, actor=_ACTOR, now=now)
