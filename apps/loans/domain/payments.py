"""Money from the customer: repayment, prepayment, early settlement, refund, and the payoff they are measured by.

Rules: docs/rules/waterfall.md, docs/rules/prepayment.md.
"""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from apps.common.money import CENT, ZERO, round_money
from apps.loans.domain.allocation import owed_by_component, pay_due, waive_due
from apps.loans.domain.changes import Replan, replan
from apps.loans.domain.daycount import BASIS
from apps.loans.domain.errors import BadTerms
from apps.loans.domain.errors import said as _
from apps.loans.domain.position import Lot, Position, Purse
from apps.loans.domain.terms import COMPONENTS, Advance, AllocationRule, Component
from apps.loans.domain.transactions import PrepaymentMode, Transaction

_WAIVABLE = tuple(part for part in COMPONENTS if part is not Component.PRINCIPAL)
_TAKEN_OFF = {Advance.NEXT: Replan.NEXT, Advance.LAST: Replan.SHORTEN, Advance.RE_AMORTISE: Replan.ANEW}
_HOW = {PrepaymentMode.REDUCE: Replan.ANEW, PrepaymentMode.SHORTEN: Replan.SHORTEN}


@dataclass(frozen=True, slots=True)
class Payoff:
    """What ends the loan on a day: all that is due, then interest run, fee and principal of what is not, less credit."""

    due: dict[Component, Decimal]
    interest: Decimal
    fee: Decimal
    principal: Decimal
    credit: Decimal

    @property
    def due_total(self) -> Decimal:
        return sum(self.due.values(), start=ZERO)

    @property
    def total(self) -> Decimal:
        """Yuan to be paid; never below zero."""
        return max(self.due_total + self.interest + self.fee + self.principal - self.credit, ZERO)


def payoff_on(position: Position, day: date) -> Payoff:
    """The payoff of a position brought up to `day`."""
    index = position.open_index(day)
    due = owed_by_component(position, day)
    for row in position.rows[position.due_count : index]:
        due[Component.PRINCIPAL] += row.unpaid_principal
        due[Component.INTEREST] += row.unpaid_interest
    principal = position.rest(index)
    interest = position.rows[index].interest_to(day, position.terms) if index < len(position.rows) else ZERO
    return Payoff(due, interest, prepayment_fee(position, principal, index), principal, position.credit.total)


def prepayment_fee(position: Position, principal: Decimal, instalments_over: int) -> Decimal:
    """A percentage of the principal prepaid, at least the floor; none once N instalments have fallen due, none from a merchant."""
    terms = position.terms
    free_after = terms.prepay_fee_free_after
    if not principal or position.is_merchant or (free_after is not None and instalments_over >= free_after):
        return ZERO
    return max(round_money(principal * terms.prepay_fee_rate, terms.rounding.value), terms.prepay_fee_floor)


def repay(position: Position, transaction: Transaction) -> str | None:
    """Settle what is due; a surplus is credit, or pays what is not yet due where the terms say so."""
    purse = _money_of(position, transaction)
    pay_due(position, transaction.value_date, purse)
    if position.rule is not None and position.rule.ahead and purse.total > 0:
        _pay_ahead(position, transaction.value_date, purse, position.rule)
    position.credit.add(purse.lots)
    return None


def _pay_ahead(position: Position, day: date, purse: Purse, rule: AllocationRule) -> None:
    """Pay interest run and principal to come, by the rule; interest that is left stays to be paid with its row."""
    index = position.open_index(day)
    if index >= len(position.rows) or not (rest := position.rest(index)):
        return
    position.pull_in(index)
    pay_due(position, day, purse)
    row, terms = position.rows[index], position.terms
    run, done = row.interest_to(day, terms), row.units_to(day, terms)
    paid = {Component.INTEREST: ZERO, Component.PRINCIPAL: ZERO}
    for component in rule.ahead:
        most = run
        if component is Component.PRINCIPAL:
            # Interest that is left has to be paid with a row: the last 分 of principal stays with it.
            unpaid = run - paid[Component.INTEREST]
            ends = not unpaid or (Component.INTEREST in rule.ahead and purse.total >= rest + unpaid)
            most = rest if ends else rest - CENT
        paid[component] = min(purse.total, most)
        for lot in purse.draw(paid[component]):
            position.allocate(day, lot, row.no if component is Component.INTEREST else None, component, ahead=True)
    interest, principal = paid[Component.INTEREST], paid[Component.PRINCIPAL]
    position.interest_charged += interest
    running = Decimal(0) if interest == run else row.run_numerator(done) - interest * BASIS[terms.day_count]
    how = _TAKEN_OFF[rule.advance] if principal else Replan.NEXT
    if principal == rest:
        position.end_early(day)
    replan(position, index, running=running, balance=rest - principal, units_done=done, how=how)


def prepay(position: Position, transaction: Transaction) -> str | None:
    """Due parts first, then interest run, then the fee; the rest is principal. One that falls short is a repayment."""
    amount, day = transaction.amount or ZERO, transaction.value_date
    payoff = payoff_on(position, day)
    beyond = amount - payoff.due_total - payoff.interest
    fee, principal = _split_fee(position, beyond, payoff.principal, position.open_index(day))
    if principal <= 0:
        repay(position, transaction)
        return _("the amount leaves nothing to prepay; it counts as a repayment")
    purse = _money_of(position, transaction)
    _take(position, day, purse, payoff, fee, principal, _HOW[transaction.mode])
    position.credit.add(purse.lots)
    return None


def settle_early(position: Position, transaction: Transaction) -> str | None:
    """End the loan with the payoff, credit used first; one that no longer covers leaves the difference open.

    The difference stays as principal and is paid with the next instalments, as after a prepayment that shortens.
    """
    amount, day = transaction.amount or ZERO, transaction.value_date
    payoff = payoff_on(position, day)
    remark = None
    if amount >= payoff.total:
        fee, principal = payoff.fee, payoff.principal
    else:
        beyond = amount + payoff.credit - payoff.due_total - payoff.interest
        fee, principal = _split_fee(position, beyond, payoff.principal, position.open_index(day))
        remark = _(
            "the payoff on %(day)s is %(payoff)s; the difference of %(difference)s stays open",
            day=day,
            payoff=payoff.total,
            difference=payoff.total - amount,
        )
        if principal <= 0:
            repay(position, transaction)
            return remark
    purse = Purse([*position.credit.lots, *_money_of(position, transaction).lots])
    position.credit = Purse()
    _take(position, day, purse, payoff, fee, principal, Replan.SHORTEN)
    position.credit.add(purse.lots)
    return remark


def refund(position: Position, transaction: Transaction) -> str | None:
    """Pay credit back. More than there is leaves credit below zero: the customer owes it (only after a back-dated item)."""
    amount = transaction.amount or ZERO
    at_hand = max(position.credit.total, ZERO)
    for _lot in position.credit.draw(min(amount, at_hand)):
        pass
    if amount <= at_hand:
        return None
    position.credit.lots.append(Lot(transaction.id, at_hand - amount, True))
    return _("only %(at_hand)s of credit can be refunded", at_hand=at_hand)


def waive(position: Position, transaction: Transaction) -> str | None:
    """Forgive what is due of fee, penalty, compound or interest, by component or in the order of the waterfall."""
    asked = transaction.components
    limits: dict[Component, Decimal | None] = dict(asked) if asked else dict.fromkeys(_WAIVABLE)
    if Component.PRINCIPAL in limits:
        raise BadTerms("components", _("principal cannot be waived"))
    amount = transaction.amount
    waived = waive_due(position, transaction.value_date, transaction.id, limits, amount)
    wanted = amount if amount is not None else sum((part for part in limits.values() if part), start=waived)
    return _("only %(waived)s is due to be waived", waived=waived) if waived < wanted else None


def _money_of(position: Position, transaction: Transaction) -> Purse:
    position.payments.add(transaction.id)
    return Purse([Lot(transaction.id, transaction.amount or ZERO)])


def _split_fee(position: Position, beyond: Decimal, balance: Decimal, instalments_over: int) -> tuple[Decimal, Decimal]:
    """(fee, principal) that an amount beyond due parts and interest buys; principal never above `balance`."""
    if beyond <= 0 or not balance:
        return ZERO, ZERO
    whole_fee = prepayment_fee(position, balance, instalments_over)
    if beyond >= balance + whole_fee:
        return whole_fee, balance
    if not whole_fee:
        return ZERO, beyond
    terms = position.terms
    principal = round_money(beyond / (1 + terms.prepay_fee_rate), terms.rounding.value)
    if principal + prepayment_fee(position, principal, instalments_over) > beyond:
        principal -= CENT
    fee = max(beyond - principal, terms.prepay_fee_floor)
    return fee, min(beyond - fee, balance)


def _take(position: Position, day: date, purse: Purse, payoff: Payoff, fee: Decimal, principal: Decimal, how: Replan) -> None:
    """Pay due parts, interest run, fee and principal out of `purse`, and plan the rest anew."""
    index = position.open_index(day)
    position.pull_in(index)
    pay_due(position, day, purse)
    running_no = position.rows[index].no if index < len(position.rows) else None
    parts = (
        (Component.INTEREST, payoff.interest, running_no),
        (Component.FEE, fee, None),
        (Component.PRINCIPAL, principal, None),
    )
    for component, amount, installment_no in parts:
        for lot in purse.draw(amount):
            position.allocate(day, lot, installment_no, component, ahead=True)
    position.interest_charged += payoff.interest
    if index < len(position.rows):
        done = position.rows[index].units_to(day, position.terms)
        balance = payoff.principal - principal
        if not balance:
            position.end_early(day)
        replan(position, index, running=Decimal(0), balance=balance, units_done=done, how=how)
