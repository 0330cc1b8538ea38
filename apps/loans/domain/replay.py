"""`state = replay(terms, transactions, as_of)`: a fold of a loan's transactions, in value-date order, over its plan.

The order of booking plays no part, and a reversed transaction never happened. Rules: docs/rules/back-dating.md.
"""

from collections.abc import Callable, Iterable
from datetime import date
from decimal import Decimal

from apps.common.money import ZERO
from apps.loans.domain import changes, corrections, payments, restructuring, writing_off
from apps.loans.domain.allocation import fall_due, note_lateness, past_due
from apps.loans.domain.duedates import IsWorkingDay
from apps.loans.domain.errors import RefusedOnEntry
from apps.loans.domain.errors import said as _
from apps.loans.domain.installments import NO_AMOUNTS, Amounts
from apps.loans.domain.position import Lot, Position
from apps.loans.domain.state import (
    LoanState,
    LoanStatus,
    RowState,
    TransactionState,
    accrued_on,
    days_past_due,
    outstanding_on,
    payoff_of,
    row_states,
)
from apps.loans.domain.terms import AllocationRule, Component, LoanTerms
from apps.loans.domain.transactions import Kind, Transaction, as_history, reversals

Handler = Callable[[Position, Transaction], str | None]

_HANDLERS: dict[Kind, Handler] = {
    Kind.DISBURSEMENT: changes.disburse,
    Kind.CAPITALISED_INCOME: changes.capitalise_income,
    Kind.RATE_RESET: changes.reset_rate,
    Kind.EXTENSION: restructuring.change_term,
    Kind.TERM_CHANGE: restructuring.change_term,
    Kind.DUE_DAY_CHANGE: restructuring.change_due_day,
    Kind.RE_AMORTISE: restructuring.re_amortise,
    Kind.RE_AGE: restructuring.re_age,
    Kind.INTEREST_PAUSE: restructuring.pause_interest,
    Kind.FEE: changes.charge_fee,
    Kind.WAIVER: payments.waive,
    Kind.ADJUSTMENT: corrections.adjust,
    Kind.REPAYMENT: payments.repay,
    Kind.PREPAYMENT: payments.prepay,
    Kind.EARLY_SETTLEMENT: payments.settle_early,
    Kind.REFUND: payments.refund,
    Kind.CHARGEBACK: corrections.charge_back,
    Kind.WRITE_OFF: writing_off.write_off,
    Kind.RECOVERY: payments.repay,
    Kind.TERMINATION: writing_off.terminate,
    Kind.OWNER_TRANSFER: changes.transfer_owner,
    Kind.BUY_DOWN: changes.buy_down,
}

_PLANNED = "tranche-"
_MERCHANT = "merchant"
_MONEY_IN = frozenset({Kind.REPAYMENT, Kind.PREPAYMENT, Kind.EARLY_SETTLEMENT, Kind.RECOVERY})


def replay(
    terms: LoanTerms,
    transactions: Iterable[Transaction],
    as_of: date,
    *,
    is_working_day: IsWorkingDay | None = None,
) -> LoanState:
    """The loan on day `as_of`: transactions with value date up to it, interest and penalty for the days before it.

    The whole principal is paid out on `terms.start`, or the tranches of the terms each on its day (as transactions
    `tranche-1` …), unless there is a disbursement among the transactions. Raises
    `BadTerms` for transactions that cannot be a loan's history.
    """
    history = as_history(terms, _with_tranches(terms, transactions))
    known = [item for item in history if item.value_date <= as_of]
    reversed_by = reversals(known)
    position = Position(terms, is_working_day)
    explicit = any(item.kind is Kind.DISBURSEMENT for item in history)
    if not explicit and as_of >= terms.start:
        position.open(terms.start, terms.principal)
    remarks: dict[str, str | None] = {}
    late: dict[str, int] = {}
    for item in known:
        if item.kind is not Kind.REVERSAL and item.id not in reversed_by:
            fall_due(position, item.value_date)
            late[item.id] = past_due(position, item.value_date)
            remarks[item.id] = _apply(position, item)
            note_lateness(position, item.value_date, late[item.id])
    fall_due(position, as_of)
    note_lateness(position, as_of, past_due(position, as_of))
    told = _told(known, position, reversed_by, remarks, late)
    is_cancelled = explicit and not any(item.kind is Kind.DISBURSEMENT and item.id not in reversed_by for item in history)
    return _state(position, as_of, told, is_cancelled=is_cancelled)


def _with_tranches(terms: LoanTerms, transactions: Iterable[Transaction]) -> list[Transaction]:
    """The transactions, with the tranches of the terms as long as nothing was paid out otherwise."""
    history = list(transactions)
    if any(item.kind is Kind.DISBURSEMENT and not item.id.startswith(_PLANNED) for item in history):
        return history
    planned = (
        Transaction(id=f"{_PLANNED}{no}", kind=Kind.DISBURSEMENT, value_date=tranche.on, amount=tranche.amount)
        for no, tranche in enumerate(terms.tranches, start=1)
    )
    return [*history, *planned]


def check_entry(
    terms: LoanTerms,
    transactions: Iterable[Transaction],
    new: Transaction,
    *,
    is_working_day: IsWorkingDay | None = None,
) -> LoanState:
    """The loan on the value date of `new` with `new` included.

    Raises `RefusedOnEntry` when replay would have to place it otherwise than asked (a prepayment that covers no
    principal, a settlement below the payoff, a waiver of more than is due …), and whatever `replay` raises.
    """
    state = replay(terms, [*transactions, new], new.value_date, is_working_day=is_working_day)
    for told in state.transactions:
        if told.transaction.id == new.id and told.remark is not None:
            raise RefusedOnEntry(new.kind, _("%(id)s refused: %(remark)s", id=new.id, remark=told.remark))
    return state


def _apply(position: Position, transaction: Transaction) -> str | None:
    if position.opened_on is None and transaction.kind is not Kind.DISBURSEMENT:
        if transaction.kind in _MONEY_IN:
            position.payments.add(transaction.id)
            position.credit.add([Lot(transaction.id, transaction.amount or ZERO)])
            return None
        if transaction.kind not in (Kind.REFUND, Kind.CHARGEBACK):
            return _("the loan is not open")
    position.rule = _rule_for(position, transaction)
    position.is_merchant = transaction.source == _MERCHANT
    remark = _HANDLERS[transaction.kind](position, transaction)
    position.rule = None
    return remark


def _rule_for(position: Position, transaction: Transaction) -> AllocationRule | None:
    """The first allocation rule of the terms for this kind of transaction and the loan's class."""
    terms = position.terms
    if not terms.allocation_rules:
        return None
    dpd = past_due(position, transaction.value_date)
    return next((rule for rule in terms.allocation_rules if rule.fits(transaction.kind, dpd, terms.class_bounds)), None)


def _told(
    known: list[Transaction],
    position: Position,
    reversed_by: dict[str, str],
    remarks: dict[str, str | None],
    late: dict[str, int],
) -> tuple[TransactionState, ...]:
    moved: dict[str, dict[Component, Decimal]] = {}
    for part in position.allocations:
        amounts = moved.setdefault(part.transaction_id, {})
        amounts[part.component] = amounts.get(part.component, ZERO) + part.amount
    answer = []
    for item in known:
        allocated: Amounts = {**NO_AMOUNTS, **moved[item.id]} if item.id in moved else NO_AMOUNTS
        answer.append(TransactionState(item, allocated, reversed_by.get(item.id), remarks.get(item.id), late.get(item.id, 0)))
    return tuple(answer)


def _state(position: Position, as_of: date, told: tuple[TransactionState, ...], *, is_cancelled: bool) -> LoanState:
    rows = row_states(position, as_of)
    dpd = days_past_due(position, rows, as_of)
    outstanding = outstanding_on(position, as_of)
    return LoanState(
        terms=position.terms,
        as_of=as_of,
        status=_status(position, rows, outstanding, dpd, is_cancelled),
        dpd=dpd,
        outstanding=outstanding,
        accrued_interest=accrued_on(position, as_of),
        payoff=payoff_of(position, as_of),
        credit=position.credit.total,
        installment=position.installment,
        rate=position.rate,
        penalty_rate=position.penalty_rate,
        interest_charged=position.interest_charged,
        opened_on=position.opened_on,
        owner_ref=position.owner_ref,
        is_fraud=position.is_fraud,
        fees_charged=position.fees_charged,
        capitalised=position.capitalised,
        ended_early=position.ended_early,
        rows=rows or _planned_rows(position, is_cancelled),
        transactions=told,
        allocations=tuple(position.allocations),
        lapses=tuple(position.lapses),
    )


def _status(position: Position, rows: tuple[RowState, ...], outstanding: Amounts, dpd: int, is_cancelled: bool) -> LoanStatus:
    if is_cancelled:
        return LoanStatus.CANCELLED
    if position.opened_on is None:
        return LoanStatus.PENDING
    to_come = any(row.installment.unpaid_interest for row in rows)
    if not any(outstanding.values()) and not to_come:
        return LoanStatus.SETTLED
    if position.written_off_on is not None:
        return LoanStatus.WRITTEN_OFF
    if position.terminated_on is not None:
        return LoanStatus.TERMINATED
    return LoanStatus.OVERDUE if dpd > position.terms.grace_days else LoanStatus.ACTIVE


def _planned_rows(position: Position, is_cancelled: bool) -> tuple[RowState, ...]:
    """The plan as signed, for a loan that is still to be paid out."""
    if is_cancelled or position.opened_on is not None:
        return ()
    planned = Position(position.terms, position.is_working_day)
    planned.open(position.terms.start, position.terms.principal)
    return row_states(planned, position.terms.start)
