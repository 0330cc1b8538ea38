"""Counter operations of what terms leave open: a further tranche on demand, and a pause of the count of days past due."""

from __future__ import annotations

from uuid import UUID

from apps.loans.domain.transactions import Pauses
from apps.loans.models import Loan, LoanTransaction
from apps.loans.services.deeds import Order, Values, change, pay_out

Kind = LoanTransaction.Kind


def pay_tranche(loan: Loan, values: Values, order: Order) -> tuple[UUID, ...]:
    """More of the principal that was agreed is paid out, and the rest is planned anew; the money leaves clearing."""
    change(loan, Kind.DISBURSEMENT, values, order, amount=values["amount"])
    pay_out(loan, values, order)
    return (loan.id,)


def pause_delinquency(loan: Loan, values: Values, order: Order) -> tuple[UUID, ...]:
    """Days past due are not counted until a day; interest and penalty run on."""
    particulars = {"until": values["until"].isoformat(), "pauses": Pauses.DELINQUENCY.value}
    return change(loan, Kind.INTEREST_PAUSE, values, order, particulars=particulars)
