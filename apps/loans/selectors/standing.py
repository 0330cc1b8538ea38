"""Where a loan stands on a day, all of it from one replay: its line, schedule, what is due and what would end it."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

from apps.common.money import ZERO
from apps.loans.domain.state import LoanState, RowState, RowStatus
from apps.loans.domain.terms import Component
from apps.loans.domain.transactions import Kind
from apps.loans.models import Loan
from apps.loans.selectors.due import DueAmount, PayoffQuote, amount_of, payoff_of
from apps.loans.selectors.loans import LoanBrief, brief_of, state_of

_LENDS: Final = frozenset({Kind.DISBURSEMENT, Kind.CAPITALISED_INCOME, Kind.ADJUSTMENT})


@dataclass(frozen=True, slots=True)
class InstalmentView:
    """One row of the schedule; amounts in yuan, `interest` without what becomes principal.

    `left` is what is still to be paid of it, waivers taken off; `balance` the principal that the plan leaves after it.
    """

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
    balance: Decimal
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
    return standing_in(loan, state_of(loan, on))


def standing_in(loan: Loan, state: LoanState) -> Standing:
    """Where a loan, fetched with its balance, stands in a replay of it."""
    on = state.as_of
    due = amount_of(state, on)
    return Standing(
        brief=_brief(loan, state, due),
        annual_rate=state.rate,
        installments=len(state.rows) or loan.terms["installments"],
        method=loan.terms["method"],
        schedule=tuple(_row(row, balance) for row, balance in zip(state.rows, _balances(state), strict=True)),
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


def _balances(state: LoanState) -> list[Decimal]:
    """The principal left after each row: that of the later rows, and what was paid (above zero) or lent beside the rows later."""
    kinds = {told.transaction.id: told.transaction.kind for told in state.transactions}
    beside = [
        (part.on, -part.amount if kinds[part.transaction_id] in _LENDS else part.amount)
        for part in state.allocations
        if part.installment_no is None and part.component is Component.PRINCIPAL
    ]
    balances, later = [], ZERO
    for told in reversed([row.installment for row in state.rows]):
        balances.append(later + sum((amount for on, amount in beside if on > told.due_date), start=ZERO))
        later += told.principal - told.capitalised
    return balances[::-1]


def _row(row: RowState, balance: Decimal) -> InstalmentView:
    told = row.installment
    total = told.principal + told.asked_interest + told.fee + row.penalty + row.compound
    paid, waived = sum(told.paid.values(), start=ZERO), sum(told.waived.values(), start=ZERO)
    return InstalmentView(
        no=told.no,
        due_date=told.due_date,
        principal=told.principal,
        interest=told.asked_interest,
        fee=told.fee,
        penalty=row.penalty + row.compound,
        total=total,
        paid=paid,
        waived=waived,
        left=ZERO if row.status is RowStatus.PAID else total - paid - waived,
        balance=balance,
        status=row.status.value,
    )
