"""What the loan core makes of news of loans."""

from __future__ import annotations

import datetime as dt

from apps.common.actors import Actor
from apps.common.outbox import handles
from apps.loans import services
from apps.loans.events import LoanReopened, LoanSettled

_ACTOR = Actor.system("loans")


@handles(LoanSettled)
def on_loan_settled(event: LoanSettled, *, now: dt.datetime) -> None:
    services.release_all(loan_id=event.loan_id, on=event.settled_on, actor=_ACTOR, now=now)


@handles(LoanReopened)
def on_loan_reopened(event: LoanReopened, *, now: dt.datetime) -> None:
    services.restore_all(loan_id=event.loan_id, actor=_ACTOR, now=now)
