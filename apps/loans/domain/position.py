"""Where a loan stands while its transactions are replayed: the accumulator of the fold.

A `Position` lives inside one replay and is never handed out; what it holds (instalments, allocations) is immutable.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from apps.common.money import ZERO
from apps.loans.domain.amortisation import Amortisation
from apps.loans.domain.duedates import DueDays, IsWorkingDay, Period, Span, free_spans, periods
from apps.loans.domain.errors import BadTerms
from apps.loans.domain.errors import said as _
from apps.loans.domain.fees import FeeBasis, FeeTime
from apps.loans.domain.installments import Installment, changed
from apps.loans.domain.schedule import first_amortisation
from apps.loans.domain.terms import AllocationRule, Component, LoanTerms, Method

_NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True)
class Allocation:
    """Part of a transaction's amount put to one component on one day.

    `installment_no` is None for principal prepaid and its fee; what is paid `ahead` of its due date, interest run too,
    is no part of a row. A surplus used on a later due day is allocated to the transaction that brought it, on that day,
    `from_credit`. Amounts are below zero where a chargeback takes money back, or an adjustment corrects downwards.
    """

    on: date
    transaction_id: str
    installment_no: int | None
    component: Component
    amount: Decimal
    from_credit: bool = False
    ahead: bool = False


@dataclass(slots=True)
class Lot:
    """Money of one transaction not yet put to use; below zero when more credit was refunded than there was."""

    transaction_id: str
    amount: Decimal
    from_credit: bool = False


@dataclass(frozen=True, slots=True)
class Lapse:
    """A stretch of days on which an instalment was past due: from its due date `since` until nothing was, None while it lasts.

    `worst` is the most days past due that it came to.
    """

    since: date
    until: date | None
    worst: int


@dataclass(slots=True)
class Purse:
    """Money at hand, first in, first out."""

    lots: list[Lot] = field(default_factory=list)

    @property
    def total(self) -> Decimal:
        return sum((lot.amount for lot in self.lots), start=ZERO)

    def draw(self, amount: Decimal) -> Iterator[Lot]:
        """Take `amount`, which must be at hand, out of the oldest lots; yields the pieces."""
        for lot in self.lots:
            if amount <= 0:
                break
            part = min(amount, lot.amount)
            if part > 0:
                lot.amount -= part
                amount -= part
                yield Lot(lot.transaction_id, part, lot.from_credit)
        self.lots = [lot for lot in self.lots if lot.amount]

    def add(self, lots: Sequence[Lot]) -> None:
        """Put money by as credit."""
        self.lots.extend(Lot(lot.transaction_id, lot.amount, True) for lot in lots if lot.amount)


@dataclass(slots=True)
class Position:
    """The state the fold carries from one transaction to the next.

    Rows before `first_open` are settled, those before `due_count` have fallen due; `balance` is the principal of the
    others. `interest_charged` is interest charged apart from the rows, at prepayments; with the rows' own it makes
    the interest accrued so far. `lapses` are the stretches of lateness so far. `payments` are the ids of transactions that
    brought money, `taken_back` what later chargebacks took of allocation n, `fees_charged` the sum of what the terms'
    own fees charged, `capitalised` of interest that became principal; `rule` is the order of payment of the transaction at
    hand, when the terms have one for it, `is_merchant` whether a merchant pays it. `ended_early`: see `LoanState`.
    """

    terms: LoanTerms
    is_working_day: IsWorkingDay | None = None
    opened_on: date | None = None
    rows: list[Installment] = field(default_factory=list)
    due_count: int = 0
    first_open: int = 0
    balance: Decimal = ZERO
    disbursed: Decimal = ZERO
    rate: Decimal = Decimal(0)
    penalty_rate: Decimal = Decimal(0)
    installment: Decimal = ZERO
    flat_base: Decimal = ZERO
    interest_charged: Decimal = ZERO
    credit: Purse = field(default_factory=Purse)
    allocations: list[Allocation] = field(default_factory=list)
    written_off_on: date | None = None
    terminated_on: date | None = None
    owner_ref: str = ""
    shares: tuple[Decimal, ...] = ()
    is_fraud: bool = False
    pauses: tuple[Span, ...] = ()
    delinquency_pauses: tuple[Span, ...] = ()
    rule: AllocationRule | None = None
    fees_charged: Decimal = ZERO
    capitalised: Decimal = ZERO
    is_merchant: bool = False
    ended_early: tuple[date, date] | None = None
    payments: set[str] = field(default_factory=set)
    taken_back: dict[int, Decimal] = field(default_factory=dict)
    lapses: list[Lapse] = field(default_factory=list)
    due_days: DueDays = field(init=False)

    def __post_init__(self) -> None:
        self.due_days = DueDays.of(self.terms)
        self.shares = self.terms.shares

    def open(self, day: date, amount: Decimal) -> None:
        """Pay out the loan, or its first tranche: due days stay as signed, the first period adjusts to `day`."""
        terms = self.terms
        if day >= terms.first_due:
            raise BadTerms(
                "value_date",
                _("disbursement on %(day)s is not before the first due date %(first_due)s", day=day, first_due=terms.first_due),
            )
        plan = periods(terms, count=terms.rows, opened_on=day, is_working_day=self.is_working_day)
        self.pauses = free_spans(terms, day)
        self.opened_on, self.balance, self.disbursed, self.flat_base = day, amount, amount, amount
        self.set_rate(terms.annual_rate)
        self.rows = [blank_installment(period) for period in plan]
        self.write_plan(0, first_amortisation(terms, plan, amount), amount)
        self.charge_fees(FeeTime.DISBURSEMENT, 0, amount)

    def set_rate(self, rate: Decimal) -> None:
        """Take a new annual rate, and with it a new penalty rate: min(rate x (1 + uplift), cap)."""
        self.rate = rate
        self.penalty_rate = min(rate * (1 + self.terms.penalty_uplift), self.terms.rate_cap)

    def write_plan(self, index: int, plan: Amortisation, balance: Decimal) -> None:
        """Give the rows from `index` on, which open with `balance`, their principal and interest; rows beyond go.

        A row with a fee charged in it stays, asking nothing more.
        """
        flat = self.terms.method is Method.FLAT
        self.installment = plan.installment
        planned = self.rows[:index]
        deferred: Decimal | None = None
        for place, (row, (principal, interest)) in enumerate(zip(self.rows[index:], plan.rows, strict=False)):
            bears = (self.flat_base if flat else balance) * self.rate
            carried = row.carried if deferred is None else deferred
            capitalised = plan.capitalised[place] if place < len(plan.capitalised) else ZERO
            planned_row = changed(row, principal=principal, interest=interest, bears=bears, carried=carried, capitalised=capitalised)
            planned.append(planned_row)
            deferred = planned_row.run_numerator(row.units) if place < plan.deferring else _NOTHING
            balance += capitalised - principal
        beyond = self.rows[index + len(plan.rows) :]
        self.rows = planned + [emptied(row) for row in beyond if row.fee]

    def charge_fees(self, when: FeeTime, index: int, paid_out: Decimal = ZERO) -> None:
        """Charge in row `index` what the terms ask at this time."""
        for rule in self.terms.fees:
            if rule.when is not when:
                continue
            row = self.rows[index]
            base = {
                FeeBasis.FLAT: ZERO,
                FeeBasis.AMOUNT: paid_out or self.disbursed,
                FeeBasis.INSTALMENT: row.principal + row.asked_interest,
                FeeBasis.PRINCIPAL: row.principal,
                FeeBasis.INTEREST: row.asked_interest,
                FeeBasis.OVERDUE: row.unpaid_principal + row.unpaid_interest,
            }[rule.of]
            fee = rule.amount_of(base, self.terms.rounding.value)
            self.rows[index] = changed(row, fee=row.fee + fee)
            self.fees_charged += fee
            self.first_open = min(self.first_open, index)

    def days_late(self, row: Installment, day: date) -> int:
        """Days past due of an unpaid row, without those on which they do not count."""
        first = row.past_due_from
        paused = sum(
            (max((min(until, day) - max(start, first)).days, 0) for start, until in self.delinquency_pauses),
            start=0,
        )
        return max((day - first).days - paused, 0)

    def open_index(self, day: date) -> int:
        """Index of the row whose period is running on `day`; the number of rows when none is."""
        index = self.due_count
        while index < len(self.rows) and self.rows[index].end <= day:
            index += 1
        return index

    def let_fall_due(self) -> None:
        """Let the next row fall due; what of its interest becomes principal joins the balance of the others."""
        row = self.rows[self.due_count]
        self.rows[self.due_count] = row.cleared(row.due_date)
        self.due_count += 1
        self.balance += row.capitalised - row.principal
        self.capitalised += row.capitalised

    def pull_in(self, index: int) -> None:
        """Treat rows before `index` as due: their period is over, only their due date moved to a working day."""
        while self.due_count < index:
            self.let_fall_due()
            self.charge_fees(FeeTime.INSTALMENT, self.due_count - 1)

    def end_early(self, day: date) -> None:
        """Remember that the plan ends on `day`, for the first time, before its last due date."""
        if self.ended_early is None:
            self.ended_early = day, max((row.end for row in self.rows), default=day)

    def rest(self, index: int) -> Decimal:
        """Principal of the rows from `index` on, without what of their own interest is still to become principal."""
        rest = sum((row.principal for row in self.rows[index:]), start=ZERO)
        return rest - sum((row.capitalised for row in self.rows[index:]), start=ZERO) if self.terms.capitalises else rest

    def allocate(self, on: date, lot: Lot, installment_no: int | None, component: Component, *, ahead: bool = False) -> None:
        """Record that the money of `lot` went to a component."""
        self.allocations.append(Allocation(on, lot.transaction_id, installment_no, component, lot.amount, lot.from_credit, ahead))


def blank_installment(period: Period) -> Installment:
    """A row of the plan before principal and interest are known."""
    return Installment(
        no=period.no,
        start=period.start,
        end=period.end,
        due_date=period.due_date,
        units=period.units,
        anchor=period.anchor,
        pauses=period.pauses,
        late_since=period.due_date,
    )


def emptied(row: Installment) -> Installment:
    """A row that asks for no more principal and interest than was paid."""
    return changed(row, principal=ZERO, interest=ZERO, capitalised=ZERO, bears=Decimal(0), carried=Decimal(0))
