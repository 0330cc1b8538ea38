"""The steps of the business day that remind, and that take overdue loans in."""

from __future__ import annotations

import datetime as dt
from typing import Any
from uuid import UUID

from django.db import transaction

from apps.common.actors import Actor
from apps.common.errors import CarloanError
from apps.loans import selectors as loans
from apps.organisations.business_day import StepResult
from apps.postloan import services
from apps.postloan.domain import REMINDER_DAYS

_ACTOR = Actor.system("postloan.eod")


def send_reminders(*, entity_id: UUID, day: dt.date, partition: dict[str, Any], now: dt.datetime) -> StepResult:
    """Remind of what falls due within three days of the day being opened, and tell whose instalment is still unpaid a day after."""
    done, set_aside = 0, []
    coming = [(loan, True) for ahead in REMINDER_DAYS for loan in loans.falling_due(entity_id, day + dt.timedelta(days=ahead))]
    unpaid = [(loan, False) for loan in loans.loans_due(entity_id, day) if loan.due_date < day]
    for loan, is_coming in coming + unpaid:
        try:
            with transaction.atomic():
                if is_coming:
                    services.remind_due(loan=loan, day=day, actor=_ACTOR, now=now)
                    done += 1
                else:
                    done += services.remind_overdue(loan=loan, day=day, actor=_ACTOR, now=now)
        except CarloanError as error:
            set_aside.append((loan.number, error.detail))
    return StepResult(done=done, set_aside=set_aside)


def take_in_overdue(*, entity_id: UUID, day: dt.date, partition: dict[str, Any], now: dt.datetime) -> StepResult:
    """The morning's intake of collections: a case per customer with overdue loans, brought up to date."""
    overdue = [
        services.OverdueLoan(
            loan_id=loan.loan_id,
            number=loan.number,
            customer_id=loan.borrower_ref,
            days_past_due=loan.dpd,
            amount=loan.amount,
        )
        for loan in loans.loans_due(entity_id, day)
        if loan.is_overdue
    ]
    return StepResult(done=services.take_in(legal_entity_id=entity_id, overdue=overdue, day=day, actor=_ACTOR, now=now))
