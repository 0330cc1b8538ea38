"""The loan core's steps of the business day. The close of day D brings loans to D + 1.

A loan to which something happens (it becomes overdue, changes its class, has credit that pays an instalment …), and one that does not go
on by itself (`LoanRun`), is replayed; what belongs in the books is written down and posted. All others are moved on in SQL: penalty and
days past due of the late ones, interest of all, instalments that fall due. Interest that runs by itself writes nothing per loan.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Any, Final
from uuid import UUID

from apps.common.bulk import any_of
from apps.loans.models import LIVE, Loan, LoanBalance, LoanRun, LoanTransaction
from apps.loans.services import aging
from apps.loans.services import marks as marking
from apps.loans.services.booking import CLOSE_EVENTS, DAY_EVENTS, EVERY_LOAN, book_all, post_sums
from apps.loans.services.projection import Projection, policy_on, project, save, stored_of
from apps.loans.services.resets import reset_rates
from apps.loans.services.sums import accrue_range, cut_ranges, event_ranges, take_over_many
from apps.organisations.business_day import StepResult

_CLASSIFIED: Final = [event for event in CLOSE_EVENTS if event != "provision"]
LOANS_PER_RANGE: Final = 100_000
_ONE_DAY: Final = dt.timedelta(days=1)


def event_parts(*, entity_id: UUID, day: dt.date, now: dt.datetime) -> list[dict[str, str]]:
    """Ranges of loans to which something happens on the day after `day`; of all running ones when the rules change."""
    return event_ranges(entity_id, None if _rules_change(entity_id, day) else day + _ONE_DAY)


def late(*, entity_id: UUID, day: dt.date, partition: dict[str, Any], now: dt.datetime) -> StepResult:
    """Replay the loans to which something happens: an instalment becomes overdue, a class changes. One with a problem is set aside."""
    wanted = Loan.objects.filter(legal_entity_id=entity_id, state__in=LIVE, run__as_of__lte=day, id__range=_bounds(partition))
    if not _rules_change(entity_id, day):
        wanted = wanted.filter(run__next_event_on__lte=day + _ONE_DAY)
    loans = list(wanted.select_for_update(of=("self",)).order_by("id"))
    return _replay(loans, day) if loans else StepResult()


def mark_parts(*, entity_id: UUID, day: dt.date, now: dt.datetime) -> list[dict[str, str]]:
    """Ranges of the loans that another loan of their borrower begins or ceases to mark."""
    return marking.mark_parts(entity_id, day + _ONE_DAY)


def marks(*, entity_id: UUID, day: dt.date, partition: dict[str, Any], now: dt.datetime) -> StepResult:
    """Replay those loans with their mark turned: a better class is not to be had while the borrower has a bad loan."""
    turning = marking.turning_marks(entity_id, day + _ONE_DAY, _bounds(partition))
    loans = list(Loan.objects.filter(any_of("id", turning), state__in=LIVE).select_for_update(of=("self",)).order_by("id"))
    return _replay(loans, day, turned=set(turning)) if loans else StepResult()


def late_parts(*, entity_id: UUID, day: dt.date, now: dt.datetime) -> list[dict[str, str]]:
    """Ranges of loans with an instalment unpaid at the end of `day` to which nothing more happens."""
    return aging.late_parts(entity_id, day + _ONE_DAY)


def penalty(*, entity_id: UUID, day: dt.date, partition: dict[str, Any], now: dt.datetime) -> StepResult:
    """Penalty and days past due of the late loans; book the penalty."""
    first, last = _bounds(partition)
    sums, done = aging.age_late(entity_id, day + _ONE_DAY, first, last)
    post_sums(sums, legal_entity_id=entity_id, day=day, step="penalty", part=first, now=now)
    return StepResult(done=done)


def ranges(*, entity_id: UUID, day: dt.date, now: dt.datetime) -> list[dict[str, str]]:
    """Ranges of all running loans."""
    return cut_ranges(entity_id, day, loans_per_range=LOANS_PER_RANGE)


def accrual(*, entity_id: UUID, day: dt.date, partition: dict[str, Any], now: dt.datetime) -> StepResult:
    """Interest of all running loans to the end of `day`."""
    first, last = _bounds(partition)
    sums = accrue_range(entity_id, day, first, last)
    post_sums(sums, legal_entity_id=entity_id, day=day, step="accrual", part=first, now=now)
    return StepResult(done=sum(item.loans for item in sums))


def classification(*, entity_id: UUID, day: dt.date, partition: dict[str, Any], now: dt.datetime) -> StepResult:
    """Book what the replays of the day found: new classes move principal and interest, and so does what else happened to a loan."""
    return StepResult(done=_book(entity_id, day, "classification", _CLASSIFIED, now))


def provisions(*, entity_id: UUID, day: dt.date, partition: dict[str, Any], now: dt.datetime) -> StepResult:
    """Book the loss provisions that principal and class ask for."""
    return StepResult(done=_book(entity_id, day, "provisions", ("provision",), now))


def turning_parts(*, entity_id: UUID, day: dt.date, now: dt.datetime) -> list[dict[str, str]]:
    """Ranges of all loans, with a bounded number each whose instalment falls due, or whose next period begins, on the day that opens."""
    starts = [UUID(part["first"]) for part in aging.turning_parts(entity_id, day)][1:]
    firsts, lasts = [EVERY_LOAN[0], *starts], [*(UUID(int=start.int - 1) for start in starts), EVERY_LOAN[1]]
    return [{"first": str(first), "last": str(last)} for first, last in zip(firsts, lasts, strict=True)]


def falls_due(*, entity_id: UUID, day: dt.date, partition: dict[str, Any], now: dt.datetime) -> StepResult:
    """Instalments fall due on the day that opens; credit at hand pays them."""
    first, last = _bounds(partition)
    threshold = policy_on(entity_id, day).thresholds.first
    done = aging.turn(entity_id, day, first, last, first_threshold=threshold)
    done += book_all(legal_entity_id=entity_id, as_of=day, day=day, step="falls_due", events=DAY_EVENTS, now=now, bounds=(first, last))
    return StepResult(done=done)


def rate_resets(*, entity_id: UUID, day: dt.date, partition: dict[str, Any], now: dt.datetime) -> StepResult:
    """Floating loans whose day has come take their new rate."""
    done, set_aside = reset_rates(legal_entity_id=entity_id, day=day, now=now)
    return StepResult(done=done, set_aside=set_aside)


def _rules_change(entity_id: UUID, day: dt.date) -> bool:
    return policy_on(entity_id, day) != policy_on(entity_id, day + _ONE_DAY)


def _bounds(partition: dict[str, Any]) -> tuple[UUID, UUID]:
    return UUID(partition["first"]), UUID(partition["last"])


def _book(entity_id: UUID, day: dt.date, step: str, events: Collection[str], now: dt.datetime) -> int:
    return book_all(legal_entity_id=entity_id, as_of=day + _ONE_DAY, day=day, step=step, events=events, now=now)


def _replay(loans: Sequence[Loan], day: dt.date, *, turned: Collection[UUID] = ()) -> StepResult:
    """Bring loans under lock to the day after `day`; those in `turned` lose their mark or get one."""
    take_over_many([loan.id for loan in loans], day)
    # Read after the locks: what a deed on the loan changed while we waited counts.
    runs = {run.loan_id: run for run in LoanRun.objects.filter(loan__in=loans)}
    transactions = defaultdict(list)
    for row in LoanTransaction.objects.filter(loan__in=loans).order_by("value_date", "id"):
        transactions[row.loan_id].append(row)
    is_marked = dict(LoanBalance.objects.filter(loan__in=loans).values_list("loan_id", "is_marked"))
    policy = policy_on(loans[0].legal_entity_id, day + _ONE_DAY)
    projections: list[Projection] = []
    set_aside: list[tuple[str, str]] = []
    for loan in loans:
        run = runs.get(loan.id)
        turns = loan.id in turned
        if run is None or (run.as_of > day and not turns):
            continue
        as_of = max(run.as_of, day + _ONE_DAY)
        try:
            projections.append(project(loan, transactions[loan.id], as_of, policy, is_marked=is_marked[loan.id] != turns))
        except (ValueError, ArithmeticError) as problem:
            set_aside.append((loan.number, str(problem)))
    save(projections, stored_of([projection.loan.id for projection in projections]))
    return StepResult(done=len(projections), set_aside=set_aside)
