"""What a replay tells: the loan on a day, every balance, and where each transaction's money went."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum

from apps.common.money import ZERO
from apps.loans.domain.allocation import owed, owed_by_component
from apps.loans.domain.installments import Amounts, Installment
from apps.loans.domain.payments import Payoff, payoff_on
from apps.loans.domain.position import Allocation, Lapse, Position
from apps.loans.domain.terms import COMPONENTS, Component, LoanTerms
from apps.loans.domain.transactions import Transaction


class LoanStatus(StrEnum):
    PENDING = "pending"
    ACTIVE = "active"
    OVERDUE = "overdue"
    SETTLED = "settled"
    WRITTEN_OFF = "written_off"
    TERMINATED = "terminated"
    CANCELLED = "cancelled"


class RowStatus(StrEnum):
    FUTURE = "future"
    DUE = "due"
    OVERDUE = "overdue"
    PAID = "paid"


@dataclass(frozen=True, slots=True)
class RowState:
    """An instalment as it stands on `as_of`; `penalty` and `compound` are all that ran, collected or not."""

    installment: Installment
    penalty: Decimal
    compound: Decimal
    owed: Amounts
    status: RowStatus


@dataclass(frozen=True, slots=True)
class TransactionState:
    """A transaction and the components it moved; a reversed one moved nothing.

    `remark` says what kept it from taking effect as asked, for example a prepayment that counts as a repayment; `dpd` how many days
    past due the loan was just before it.
    """

    transaction: Transaction
    allocated: Amounts
    reversed_by: str | None
    remark: str | None
    dpd: int


@dataclass(frozen=True, slots=True)
class LoanState:
    """A loan on day `as_of`: transactions with value date up to it, interest for the days before it.

    `outstanding` holds all principal not yet repaid, and what is due and unpaid of the rest; `accrued_interest` is
    what has run since and is not yet due. `installment` is the running level amount; `rate` a fraction a year;
    `owner_ref` an external owner to whom the loan was sold, else empty; `fees_charged` what the terms' own fees charged;
    `capitalised` the interest that became principal so far; `ended_early` the day on which the plan was cut short, and what was
    its last due date;
    `lapses` the stretches on which something was past due, oldest first.
    """

    terms: LoanTerms
    as_of: date
    status: LoanStatus
    dpd: int
    outstanding: Amounts
    accrued_interest: Decimal
    payoff: Payoff
    credit: Decimal
    installment: Decimal
    rate: Decimal
    penalty_rate: Decimal
    interest_charged: Decimal
    opened_on: date | None
    owner_ref: str
    is_fraud: bool
    fees_charged: Decimal
    capitalised: Decimal
    ended_early: tuple[date, date] | None
    rows: tuple[RowState, ...]
    transactions: tuple[TransactionState, ...]
    allocations: tuple[Allocation, ...]
    lapses: tuple[Lapse, ...]

    def interest_accrued_to(self, day: date) -> Decimal:
        """All scheduled interest from the first day of the loan to `day`, rounded to the 分, paid or not.

        The accrual of day D is the difference between D + 1 and D. The state knows transactions up to `as_of`, so
        `day` must not be before it (ValueError).
        """
        self._must_know(day)
        if self.status in (LoanStatus.PENDING, LoanStatus.CANCELLED):
            return ZERO
        run = (row.installment.interest_to(day, self.terms) for row in self.rows)
        return sum(run, start=self.interest_charged)

    def penalty_accrued_to(self, day: date) -> Decimal:
        """All penalty from the first late day to `day`, collected, waived or neither; `day` not before `as_of`."""
        return self._late_to(day, Component.PENALTY)

    def compound_accrued_to(self, day: date) -> Decimal:
        """All compound interest to `day`, collected, waived or neither; `day` not before `as_of`."""
        return self._late_to(day, Component.COMPOUND)

    def _late_to(self, day: date, component: Component) -> Decimal:
        self._must_know(day)
        if self.status in (LoanStatus.PENDING, LoanStatus.CANCELLED):
            return ZERO
        total = ZERO
        for row in self.rows:
            late_to = row.installment.penalty_to if component is Component.PENALTY else row.installment.compound_to
            total += late_to(day, self.penalty_rate, self.terms)
        return total

    def _must_know(self, day: date) -> None:
        if day < self.as_of:
            raise ValueError(f"a state as of {self.as_of} cannot tell accrual to {day}: replay to that day")


def row_states(position: Position, day: date) -> tuple[RowState, ...]:
    """Each row with what it owes on `day`."""
    answer = []
    for index, row in enumerate(position.rows):
        amounts = {component: owed(position, index, component, day) for component in COMPONENTS}
        is_due = index < position.due_count
        penalty = row.penalty_to(day, position.penalty_rate, position.terms) if is_due else ZERO
        compound = row.compound_to(day, position.penalty_rate, position.terms) if is_due else ZERO
        answer.append(RowState(row, penalty, compound, amounts, _row_status(position, row, amounts, day, is_due)))
    return tuple(answer)


def _row_status(position: Position, row: Installment, amounts: Amounts, day: date, is_due: bool) -> RowStatus:
    if not is_due:
        return RowStatus.FUTURE if position.balance or row.unpaid_interest or amounts[Component.FEE] else RowStatus.PAID
    if not any(amounts.values()):
        return RowStatus.PAID
    if is_unpaid(amounts) and position.days_late(row, day) > position.terms.grace_days:
        return RowStatus.OVERDUE
    return RowStatus.DUE


def is_unpaid(amounts: Amounts) -> bool:
    """Whether an instalment counts as unpaid: anything but a fee is left of it."""
    return any(amount for component, amount in amounts.items() if component is not Component.FEE)


def days_past_due(position: Position, rows: tuple[RowState, ...], day: date) -> int:
    """Days since the due date of the oldest unpaid instalment; grace does not stop the count, only a pause of it does."""
    due = rows[: position.due_count]
    return max((position.days_late(row.installment, day) for row in due if is_unpaid(row.owed)), default=0)


def outstanding_on(position: Position, day: date) -> Amounts:
    """All principal not yet repaid, and what is due and unpaid of the other components."""
    amounts = owed_by_component(position, day)
    amounts[Component.PRINCIPAL] += position.balance
    return amounts


def accrued_on(position: Position, day: date) -> Decimal:
    """Interest run on rows that are not yet due and still to be paid."""
    return sum((row.interest_to(day, position.terms) for row in position.rows[position.due_count :]), start=ZERO)


def payoff_of(position: Position, day: date) -> Payoff:
    """The payoff, or nothing for a loan that is not open."""
    if position.opened_on is None:
        return Payoff(dict.fromkeys(COMPONENTS, ZERO), ZERO, ZERO, ZERO, position.credit.total)
    return payoff_on(position, day)
