"""The step of the business day that orders debits."""

from __future__ import annotations

import datetime as dt
from typing import Any
from uuid import UUID

from django.db import transaction

from apps.common.errors import CarloanError
from apps.disbursement import services
from apps.loans import selectors as loans
from apps.organisations.business_day import StepResult


def order_debits(*, entity_id: UUID, day: dt.date, partition: dict[str, Any], now: dt.datetime) -> StepResult:
    """Order the debit of every loan that owes something on the day being opened and whose plan says so; once per loan and day."""
    done, set_aside = 0, []
    for loan in loans.loans_due(entity_id, day):
        try:
            with transaction.atomic():
                order = services.order_debit(loan_id=loan.loan_id, day=day, now=now)
        except CarloanError as error:
            set_aside.append((loan.number, error.detail))
        else:
            done += order is not None
    return StepResult(done=done, set_aside=set_aside)
