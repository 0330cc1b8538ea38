"""A loan over a period: the customer's statement, each funder's, and the interest of every day. Sums: `loans.domain.subledger`."""

from __future__ import annotations

import datetime as dt
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final
from uuid import UUID

from django.utils.translation import gettext_lazy as _

from apps.common.errors import BadInput, NotFound
from apps.common.money import ZERO
from apps.loans.bridge import replay_of, terms_of
from apps.loans.domain.shares import share_of
from apps.loans.domain.state import LoanState
from apps.loans.domain.subledger import Line, Statement, Totals, statement_between
from apps.loans.domain.terms import COMPONENTS, Component, Funder
from apps.loans.domain.transactions import Kind
from apps.loans.models import Loan, LoanTransaction
from apps.loans.selectors.loans import DayBeforeLoan, loan_of, transactions_of

OWN: Final = "own"
MAX_DAYS: Final = 366
_ONE_DAY: Final = dt.timedelta(days=1)
RUNNING: Final = (Component.INTEREST, Component.PENALTY, Component.COMPOUND)


class PeriodReversed(BadInput):
    """The period ends before it begins."""

    code = "period_reversed"
    title = _("The last day lies before the first one.")


class PeriodTooLong(BadInput):
    """More days were asked for than are answered day by day."""

    code = "period_too_long"
    title = _("Ask for at most a year of days at once.")


class PartyUnknown(NotFound):
    """The party has no share of the loan."""

    code = "party_unknown"
    title = _("This party has no share of the loan.")


@dataclass(frozen=True, slots=True)
class LoanStatement:
    """A loan from the opening of `first` to the close of `last`, how it stands then, and the recorded transactions by id as text."""

    loan: Loan
    state: LoanState
    statement: Statement
    rows: Mapping[str, LoanTransaction]


@dataclass(frozen=True, slots=True)
class PartyLine:
    """One line of a statement with a party's part of it."""

    line: Line
    part: Mapping[Component, Decimal]


@dataclass(frozen=True, slots=True)
class PartyStatement:
    """A party's sub-ledger of a loan in a period; `share` in parts per 10,000."""

    party_ref: str
    share: int
    opening: Totals
    closing: Totals
    lines: tuple[PartyLine, ...]


@dataclass(frozen=True, slots=True)
class DayAccrual:
    """What ran on one day, penalty too, in yuan: whole and by party. `total` is all interest from the first day to its close."""

    day: dt.date
    ran: Mapping[Component, Decimal]
    total: Mapping[Component, Decimal]
    parties: Mapping[str, Mapping[Component, Decimal]]


def own_name(loan: Loan, party_ref: str) -> str:
    """The name of a party in statements: the lender itself, under whichever name it is among the funders, is `own`."""
    return OWN if party_ref in ("", OWN, str(loan.legal_entity_id)) else party_ref


def statement_for(loan: Loan, first: dt.date, last: dt.date) -> LoanStatement:
    """The statement of a loan, by its transactions known today. Raises `PeriodReversed`, `DayBeforeLoan` when it ends before the loan."""
    if last < first:
        raise PeriodReversed(first=first, last=last)
    if last < loan.opened_on:
        raise DayBeforeLoan(on=last, opened_on=loan.opened_on)
    rows = transactions_of(loan)
    eve = first - _ONE_DAY
    before = None if eve < loan.opened_on else replay_of(loan, rows, eve)
    state = replay_of(loan, rows, last)
    return LoanStatement(loan, state, statement_between(before, state, first), {str(row.id): row for row in rows})


def party_statements(told: LoanStatement) -> list[PartyStatement]:
    """The statement by party, the lead first; together they are the whole, line by line and in every total."""
    statement = told.statement
    names = {funder.party_ref: funder.parts for funder in statement.funders} or {"": 10_000}
    sides = statement.by_party()
    merged: dict[str, PartyStatement] = {}
    for party_ref, share in names.items():
        opening, closing = sides[party_ref]
        lines = tuple(PartyLine(line, line.parts.get(party_ref, {})) for line in statement.lines)
        name = own_name(told.loan, party_ref)
        one = PartyStatement(name, share, opening, closing, lines)
        merged[name] = one if name not in merged else _together(merged[name], one)
    return list(merged.values())


def _together(one: PartyStatement, other: PartyStatement) -> PartyStatement:
    lines = (
        PartyLine(a.line, {c: a.part.get(c, ZERO) + b.part.get(c, ZERO) for c in COMPONENTS})
        for a, b in zip(one.lines, other.lines, strict=True)
    )
    return PartyStatement(
        one.party_ref, one.share + other.share, one.opening.plus(other.opening), one.closing.plus(other.closing), tuple(lines)
    )


def party_statement(told: LoanStatement, party_ref: str) -> PartyStatement:
    """One party's statement. Raises `PartyUnknown`."""
    name = own_name(told.loan, party_ref)
    for party in party_statements(told):
        if party.party_ref == name:
            return party
    raise PartyUnknown(loan=told.loan.number, party=party_ref)


def accrued_on(loan_id: UUID, day: dt.date) -> DayAccrual:
    """What ran on a loan on one day, as the close of that day booked it. Raises `LoanUnknown`, `DayBeforeLoan`."""
    return interest_history(loan_id, day, day)[0]


def interest_history(loan_id: UUID, first: dt.date, last: dt.date) -> list[DayAccrual]:
    """What ran on each day, by the transactions that were booked by its close: so the days of all loans add up to what the books accrued.

    What a late or back-dated item changes stands on the day it was booked on, as in the books. Before non-accrual is parted off.
    Raises `LoanUnknown`, `DayBeforeLoan`, `PeriodReversed`, `PeriodTooLong`.
    """
    loan = loan_of(loan_id)
    if last < first:
        raise PeriodReversed(first=first, last=last)
    if first < loan.opened_on:
        raise DayBeforeLoan(on=first, opened_on=loan.opened_on)
    if (last - first).days >= MAX_DAYS:
        raise PeriodTooLong(first=first, last=last, days=MAX_DAYS)
    days = [first + dt.timedelta(days=number) for number in range((last - first).days + 1)]
    totals = _Running(loan, transactions_of(loan))
    earlier = totals.at(first - _ONE_DAY)
    history = []
    for day in days:
        now = totals.at(day)
        history.append(_day(loan, totals.funders, day, earlier, now))
        earlier = now
    return history


def _day(
    loan: Loan, funders: Sequence[Funder], day: dt.date, earlier: Mapping[Component, Decimal], now: Mapping[Component, Decimal]
) -> DayAccrual:
    parties: dict[str, dict[Component, Decimal]] = {}
    for component in RUNNING:
        before = share_of(earlier[component], funders)
        for party_ref, part in share_of(now[component], funders).items():
            parts = parties.setdefault(own_name(loan, party_ref), dict.fromkeys(RUNNING, ZERO))
            parts[component] += part - before[party_ref]
    return DayAccrual(day, {part: now[part] - earlier[part] for part in RUNNING}, now, parties)


class _Running:
    """Running totals of interest at the close of days; one replay serves all days up to the next on which anything happens."""

    def __init__(self, loan: Loan, rows: Sequence[LoanTransaction]) -> None:
        self._loan, self._rows = loan, rows
        self._states: dict[dt.date, LoanState] = {}
        self._changes = sorted({day for row in rows for day in (row.value_date, row.business_date)})
        self._paid_out = min((row.business_date for row in rows if row.kind == Kind.DISBURSEMENT), default=loan.opened_on)
        self.funders: Sequence[Funder] = terms_of(loan).funders

    def at(self, day: dt.date) -> Mapping[Component, Decimal]:
        """Interest, penalty and compound interest from the first day of the loan to the close of `day`."""
        if day < self._paid_out:
            return dict.fromkeys(RUNNING, ZERO)
        state = self._state(day)
        tomorrow = day + _ONE_DAY
        return {
            Component.INTEREST: state.interest_accrued_to(tomorrow),
            Component.PENALTY: state.penalty_accrued_to(tomorrow),
            Component.COMPOUND: state.compound_accrued_to(tomorrow),
        }

    def _state(self, day: dt.date) -> LoanState:
        since = max(self._changes[bisect_right(self._changes, day) - 1], self._paid_out)
        known = self._replayed(since)
        due = [row.installment.due_date for row in known.rows if since < row.installment.due_date <= day]
        return self._replayed(max([since, *due]))

    def _replayed(self, day: dt.date) -> LoanState:
        if day not in self._states:
            self._states[day] = replay_of(self._loan, [row for row in self._rows if row.business_date <= day], day)
        return self._states[day]


def loans_of_month(legal_entity_id: UUID, first: dt.date, last: dt.date) -> Iterator[Loan]:
    """Loans of a legal entity that were there in a period and not settled before it, by number."""
    rows = Loan.objects.select_related("balance").filter(legal_entity_id=legal_entity_id, opened_on__lte=last)
    rows = rows.exclude(state=Loan.State.SETTLED, settled_on__lt=first).exclude(state=Loan.State.CANCELLED)
    yield from rows.order_by("number").iterator(chunk_size=500)
