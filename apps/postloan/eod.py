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
from apps.postloan.domain import FURTHEST_REMINDER

_ACTOR = Actor.system("postloan.eod")


def send_reminders(*, entity_id: UUID, day: dt.date, partition: dict[str, Any], now: dt.datetime) -> StepResult:
    """Remind of what falls due within three days of the day being opened, and tell whose instalment is still unpaid a day after."""
    coming = loans.loans_falling_due(entity_id, day, day + FURTHEST_REMINDER)
    unpaid = [loan for loan in loans.loans_due(entity_id, day) if loan.due_date is not None and loan.due_date < day]
    done, set_aside = 0, []
    for loan, remind in [*((one, services.remind_due) for one in coming), *((one, services.remind_overdue) for one in unpaid)]:
        try:
            with transaction.atomic():
                remind(legal_entity_id=entity_id, loan=loan, day=day, actor=_ACTOR, now=now)
        except CarloanError as error:
            set_aside.append((loan.number, error.detail))
        else:
            done += 1
    return StepResult(done=done, set_aside=set_aside)


def take_in_overdue(*, entity_id: UUID, day: dt.date, partition: dict[str, Any], now: dt.datetime) -> StepResult:
    """The morning's intake of collections: a case per customer with overdue loans, brought up to date."""
    overdue = [
        services.OverdueLoan(
            loan_id=loan.loan_id, number=loan.number, customer_id=loan.borrower_ref, days_past_due=loan.dpd, amount=loan.total
        )
        for loan in loans.loans_due(entity_id, day)
        if loan.state == "overdue"
    ]
    return StepResult(done=services.take_in(legal_entity_id=entity_id, overdue=overdue, day=day, actor=_ACTOR, now=now))
