"""Where a loan stands on a day, all of it from one replay: its line, schedule, what is due and what would end it."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from decimal import Decimal

from apps.common.money import ZERO
from apps.loans.domain.state import LoanState, RowState, RowStatus
from apps.loans.domain.terms import Component
from apps.loans.models import Loan
from apps.loans.selectors.due import DueAmount, PayoffQuote, amount_of, payoff_of
from apps.loans.selectors.loans import LoanBrief, brief_of, state_of


@dataclass(frozen=True, slots=True)
class InstalmentView:
    """One row of the schedule; amounts in yuan, `left` is what is still to be paid of it, waivers taken off."""

    no: int
    due_date: dt.date
    principal: Decimal
    interest: Decimal
    fee: Decimal
    penalty: Decimal
    total: Decimal
    paid: Decimal
    waived: Decimal
    left: Decimal
    status: str


@dataclass(frozen=True, slots=True)
class Standing:
    """A loan on a day; `owed` by component, principal not yet due included; `accrued_interest` has run and is not yet due.

    The asset class and non-accrual in `brief` are those of the last close.
    """

    brief: LoanBrief
    annual_rate: Decimal
    installments: int
    method: str
    schedule: tuple[InstalmentView, ...]
    due: DueAmount
    payoff: PayoffQuote
    owed: dict[str, Decimal]
    accrued_interest: Decimal


def standing_of(loan: Loan, on: dt.date) -> Standing:
    """Where a loan, fetched with its balance, stands on a day by its transactions known today. Raises `DayBeforeLoan`."""
    state = state_of(loan, on)
    due = amount_of(state, on)
    return Standing(
        brief=_brief(loan, state, due),
        annual_rate=state.rate,
        installments=len(state.rows) or loan.terms["installments"],
        method=loan.terms["method"],
        schedule=tuple(_row(row) for row in state.rows),
        due=due,
        payoff=payoff_of(loan.id, state, on),
        owed={component.value: amount for component, amount in state.outstanding.items()},
        accrued_interest=state.accrued_interest,
    )


def _brief(loan: Loan, state: LoanState, due: DueAmount) -> LoanBrief:
    late = (sum(row.owed.values(), start=ZERO) for row in state.rows if row.status is RowStatus.OVERDUE)
    unpaid = (row.installment.due_date for row in state.rows if row.status is not RowStatus.PAID)
    return replace(
        brief_of(loan),
        state=state.status.value,
        as_of=state.as_of,
        principal_outstanding=state.outstanding[Component.PRINCIPAL],
        due_total=sum(due.components.values(), start=ZERO),
        overdue=sum(late, start=ZERO),
        credit=state.credit,
        dpd=state.dpd,
        next_due_date=min(unpaid, default=None),
    )


def _row(row: RowState) -> InstalmentView:
    told = row.installment
    total = told.principal + told.interest + told.fee + row.penalty + row.compound
    paid, waived = sum(told.paid.values(), start=ZERO), sum(told.waived.values(), start=ZERO)
    return InstalmentView(
        no=told.no,
        due_date=told.due_date,
        principal=told.principal,
        interest=told.interest,
        fee=told.fee,
        penalty=row.penalty + row.compound,
        total=total,
        paid=paid,
        waived=waived,
        left=ZERO if row.status is RowStatus.PAID else total - paid - waived,
        status=row.status.value,
    )
