"""What is to be paid: on a day, by which loans, and what would end a loan."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final
from uuid import UUID

from django.db import connection
from django.db.models import Q

from apps.common.money import ZERO
from apps.loans.domain.terms import COMPONENTS
from apps.loans.models import LIVE, Instalment, Loan
from apps.loans.selectors.loans import instalment_view, loan_of, state_of

LOANS_PER_PART: Final = 500
_RANGES: Final = """
    SELECT (array_agg(id ORDER BY id))[1], (array_agg(id ORDER BY id DESC))[1] FROM (
        SELECT l.id, (row_number() OVER (ORDER BY l.id) - 1) / %s AS part
          FROM loans_loan l JOIN loans_loanbalance b ON b.loan_id = l.id
         WHERE l.legal_entity_id = %s AND l.state = ANY(%s) AND (%s::date IS NULL OR b.next_due_date <= %s)
    ) numbered GROUP BY part ORDER BY part
"""


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
    state = state_of(loan_of(loan_id), on)
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
    """Ranges of ids that cut running loans into parts of `LOANS_PER_PART`; with `due_by` only those with an instalment unpaid by then."""
    with connection.cursor() as cursor:
        cursor.execute(_RANGES, [LOANS_PER_PART, legal_entity_id, list(LIVE), due_by, due_by])
        return [{"first": str(first), "last": str(last)} for first, last in cursor.fetchall()]


def due_loans(legal_entity_id: UUID, day: dt.date, part: Mapping[str, str]) -> list[DueLoan]:
    """Running loans of a part (`due_ranges`; empty: all) with an instalment due on `day` or before, by their rows; nothing is replayed."""
    rows = Loan.objects.filter(_of_part("id", part), legal_entity_id=legal_entity_id, state__in=LIVE, balance__next_due_date__lte=day)
    found = rows.order_by("id").values_list("id", "number", "borrower_ref", "balance__next_due_date", "state")
    return [DueLoan(loan_id, number, who, due, state) for loan_id, number, who, due, state in found if due is not None]


def _of_part(id_field: str, part: Mapping[str, str]) -> Q:
    return Q(**{f"{id_field}__range": (part["first"], part["last"])}) if part else Q()


def due_of(loan_id: UUID, day: dt.date) -> LoanDue | None:
    """What is to be paid on a loan on `day`; None when nothing is. Raises `LoanUnknown`, and what a replay raises (`ValueError`)."""
    loan = loan_of(loan_id)
    if loan.balance.as_of == day:
        total, dpd = loan.balance.due_total - loan.balance.credit, loan.balance.dpd
    else:
        amount = amount_due(loan.id, day)
        total, dpd = amount.total, amount.dpd
    if total <= 0:
        return None
    return LoanDue(
        loan_id=loan.id,
        number=loan.number,
        borrower_ref=loan.borrower_ref,
        application_ref=loan.application_ref,
        total=total,
        due_date=loan.balance.next_due_date,
        dpd=dpd,
        state=loan.state,
    )


def loans_falling_due(legal_entity_id: UUID, first: dt.date, last: dt.date, part: Mapping[str, str]) -> list[LoanDue]:
    """Running loans of a part with an unpaid instalment due from `first` to `last`, with what that instalment still asks; for reminders."""
    rows = (
        Instalment.objects.filter(_of_part("loan__id", part), loan__legal_entity_id=legal_entity_id, loan__state__in=LIVE)
        .filter(due_date__gte=first, due_date__lte=last)
        .exclude(status=Instalment.Status.PAID)
        .select_related("loan__balance")
        .order_by("due_date", "loan_id")
    )
    return [
        LoanDue(
            loan_id=row.loan.id,
            number=row.loan.number,
            borrower_ref=row.loan.borrower_ref,
            application_ref=row.loan.application_ref,
            total=instalment_view(row).left,
            due_date=row.due_date,
            dpd=row.loan.balance.dpd,
            state=row.loan.state,
        )
        for row in rows
    ]


def payoff_quote(*, loan_id: UUID, on: dt.date) -> PayoffQuote:
    """What ends the loan when paid on `on`. A quote for a later day binds when paid on that day. Raises `LoanUnknown`, `DayBeforeLoan`."""
    payoff = state_of(loan_of(loan_id), on).payoff
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
