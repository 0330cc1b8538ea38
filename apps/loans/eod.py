"""The loan core's steps of the business day.

Each loan is replayed at most once a day: the late ones by `late`, the others by `accrual`. Replaying writes what belongs in the books;
the booking steps post the differences in sums, one entry per event. The close of day D brings loans to D + 1.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from typing import Any, Final
from uuid import UUID

from apps.loans.models import LIVE, Loan, LoanBalance, LoanTransaction
from apps.loans.selectors import due_ranges
from apps.loans.services.booking import DAY_EVENTS, book_all
from apps.loans.services.projection import Projection, policy_on, project, save
from apps.organisations.business_day import StepResult

_ONE_DAY: Final = dt.timedelta(days=1)


def partitions(*, entity_id: UUID, day: dt.date, now: dt.datetime) -> list[dict[str, str]]:
    """Ranges of ids of running loans."""
    return due_ranges(entity_id, due_by=None)


def late_partitions(*, entity_id: UUID, day: dt.date, now: dt.datetime) -> list[dict[str, str]]:
    """Ranges of ids of running loans with an instalment due by `day` and unpaid; none on most days."""
    return due_ranges(entity_id, due_by=day)


def late(*, entity_id: UUID, day: dt.date, partition: dict[str, Any], now: dt.datetime) -> StepResult:
    """Loans with an instalment due by `day` and unpaid: days past due, overdue, penalty, class."""
    return _replay(entity_id, day, partition, now, only_late=True)


def penalty(*, entity_id: UUID, day: dt.date, partition: dict[str, Any], now: dt.datetime) -> StepResult:
    """Book the day's penalty."""
    return _book(entity_id, day, "penalty", ("penalty",), now)


def accrual(*, entity_id: UUID, day: dt.date, partition: dict[str, Any], now: dt.datetime) -> StepResult:
    """Interest of all running loans to the end of `day`."""
    result = _replay(entity_id, day, partition, now, only_late=False)
    bounds = UUID(partition["first"]), UUID(partition["last"])
    done = book_all(
        legal_entity_id=entity_id, as_of=day + _ONE_DAY, day=day, step="accrual", events=("accrual", "fee"), now=now, bounds=bounds
    )
    return StepResult(done=done, set_aside=result.set_aside)


def classification(*, entity_id: UUID, day: dt.date, partition: dict[str, Any], now: dt.datetime) -> StepResult:
    """Book what the new classes move: overdue and non-accrual principal, interest off the balance sheet."""
    return _book(entity_id, day, "classification", ("non_accrual", "reclassification"), now)


def provisions(*, entity_id: UUID, day: dt.date, partition: dict[str, Any], now: dt.datetime) -> StepResult:
    """Book the loss provisions that principal and class ask for."""
    return _book(entity_id, day, "provisions", ("provision",), now)


def falls_due(*, entity_id: UUID, day: dt.date, partition: dict[str, Any], now: dt.datetime) -> StepResult:
    """Instalments fall due on the day that opens: credit at hand pays them."""
    done = book_all(legal_entity_id=entity_id, as_of=day, day=day, step="falls_due", events=DAY_EVENTS, now=now)
    return StepResult(done=done)


def _book(entity_id: UUID, day: dt.date, step: str, events: tuple[str, ...], now: dt.datetime) -> StepResult:
    return StepResult(done=book_all(legal_entity_id=entity_id, as_of=day + _ONE_DAY, day=day, step=step, events=events, now=now))


def _replay(entity_id: UUID, day: dt.date, partition: dict[str, Any], now: dt.datetime, *, only_late: bool) -> StepResult:
    """Bring the partition's loans that have not been to the day after `day`; one with a problem is set aside."""
    wanted = Loan.objects.filter(
        legal_entity_id=entity_id, state__in=LIVE, id__range=(partition["first"], partition["last"]), balance__as_of__lte=day
    )
    if only_late:
        wanted = wanted.filter(balance__next_due_date__lte=day)
    loans = list(wanted.select_for_update(of=("self",)).order_by("id"))
    if not loans:
        return StepResult()
    # Read after the locks: what a deed on the loan changed while we waited counts.
    balances = {balance.loan_id: balance for balance in LoanBalance.objects.filter(loan__in=loans)}
    transactions = defaultdict(list)
    for row in LoanTransaction.objects.filter(loan__in=loans).order_by("value_date", "id"):
        transactions[row.loan_id].append(row)
    policy = policy_on(entity_id, day + _ONE_DAY)
    projections: list[Projection] = []
    set_aside: list[tuple[str, str]] = []
    for loan in loans:
        before = balances[loan.id]
        if before.as_of > day or loan.state not in LIVE:
            continue
        try:
            projections.append(project(loan, transactions[loan.id], day + _ONE_DAY, policy, before))
        except (ValueError, ArithmeticError) as problem:
            set_aside.append((loan.number, str(problem)))
    save(projections, now)
    return StepResult(done=len(projections), set_aside=set_aside)
