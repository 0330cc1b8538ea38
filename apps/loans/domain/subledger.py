"""What moved on a loan in a period, whole and by funder: the sums behind statements. Rules: docs/rules/co-lending-split.md.

Everything is a difference of running totals at the close of two days, so that periods add up and parts make the whole to the 分.
The close of day D knows transactions with value date up to D, and interest and penalty to D + 1.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Final

from apps.common.money import ZERO
from apps.loans.domain.installments import NO_AMOUNTS, Amounts
from apps.loans.domain.shares import share_of, split_components
from apps.loans.domain.state import LoanState, TransactionState
from apps.loans.domain.terms import COMPONENTS, Component, Funder
from apps.loans.domain.transactions import Kind

CREDIT_USED: Final = "credit_used"
CAPITALISED: Final = "capitalised"
_ADDS: Final = frozenset({"disbursement", "capitalised_income", "fee"})
_ONE_DAY: Final = timedelta(days=1)
_MONEY_IN: Final = frozenset({Kind.REPAYMENT, Kind.PREPAYMENT, Kind.EARLY_SETTLEMENT, Kind.RECOVERY})


class Flow(StrEnum):
    """What changes a claim: owed = disbursed + charged − collected − waived + adjusted, for every component."""

    DISBURSED = "disbursed"
    CHARGED = "charged"
    COLLECTED = "collected"
    WAIVED = "waived"
    ADJUSTED = "adjusted"


FLOWS: Final = tuple(Flow)
_SIGN: Final = {Flow.DISBURSED: 1, Flow.CHARGED: 1, Flow.COLLECTED: -1, Flow.WAIVED: -1, Flow.ADJUSTED: 1}
_FLOW_OF: Final = {
    Kind.DISBURSEMENT: Flow.DISBURSED,
    Kind.CAPITALISED_INCOME: Flow.DISBURSED,
    Kind.FEE: Flow.CHARGED,
    Kind.WAIVER: Flow.WAIVED,
    **dict.fromkeys(_MONEY_IN, Flow.COLLECTED),
}
_IN_LINES: Final = (Flow.DISBURSED, Flow.COLLECTED, Flow.WAIVED)


@dataclass(frozen=True, slots=True)
class Totals:
    """Running totals of a claim by flow and component, in yuan."""

    flows: Mapping[Flow, Amounts]

    def owed(self) -> Amounts:
        """What is owed, interest not yet due included."""
        return {part: sum((_SIGN[flow] * self.flows[flow][part] for flow in FLOWS), start=ZERO) for part in COMPONENTS}

    def less(self, earlier: "Totals") -> "Totals":
        """What moved since."""
        return Totals({flow: {part: self.flows[flow][part] - earlier.flows[flow][part] for part in COMPONENTS} for flow in FLOWS})

    def plus(self, other: "Totals") -> "Totals":
        """Two parties taken as one."""
        return Totals({flow: {part: self.flows[flow][part] + other.flows[flow][part] for part in COMPONENTS} for flow in FLOWS})

    def split(self, funders: Sequence[Funder]) -> dict[str, "Totals"]:
        """Each party's part: every total is split by share, party_ref → totals."""
        parts: dict[str, dict[Flow, dict[Component, Decimal]]] = {}
        for flow in FLOWS:
            for component in COMPONENTS:
                for party, amount in share_of(self.flows[flow][component], funders).items():
                    parts.setdefault(party, {}).setdefault(flow, {})[component] = amount
        return {party: Totals(flows) for party, flows in parts.items()}


NOTHING: Final = Totals(dict.fromkeys(FLOWS, NO_AMOUNTS))


@dataclass(frozen=True, slots=True)
class Line:
    """A transaction; credit put to use on a due day (`kind` `credit_used`, `transaction_id` of the money that became credit); or
    interest that became principal (`kind` `capitalised`, `transaction_id` the number of the instalment).

    `moved` is what it added to the claim (below zero: took off), `credit` what it added to the customer's credit; `parts` splits `moved`
    by party. `principal` and `credit_after` are the balances after it. A reversed transaction moved nothing; the reversal of one that lies
    before the period takes back what that had moved.
    """

    on: date
    kind: str
    transaction_id: str
    amount: Decimal | None
    moved: Amounts
    credit: Decimal
    parts: Mapping[str, Amounts]
    principal: Decimal
    credit_after: Decimal
    reversed_by: str | None

    @property
    def allocated(self) -> Amounts:
        """What the transaction put to each component, as people read it: money in and waivers count up, as charges do."""
        sign = 1 if self.kind in _ADDS else -1
        return {component: sign * amount for component, amount in self.moved.items() if amount}


@dataclass(frozen=True, slots=True)
class Statement:
    """A loan from the opening of `first` to the close of `last`: closing = opening + what moved, per component and party."""

    first: date
    last: date
    opening: Totals
    closing: Totals
    opening_credit: Decimal
    closing_credit: Decimal
    lines: tuple[Line, ...]
    funders: tuple[Funder, ...]

    @property
    def moved(self) -> Totals:
        """What moved in the period, by flow and component."""
        return self.closing.less(self.opening)

    def by_party(self) -> dict[str, tuple[Totals, Totals]]:
        """party_ref → its totals at the opening and at the close."""
        opening, closing = self.opening.split(self.funders), self.closing.split(self.funders)
        return {party: (opening[party], closing[party]) for party in closing}


def totals_of(state: LoanState) -> Totals:
    """Running totals at the close of `state.as_of`."""
    if state.opened_on is None:
        return NOTHING
    disbursed, charged, collected, waived = (dict(NO_AMOUNTS) for _flow in range(4))
    into = {Flow.DISBURSED: disbursed, Flow.COLLECTED: collected, Flow.WAIVED: waived}
    for told in state.transactions:
        if (flow := into.get(_FLOW_OF.get(told.transaction.kind, Flow.ADJUSTED))) is not None:
            for component, amount in told.allocated.items():
                flow[component] += amount
    if not any(told.transaction.kind is Kind.DISBURSEMENT for told in state.transactions):
        disbursed[Component.PRINCIPAL] += state.terms.principal
    late, tomorrow = (Component.PENALTY, Component.COMPOUND), state.as_of + _ONE_DAY
    charged[Component.INTEREST] = state.interest_accrued_to(tomorrow)
    charged[Component.PENALTY], charged[Component.COMPOUND] = state.penalty_accrued_to(tomorrow), state.compound_accrued_to(tomorrow)
    charged[Component.FEE] = sum((row.installment.fee for row in state.rows), start=_fees_of_prepayments(state))
    owed = dict(state.outstanding)
    owed[Component.INTEREST] += state.accrued_interest + charged[Component.INTEREST] - state.interest_accrued_to(state.as_of)
    for component, today in zip(late, (state.penalty_accrued_to(state.as_of), state.compound_accrued_to(state.as_of)), strict=True):
        owed[component] += charged[component] - today
    known = Totals(
        {Flow.DISBURSED: disbursed, Flow.CHARGED: charged, Flow.COLLECTED: collected, Flow.WAIVED: waived, Flow.ADJUSTED: NO_AMOUNTS}
    ).owed()
    adjusted = {component: owed[component] - known[component] for component in COMPONENTS}
    return Totals(
        {Flow.DISBURSED: disbursed, Flow.CHARGED: charged, Flow.COLLECTED: collected, Flow.WAIVED: waived, Flow.ADJUSTED: adjusted}
    )


def _fees_of_prepayments(state: LoanState) -> Decimal:
    """Fees that were charged and collected in one, with a prepayment or settlement; they belong to no instalment."""
    money_in = {told.transaction.id for told in state.transactions if told.transaction.kind in _MONEY_IN}
    fees = (
        part.amount
        for part in state.allocations
        if part.component is Component.FEE and part.installment_no is None and part.transaction_id in money_in
    )
    return sum(fees, start=ZERO)


def statement_between(before: LoanState | None, after: LoanState, first: date) -> Statement:
    """The statement from `first` to `after.as_of`; `before` is the loan on the day before `first`, None when it was not there yet."""
    opening = NOTHING if before is None else totals_of(before)
    opening_credit = ZERO if before is None else before.credit
    return Statement(
        first=first,
        last=after.as_of,
        opening=opening,
        closing=totals_of(after),
        opening_credit=opening_credit,
        closing_credit=after.credit,
        lines=tuple(_lines(before, after, first, opening, opening_credit)),
        funders=after.terms.funders,
    )


@dataclass(frozen=True, slots=True)
class _Move:
    on: date
    kind: str
    transaction_id: str
    amount: Decimal | None
    flows: dict[Flow, Amounts]
    credit: Decimal
    reversed_by: str | None = None


def _lines(before: LoanState | None, after: LoanState, first: date, opening: Totals, opening_credit: Decimal) -> Iterable[Line]:
    """Moves with their parts and the balances after them; each flow's running total is split (`split_components`)."""
    run = {flow: dict(opening.flows[flow]) for flow in FLOWS}
    principal, credit = opening.owed()[Component.PRINCIPAL], opening_credit
    moves = _moves(after, first)
    if before is not None:
        moves = _with_undone(moves, before, after, totals_of(after).less(opening), after.credit - opening_credit)
    for move in moves:
        moved = dict(NO_AMOUNTS)
        parts: dict[str, dict[Component, Decimal]] = {}
        for flow, amounts in move.flows.items():
            for party, split in split_components(run[flow], amounts, after.terms.funders).items():
                part = parts.setdefault(party, dict(NO_AMOUNTS))
                for component, amount in split.items():
                    part[component] += _SIGN[flow] * amount
            for component, amount in amounts.items():
                run[flow][component] += amount
                moved[component] += _SIGN[flow] * amount
        principal += moved[Component.PRINCIPAL]
        credit += move.credit
        yield Line(move.on, move.kind, move.transaction_id, move.amount, moved, move.credit, parts, principal, credit, move.reversed_by)


def _moves(state: LoanState, first: date) -> list[_Move]:
    """What happened from `first` on, in its order: credit is used when the day's instalment falls due, before the day's transactions."""
    at_once: dict[str, dict[Component, Decimal]] = {}
    later: dict[tuple[date, str], dict[Component, Decimal]] = {}
    for part in state.allocations:
        if part.from_credit:
            into = later.setdefault((part.on, part.transaction_id), dict(NO_AMOUNTS))
        else:
            into = at_once.setdefault(part.transaction_id, dict(NO_AMOUNTS))
        into[part.component] += part.amount
    moves: list[tuple[tuple[date, int, int], _Move]] = []
    if _paid_out_by_itself(state) and state.terms.start >= first:
        flows: dict[Flow, Amounts] = {Flow.DISBURSED: {Component.PRINCIPAL: state.terms.principal}}
        move = _Move(state.terms.start, Kind.DISBURSEMENT.value, "", state.terms.principal, flows, ZERO)
        moves.append(((state.terms.start, -2, 0), move))
    for place, told in enumerate(state.transactions):
        if (item := told.transaction).value_date >= first:
            moves.append(((item.value_date, 0, place), _move(told, at_once.get(item.id, {}))))
    for row in state.rows:
        installment = row.installment
        if installment.capitalised and first <= installment.due_date <= state.as_of:
            became = {**NO_AMOUNTS, Component.INTEREST: -installment.capitalised, Component.PRINCIPAL: installment.capitalised}
            move = _Move(installment.due_date, CAPITALISED, str(installment.no), installment.capitalised, {Flow.ADJUSTED: became}, ZERO)
            moves.append(((installment.due_date, -2, installment.no), move))
    arrived = {told.transaction.id: told.transaction.value_date for told in state.transactions}
    for place, ((on, transaction_id), used) in enumerate(later.items()):
        if on >= first:
            move = _Move(on, CREDIT_USED, transaction_id, None, {Flow.COLLECTED: used}, -sum(used.values(), start=ZERO))
            moves.append(((on, -1 if arrived[transaction_id] < on else 1, place), move))
    return [move for _order, move in sorted(moves, key=lambda pair: pair[0])]


def _paid_out_by_itself(state: LoanState) -> bool:
    """Whether the loan opened without a disbursement among its transactions."""
    return state.opened_on is not None and not any(told.transaction.kind is Kind.DISBURSEMENT for told in state.transactions)


def _move(told: TransactionState, allocated: Amounts) -> _Move:
    item, flow = told.transaction, _FLOW_OF.get(told.transaction.kind)
    flows = {flow: allocated} if flow is not None and allocated else {}
    credit = ZERO if told.reversed_by is not None else _credit_of(told, sum(allocated.values(), start=ZERO))
    return _Move(item.value_date, item.kind.value, item.id, item.amount, flows, credit, told.reversed_by)


def _credit_of(told: TransactionState, allocated: Decimal) -> Decimal:
    """What a transaction with `allocated` of its amount put to use adds to the customer's credit."""
    item = told.transaction
    if item.kind is Kind.REFUND:
        return -(item.amount or ZERO)
    return (item.amount or ZERO) - allocated if item.kind in _MONEY_IN else ZERO


def _with_undone(moves: list[_Move], before: LoanState, after: LoanState, moved: Totals, credit: Decimal) -> list[_Move]:
    """Let the reversals of what lies before the period take back what it had moved, the last of them with all that followed from it."""
    earlier = {told.transaction.id: told for told in before.transactions}
    undoing = {
        told.transaction.id: earlier[told.transaction.reverses]
        for told in after.transactions
        if told.transaction.reverses in earlier and told.transaction.id not in earlier and told.reversed_by is None
    }
    if not undoing:
        return moves
    last = list(undoing)[-1]
    answer = [_undoing(move, undoing[move.transaction_id]) if _is_one_of(move, undoing, last) else move for move in moves]
    rest = {flow: dict(moved.flows[flow]) for flow in _IN_LINES}
    for move in answer:
        credit -= move.credit
        for flow, amounts in move.flows.items():
            for component, amount in amounts.items():
                if flow in rest:
                    rest[flow][component] -= amount
    taken_back: dict[Flow, Amounts] = {flow: amounts for flow, amounts in rest.items() if any(amounts.values())}
    return [replace(move, flows=taken_back, credit=credit) if _is(move, last) else move for move in answer]


def _is(move: _Move, transaction_id: str) -> bool:
    return move.transaction_id == transaction_id and move.kind != CREDIT_USED


def _is_one_of(move: _Move, undoing: Mapping[str, TransactionState], last: str) -> bool:
    return move.transaction_id in undoing and not _is(move, last)


def _undoing(move: _Move, target: TransactionState) -> _Move:
    """A reversal takes back what its target had moved by itself."""
    flow = _FLOW_OF.get(target.transaction.kind)
    if target.reversed_by is not None or flow is None:
        return move
    allocated = target.allocated
    back = {component: -amount for component, amount in allocated.items()}
    return replace(move, flows={flow: back}, credit=-_credit_of(target, sum(allocated.values(), start=ZERO)))
