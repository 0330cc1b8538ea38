"""The steps of the business day that remind, and that take overdue loans in."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import UUID

from django.db import transaction

from apps.common.actors import Actor
from apps.common.errors import CarloanError
from apps.loans import selectors as loans
from apps.organisations.business_day import StepResult
from apps.postloan import services
from apps.postloan.domain import FURTHEST_REMINDER, RECHECK_DAYS

_ACTOR = Actor.system("postloan.eod")
_ONE_DAY = dt.timedelta(days=1)


def reminder_parts(*, entity_id: UUID, day: dt.date, now: dt.datetime) -> list[dict[str, str]]:
    """Ranges of loans that may be reminded when a day opens; none on most days."""
    return loans.due_ranges(entity_id, due_by=day + FURTHEST_REMINDER)


def send_reminders(*, entity_id: UUID, day: dt.date, partition: dict[str, Any], now: dt.datetime) -> StepResult:
    """Remind of what falls due within three days of the day being opened, and tell whose instalment is still unpaid a day after.

    A loan that cannot be worked out is set aside.
    """
    done, set_aside = 0, []
    deeds: list[tuple[str, Callable[[], object]]] = [
        (loan.number, partial(_remind_due, entity_id, loan, day, now))
        for loan in loans.loans_falling_due(entity_id, day, day + FURTHEST_REMINDER, partition)
    ]
    deeds += [
        (loan.number, partial(_remind_overdue, entity_id, loan, day, now))
        for loan in loans.due_loans(entity_id, day - _ONE_DAY, partition)
        if (day - loan.due_date).days in RECHECK_DAYS
    ]
    for number, deed in deeds:
        try:
            with transaction.atomic():
                deed()
        except (CarloanError, ValueError, ArithmeticError) as error:
            set_aside.append((number, str(error)))
        else:
            done += 1
    return StepResult(done=done, set_aside=set_aside)


def _remind_due(entity_id: UUID, loan: loans.LoanDue, day: dt.date, now: dt.datetime) -> None:
    services.remind_due(legal_entity_id=entity_id, loan=loan, day=day, actor=_ACTOR, now=now)


def _remind_overdue(entity_id: UUID, loan: loans.DueLoan, day: dt.date, now: dt.datetime) -> None:
    due = loans.due_of(loan.loan_id, day)
    if due is not None:
        services.remind_overdue(legal_entity_id=entity_id, loan=due, day=day, actor=_ACTOR, now=now)


def take_in_overdue(*, entity_id: UUID, day: dt.date, partition: dict[str, Any], now: dt.datetime) -> StepResult:
    """The morning's intake of collections: a case per customer with overdue loans, brought up to date.

    A loan that cannot be worked out is set aside, and its customer's case stays as it is.
    """
    overdue, set_aside, unclear = [], [], set()
    for loan in loans.due_loans(entity_id, day, partition):
        if loan.state != "overdue":
            continue
        try:
            due = loans.due_of(loan.loan_id, day)
        except (CarloanError, ValueError, ArithmeticError) as error:
            set_aside.append((loan.number, str(error)))
            unclear.add(loan.borrower_ref)
            continue
        if due is not None:
            overdue.append(services.OverdueLoan(loan.loan_id, loan.number, loan.borrower_ref, due.dpd, due.total))
    done = services.take_in(legal_entity_id=entity_id, overdue=overdue, unclear=unclear, day=day, actor=_ACTOR, now=now)
    return StepResult(done=done, set_aside=set_aside)
