"""The steps of the business day that remind, and that take overdue loans in."""

from __future__ import annotations

import datetime as dt
from typing import Any
from uuid import UUID

from apps.common.actors import Actor
from apps.loans import selectors as loans
from apps.organisations.business_day import StepResult
from apps.postloan import selectors, services
from apps.postloan.domain import FURTHEST_REMINDER

_ACTOR = Actor.system("postloan.eod")


def reminder_parts(*, entity_id: UUID, day: dt.date, now: dt.datetime) -> list[dict[str, str]]:
    """Ranges of loans that may be reminded when a day opens; none on most days."""
    return loans.due_ranges(entity_id, due_by=day + FURTHEST_REMINDER)


def send_reminders(*, entity_id: UUID, day: dt.date, partition: dict[str, Any], now: dt.datetime) -> StepResult:
    """Remind of what falls due within three days of the day being opened, and tell whose instalment is still unpaid a day after.

    A loan that cannot be worked out is set aside.
    """
    done, set_aside = services.remind(legal_entity_id=entity_id, day=day, part=partition, actor=_ACTOR, now=now)
    return StepResult(done=done, set_aside=set_aside)


def intake_parts(*, entity_id: UUID, day: dt.date, now: dt.datetime) -> list[dict[str, str]]:
    """Ranges of borrowers, together all there are; none when nobody is overdue and no case is open."""
    ranges = loans.borrower_ranges(entity_id, day)
    return ranges or ([{}] if selectors.has_open_cases(entity_id) else [])


def take_in_overdue(*, entity_id: UUID, day: dt.date, partition: dict[str, Any], now: dt.datetime) -> StepResult:
    """The morning's intake of collections: a case per customer with overdue loans, brought up to date.

    A loan that cannot be worked out is set aside, and its customer's case stays as it is.
    """
    done, set_aside = services.take_in(legal_entity_id=entity_id, day=day, part=partition, actor=_ACTOR, now=now)
    return StepResult(done=done, set_aside=set_aside)
