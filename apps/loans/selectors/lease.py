"""The vehicle lease of a loan: the car and who owns it, the deposit, output tax by instalment. Rules: docs/rules/vehicle-lease.md."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from typing import Final
from uuid import UUID

from apps.common.money import ZERO, round_money
from apps.ledger import selectors as ledger
from apps.loans.domain.state import LoanState
from apps.loans.models import Lease, Loan, Pledge
from apps.loans.selectors.loans import state_of

DEPOSITS: Final = "224104"


@dataclass(frozen=True, slots=True)
class DepositMove:
    """What changed the deposit held on a day, in yuan: above zero it came in. `event` is that of the books."""

    on: dt.date
    event: str
    amount: Decimal
    held: Decimal


@dataclass(frozen=True, slots=True)
class TaxRow:
    """The interest of an instalment, parted into net and output tax."""

    no: int
    due_date: dt.date
    interest: Decimal
    net: Decimal
    tax: Decimal


@dataclass(frozen=True, slots=True)
class LeaseView:
    """A lease on a day. `is_customers`: the car is the customer's own; `is_mortgaged`: it secures the loan."""

    lease: Lease
    is_customers: bool
    is_mortgaged: bool
    deposit_held: Decimal
    deposit_moves: tuple[DepositMove, ...]
    tax_rows: tuple[TaxRow, ...]


def lease_view(loan: Loan, on: dt.date) -> LeaseView | None:
    """The lease of a loan; None when the loan is none."""
    lease = Lease.objects.select_related("renewed_by").filter(loan=loan).first()
    if lease is None:
        return None
    moves = deposit_moves(loan.id, on)
    return LeaseView(
        lease=lease,
        is_customers=lease.is_customers,
        is_mortgaged=Pledge.objects.filter(loan=loan, collateral__identifier=lease.vehicle, released_on=None).exists(),
        deposit_held=moves[-1].held if moves else ZERO,
        deposit_moves=moves,
        tax_rows=tax_rows(state_of(loan, on), loan.interest_vat_rate),
    )


def deposit_moves(loan_id: UUID, until: dt.date) -> tuple[DepositMove, ...]:
    """What changed the deposit of a loan up to the end of a day, oldest first, from the books."""
    held, moves = ZERO, []
    entries = ledger.entries_of(loan_id).filter(lines__account__code=DEPOSITS, business_date__lte=until)
    for entry in entries.prefetch_related("lines__account"):
        amount = sum(
            (line.credit - line.debit for line in entry.lines.all() if line.account.code == DEPOSITS and line.subject_ref == loan_id),
            start=ZERO,
        )
        held += amount
        moves.append(DepositMove(entry.business_date, entry.event, amount, held))
    return tuple(moves)


@dataclass(frozen=True, slots=True)
class DepositStatement:
    """The deposit of a loan's customer in a period: closing = opening + what moved. All zero for a loan without one."""

    opening: Decimal
    closing: Decimal
    moves: tuple[DepositMove, ...]


def deposit_between(loan_id: UUID, first: dt.date, last: dt.date) -> DepositStatement:
    """The deposit from the opening of `first` to the end of `last`."""
    moves = deposit_moves(loan_id, last)
    before = [move for move in moves if move.on < first]
    return DepositStatement(
        opening=before[-1].held if before else ZERO, closing=moves[-1].held if moves else ZERO, moves=moves[len(before) :]
    )


def tax_rows(state: LoanState, rate: Decimal) -> tuple[TaxRow, ...]:
    """Output tax of every instalment's interest; running totals are parted, so that the rows add up to the tax on the whole."""
    gross, tax, rows = ZERO, ZERO, []
    for row in state.rows:
        interest = row.installment.interest
        gross += interest
        total = round_money(gross * rate / (1 + rate))
        rows.append(TaxRow(row.installment.no, row.installment.due_date, interest, interest - (total - tax), total - tax))
        tax = total
    return tuple(rows)
