"""Steps of the business day: promises that have run out end, debits are ordered."""

from __future__ import annotations

import datetime as dt
from typing import Any
from uuid import UUID

from apps.common.actors import Actor
from apps.common.errors import CarloanError
from apps.disbursement import selectors, services
from apps.loans import selectors as loans
from apps.organisations.business_day import StepResult

_ACTOR = Actor.system("disbursement.vouchers")


def end_vouchers(*, entity_id: UUID, day: dt.date, partition: dict[str, Any], now: dt.datetime) -> StepResult:
    """Revoke the vouchers whose last day has passed and that nobody used: guarantee, payment and application end with them."""
    done, set_aside = 0, []
    for voucher_id, number in selectors.vouchers_run_out(entity_id, day):
        try:
            done += services.end_voucher(voucher_id=voucher_id, day=day, actor=_ACTOR, now=now)
        except CarloanError as error:
            set_aside.append((number, error.detail))
    return StepResult(done=done, set_aside=set_aside)


def debit_parts(*, entity_id: UUID, day: dt.date, now: dt.datetime) -> list[dict[str, str]]:
    """Ranges of loans with an instalment unpaid on the day being opened; none on most days."""
    return loans.due_ranges(entity_id, due_by=day)


def order_debits(*, entity_id: UUID, day: dt.date, partition: dict[str, Any], now: dt.datetime) -> StepResult:
    """Order the debit of every loan of the part that owes something on the day being opened and whose plan says so; once a day each.

    A loan that cannot be worked out is set aside.
    """
    done, set_aside = services.order_debits(legal_entity_id=entity_id, day=day, part=partition, now=now)
    return StepResult(done=done, set_aside=set_aside)
