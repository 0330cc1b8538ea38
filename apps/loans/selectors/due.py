"""What is to be paid: on a day, by which loans, and what would end a loan."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from typing import Final
from uuid import UUID

from django.db import connection
from django.db.models import F, Q, QuerySet, Value, Window
from django.db.models.functions import Mod, RowNumber

from apps.common.bulk import any_of
from apps.common.money import ZERO
from apps.loans.bridge import replay_of
from apps.loans.domain.state import LoanState
from apps.loans.domain.terms import COMPONENTS
from apps.loans.models import LIVE, Instalment, Loan, LoanTransaction
from apps.loans.selectors.loans import loan_of, state_of

LOANS_PER_PART: Final = 5_000
_RANGES: Final = """
    SELECT (array_agg(id ORDER BY id))[1], (array_agg(id ORDER BY id DESC))[1] FROM (
        SELECT l.id, (row_number() OVER (ORDER BY l.id) - 1) / %s AS part
          FROM loans_loan l JOIN loans_loanbalance b ON b.loan_id = l.id
         WHERE l.legal_entity_id = %s AND l.state = ANY(%s) AND (%s::date IS NULL OR b.next_due_date <= %s)
    ) numbered GROUP BY part ORDER BY part
"""
_UNPAID: Final = sum((F(c.value) - F(f"paid_{c.value}") - F(f"waived_{c.value}") for c in COMPONENTS), start=Value(ZERO))


@dataclass(frozen=True, slots=True)
class DueAmount:
    """What is to be paid on a day, credit deducted from `total`; `components` before credit. Zero total: nothing is due."""

    total: Decimal
    components: dict[str, Decimal]
    credit: Decimal
    oldest_due_date: dt.date | None
    dpd: int


@dataclass(frozen=True, slots=True)
class DueLoan:
    """A loan with an unpaid instalment; `due_date` is that of the oldest one."""

    loan_id: UUID
    number: str
    borrower_ref: UUID
    due_date: dt.date
    state: str


@dataclass(frozen=True, slots=True)
class LoanDue:
    """A loan on which something is due; `total` in yuan, credit deducted."""

    loan_id: UUID
    number: str
    borrower_ref: UUID
    application_ref: UUID
    total: Decimal
    due_date: dt.date | None
    dpd: int
    state: str


@dataclass(frozen=True, slots=True)
class PayoffQuote:
    """What ends the loan when paid on `on`; `total` = due + interest + fee + principal − credit, in yuan."""

    loan_id: UUID
    on: dt.date
    due: dict[str, Decimal]
    interest: Decimal
    fee: Decimal
    principal: Decimal
    credit: Decimal
    total: Decimal


def amount_due(loan_id: UUID, on: dt.date) -> DueAmount:
    """What is to be paid on `on`, penalty to that day included. Raises `LoanUnknown`, `DayBeforeLoan`."""
    return amount_of(state_of(loan_of(loan_id), on), on)


def amount_of(state: LoanState, on: dt.date) -> DueAmount:
    """What is to be paid on `on` by a replay to that day."""
    components = {component.value: sum((row.owed[component] for row in state.rows), start=ZERO) for component in COMPONENTS}
    unpaid = [row.installment.due_date for row in state.rows if row.installment.due_date <= on and any(row.owed.values())]
    return DueAmount(
        total=max(sum(components.values(), start=ZERO) - state.credit, ZERO),
        components=components,
        credit=state.credit,
        oldest_due_date=min(unpaid, default=None),
        dpd=state.dpd,
    )


def due_ranges(legal_entity_id: UUID, *, due_by: dt.date | None) -> list[dict[str, str]]:
    """Ranges of ids, `LOANS_PER_PART` running loans in each; with `due_by` only those with an instalment unpaid by then."""
    with connection.cursor() as cursor:
        cursor.execute(_RANGES, [LOANS_PER_PART, legal_entity_id, list(LIVE), due_by, due_by])
        return [{"first": str(first), "last": str(last)} for first, last in cursor.fetchall()]


def due_loans(legal_entity_id: UUID, day: dt.date, part: Mapping[str, str]) -> list[DueLoan]:
    """Running loans of a part (`due_ranges`; empty: all) with an instalment due on `day` or before, by their rows; nothing is replayed."""
    rows = Loan.objects.filter(_of_part("id", part), legal_entity_id=legal_entity_id, state__in=LIVE, balance__next_due_date__lte=day)
    return _due_loans(rows)


def overdue_of(legal_entity_id: UUID, day: dt.date, part: Mapping[str, str]) -> list[DueLoan]:
    """Overdue loans of a part of the borrowers (`borrower_ranges`; empty: all), by their rows as at the opening of `day`."""
    return _due_loans(_overdue(legal_entity_id, day).filter(of_borrowers("borrower_ref", part)))


def borrower_ranges(legal_entity_id: UUID, day: dt.date) -> list[dict[str, str]]:
    """Ranges of borrowers, `first` included and `before` not, that together hold all there are; `LOANS_PER_PART` overdue loans in each.

    None when no loan is overdue at the opening of `day`.
    """
    numbered = _overdue(legal_entity_id, day).annotate(no=Window(RowNumber(), order_by="borrower_ref")).values_list("borrower_ref", "no")
    found = list(numbered.annotate(place=Mod(F("no") - 1, LOANS_PER_PART)).filter(place=0).order_by("no"))
    cuts = list(dict.fromkeys(str(borrower) for borrower, *_no in found[1:]))
    bounds = ["", *cuts, ""]
    return [{"first": first, "before": before} for first, before in pairwise(bounds)] if found else []


def of_borrowers(field: str, part: Mapping[str, str]) -> Q:
    """The rows whose field names a borrower of a part."""
    bounds = {f"{field}__gte": part.get("first"), f"{field}__lt": part.get("before")}
    return Q(**{name: bound for name, bound in bounds.items() if bound})


def _overdue(legal_entity_id: UUID, day: dt.date) -> QuerySet[Loan]:
    rows: QuerySet[Loan] = Loan.objects.filter(legal_entity_id=legal_entity_id, state=Loan.State.OVERDUE, balance__next_due_date__lt=day)
    return rows


def _due_loans(rows: QuerySet[Loan]) -> list[DueLoan]:
    found = rows.order_by("id").values_list("id", "number", "borrower_ref", "balance__next_due_date", "state")
    return [DueLoan(loan_id, number, who, due, state) for loan_id, number, who, due, state in found if due is not None]


def _of_part(id_field: str, part: Mapping[str, str]) -> Q:
    return Q(**{f"{id_field}__gte": part["first"], f"{id_field}__lte": part["last"]}) if part else Q()


def dues_of(loan_ids: Collection[UUID], day: dt.date) -> tuple[list[LoanDue], dict[UUID, str]]:
    """What is to be paid on each of these loans on `day`, without those that owe nothing; and why, of loans that cannot be worked out.

    A balance of the day is taken as it stands, an earlier one is replayed.
    """
    rows = Loan.objects.filter(any_of("id", loan_ids)).order_by("id").values_list(*_DUE_COLUMNS)
    dues, behind = [], []
    for loan_id, number, borrower_ref, application_ref, state, as_of, due_date, dpd, credit, *owed in rows:
        if as_of != day:
            behind.append(loan_id)
        elif (total := sum(owed) - credit) > 0:
            dues.append(LoanDue(loan_id, number, borrower_ref, application_ref, total, due_date, dpd, state))
    replayed, unclear = _replayed(behind, day)
    return dues + replayed, unclear


_DUE_COLUMNS: Final = (
    *("id", "number", "borrower_ref", "application_ref", "state"),
    *("balance__as_of", "balance__next_due_date", "balance__dpd", "balance__credit"),
    *("balance__principal_due", "balance__interest", "balance__penalty", "balance__compound", "balance__fee"),
)


def _replayed(loan_ids: Collection[UUID], day: dt.date) -> tuple[list[LoanDue], dict[UUID, str]]:
    if not loan_ids:
        return [], {}
    transactions = defaultdict(list)
    for row in LoanTransaction.objects.filter(any_of("loan_id", loan_ids)).order_by("value_date", "id"):
        transactions[row.loan_id].append(row)
    dues: list[LoanDue] = []
    unclear: dict[UUID, str] = {}
    for loan in Loan.objects.filter(any_of("id", loan_ids)).order_by("id"):
        try:
            amount = amount_of(replay_of(loan, transactions[loan.id], day), day)
        except (ValueError, ArithmeticError) as problem:
            unclear[loan.id] = str(problem)
            continue
        if amount.total > ZERO:
            dues.append(
                LoanDue(
                    loan_id=loan.id,
                    number=loan.number,
                    borrower_ref=loan.borrower_ref,
                    application_ref=loan.application_ref,
                    total=amount.total,
                    due_date=amount.oldest_due_date,
                    dpd=amount.dpd,
                    state=loan.state,
                )
            )
    return dues, unclear


def loans_falling_due(legal_entity_id: UUID, first: dt.date, last: dt.date, part: Mapping[str, str]) -> list[LoanDue]:
    """Running loans of a part with an unpaid instalment due from `first` to `last`, with what that instalment still asks; for reminders."""
    days = [first + dt.timedelta(days=n) for n in range((last - first).days + 1)]
    rows = (
        Instalment.objects.filter(_of_part("loan_id", part), loan__legal_entity_id=legal_entity_id, loan__state__in=LIVE)
        .filter(due_date__in=days)
        .exclude(status=Instalment.Status.PAID)
        .alias(left=_UNPAID)
        .filter(left__gt=ZERO)
        .order_by("due_date", "loan_id")
    )
    return [
        LoanDue(loan_id, number, borrower_ref, application_ref, left, due_date, dpd, state)
        for loan_id, number, borrower_ref, application_ref, state, dpd, due_date, left in rows.values_list(
            *("loan_id", "loan__number", "loan__borrower_ref", "loan__application_ref", "loan__state", "loan__balance__dpd", "due_date"),
            _UNPAID,
        )
    ]


def payoff_quote(*, loan_id: UUID, on: dt.date) -> PayoffQuote:
    """What ends the loan when paid on `on`. A quote for a later day binds when paid on that day. Raises `LoanUnknown`, `DayBeforeLoan`."""
    return payoff_of(loan_id, state_of(loan_of(loan_id), on), on)


def payoff_of(loan_id: UUID, state: LoanState, on: dt.date) -> PayoffQuote:
    """What ends the loan when paid on `on`, by a replay to that day."""
    payoff = state.payoff
    return PayoffQuote(
        loan_id=loan_id,
        on=on,
        due={component.value: amount for component, amount in payoff.due.items()},
        interest=payoff.interest,
        fee=payoff.fee,
        principal=payoff.principal,
        credit=payoff.credit,
        total=payoff.total,
    )
