"""Corrections of what is owed: adjustment 调账, and chargeback: a payment taken back by its channel.

Rules: docs/rules/back-dating.md. Handlers answer as those of `changes` do.
"""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import reduce

from apps.common.money import CENT, ZERO
from apps.loans.domain.allocation import fall_due, owed, pass_settled, payable
from apps.loans.domain.changes import Replan, add_fee, replan, replan_from
from apps.loans.domain.daycount import BASIS
from apps.loans.domain.errors import said as _
from apps.loans.domain.installments import Installment, changed
from apps.loans.domain.position import Allocation, Lot, Position
from apps.loans.domain.terms import COMPONENTS, Component
from apps.loans.domain.transactions import Transaction
from apps.loans.domain.writing_off import accelerate


def adjust(position: Position, transaction: Transaction) -> str | None:
    """Correct what is due of each component by a signed amount, up or down; down by no more than is owed."""
    day = transaction.value_date
    remarks: list[str] = []
    for component in COMPONENTS:
        change = (transaction.components or {}).get(component) or ZERO
        if change > 0:
            if (remark := _charge_more(position, day, transaction.id, component, change)) is not None:
                remarks.append(remark)
        elif change < 0:
            corrected = _charge_less(position, day, transaction.id, component, -change)
            if corrected < -change:
                remarks.append(_("only %(corrected)s of %(component)s is owed", corrected=corrected, component=component))
    pass_settled(position, day)
    return reduce(lambda first, then: _("%(first)s; %(then)s", first=first, then=then), remarks) if remarks else None


def _charge_more(position: Position, day: date, identity: str, component: Component, amount: Decimal) -> str | None:
    if component is Component.FEE:
        return add_fee(position, day, identity, amount)
    index = position.open_index(day)
    if component is Component.PRINCIPAL and index < len(position.rows) and position.rest(index):
        replan_from(position, day, index, position.rest(index) + amount, Replan.ANEW)
        position.allocate(day, Lot(identity, amount), None, component)
        return None
    if not position.due_count:
        return _("no instalment is due to bear %(component)s", component=component)
    index = min(position.first_open, position.due_count - 1)
    row = position.rows[index]
    again = row.taken_back(component, ZERO, day, position.terms, position.penalty_rate)
    if component is Component.PRINCIPAL:
        again = changed(again, principal=again.principal + amount, cleared_on=None)
    elif component is Component.INTEREST:
        again = changed(again, interest=again.interest + amount, cleared_on=None)
    else:
        again = _late_adjusted(again, component, amount)
    position.rows[index] = again
    position.first_open = index
    position.allocate(day, Lot(identity, amount), row.no, component)
    return None


def _charge_less(position: Position, day: date, identity: str, component: Component, amount: Decimal) -> Decimal:
    """Take `amount` off what is owed, oldest first, principal then also off the rest; returns what could be taken."""
    left = amount
    for index, part in list(payable(position, day)):
        if part is not component:
            continue
        row = position.rows[index]
        less = min(owed(position, index, component, day), left)
        if less <= 0:
            continue
        if component is Component.FEE:
            row = changed(row, fee=row.fee - less)
        elif component is Component.PRINCIPAL:
            row = row.with_late_run(day, position.penalty_rate)
            row = changed(row, principal=row.principal - less).cleared(day)
        elif component is Component.INTEREST:
            row = row.with_late_run(day, position.penalty_rate)
            row = changed(row, interest=row.interest - less).cleared(day)
        else:
            row = _late_adjusted(row, component, -less)
        position.rows[index] = row
        position.allocate(day, Lot(identity, -less), row.no, component)
        left -= less
    index = position.open_index(day)
    # A rest of nothing is a settlement, not a correction: its interest would have nowhere to go.
    less = min(left, position.rest(index) - CENT)
    if component is Component.PRINCIPAL and less > 0:
        replan_from(position, day, index, position.rest(index) - less, Replan.ANEW)
        position.allocate(day, Lot(identity, -less), None, component)
        left -= less
    return amount - left


def _late_adjusted(row: Installment, component: Component, change: Decimal) -> Installment:
    if component is Component.PENALTY:
        return changed(row, penalty_adjusted=row.penalty_adjusted + change)
    return changed(row, compound_adjusted=row.compound_adjusted + change)


@dataclass(slots=True)
class _Prepaid:
    """What a chargeback takes back of money that had gone beyond what was due."""

    principal: Decimal = ZERO
    interest: Decimal = ZERO
    fee: Decimal = ZERO

    def add(self, component: Component, amount: Decimal) -> None:
        if component is Component.PRINCIPAL:
            self.principal += amount
        elif component is Component.INTEREST:
            self.interest += amount
        else:
            self.fee += amount


def charge_back(position: Position, transaction: Transaction) -> str | None:
    """Money of a payment goes back on the value date; what it had paid is owed again as of then.

    First from credit, then latest allocation first, of the payment in `reverses`, or of any. What is owed again of an
    instalment is past due from the value date; what had been prepaid joins the rest, or is due at once when there is none.
    """
    day, left = transaction.value_date, transaction.amount or ZERO
    left -= _take_credit(position, transaction.reverses, left)
    prepaid = _Prepaid()
    for place in reversed(range(len(position.allocations))):
        part = position.allocations[place]
        amount = min(part.amount - position.taken_back.get(place, ZERO), left)
        if part.transaction_id not in position.payments or amount <= 0 or transaction.reverses not in (None, part.transaction_id):
            continue
        position.taken_back[place] = position.taken_back.get(place, ZERO) + amount
        left -= amount
        if part.ahead:
            prepaid.add(part.component, amount)
        else:
            _unpay(position, part, amount, day)
        position.allocations.append(Allocation(day, transaction.id, part.installment_no, part.component, -amount, ahead=part.ahead))
    _owe_again(position, day, prepaid)
    if left <= 0:
        return None
    position.credit.lots.append(Lot(transaction.id, -left, True))
    return _("only %(paid)s of it had been paid", paid=(transaction.amount or ZERO) - left)


def _take_credit(position: Position, payment: str | None, amount: Decimal) -> Decimal:
    taken = ZERO
    for lot in position.credit.lots:
        if lot.amount > 0 and payment in (None, lot.transaction_id):
            part = min(lot.amount, amount - taken)
            lot.amount -= part
            taken += part
    position.credit.lots = [lot for lot in position.credit.lots if lot.amount]
    return taken


def _unpay(position: Position, part: Allocation, amount: Decimal, day: date) -> None:
    index = next(index for index, row in enumerate(position.rows) if row.no == part.installment_no)
    position.rows[index] = position.rows[index].taken_back(part.component, amount, day, position.terms, position.penalty_rate)
    position.first_open = min(position.first_open, index)


def _owe_again(position: Position, day: date, prepaid: _Prepaid) -> None:
    """Put prepaid parts back: into the rest of the plan, or into a last instalment that is due at once."""
    if not (prepaid.principal or prepaid.interest or prepaid.fee):
        return
    position.interest_charged -= prepaid.interest
    position.flat_base = min(position.flat_base + prepaid.principal, position.disbursed)
    index = position.open_index(day)
    if index < len(position.rows) and position.rest(index):
        row = position.rows[index]
        done = row.units_to(day, position.terms)
        running = row.run_numerator(done) + prepaid.interest * BASIS[position.terms.day_count]
        balance = position.rest(index) + prepaid.principal
        replan(position, index, running=running, balance=balance, units_done=done, how=Replan.ANEW)
        row = position.rows[index]
        position.rows[index] = changed(row, fee=row.fee + prepaid.fee)
        position.first_open = min(position.first_open, index)
        return
    accelerate(position, day)
    position.rows.append(
        Installment(
            no=max((row.no for row in position.rows), default=0) + 1,
            start=day,
            end=day,
            due_date=day,
            units=0,
            principal=prepaid.principal,
            interest=prepaid.interest,
            fee=prepaid.fee,
            late_since=day,
        )
    )
    position.balance += prepaid.principal
    fall_due(position, day)
