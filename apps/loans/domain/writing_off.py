"""The whole claim falls due before its time: termination, and write-off 核销, after which it stands still.

Rules: docs/rules/penalty.md.
"""

from datetime import date
from decimal import Decimal

from apps.common.money import ZERO
from apps.loans.domain.allocation import fall_due, owed_by_component
from apps.loans.domain.errors import said as _
from apps.loans.domain.installments import Installment, changed
from apps.loans.domain.position import Lot, Position
from apps.loans.domain.transactions import Transaction


def write_off(position: Position, transaction: Transaction) -> str | None:
    """Let everything fall due on the value date with the interest run, and stop interest and penalty for good."""
    day = transaction.value_date
    if position.written_off_on is not None:
        return _("the loan was written off on %(written_off_on)s", written_off_on=position.written_off_on)
    accelerate(position, day)
    claim = owed_by_component(position, day)
    if not any(claim.values()):
        return _("nothing is owed")
    position.rows = [_stood_still(position, row, day) for row in position.rows]
    position.penalty_rate = Decimal(0)
    position.written_off_on = day
    position.is_fraud = transaction.fraud
    for component, amount in claim.items():
        if amount:
            position.allocate(day, Lot(transaction.id, amount), None, component)
    return None


def terminate(position: Position, transaction: Transaction) -> str | None:
    """Early recall: everything falls due on the value date with the interest run; penalty goes on on the principal."""
    day = transaction.value_date
    if position.written_off_on is not None:
        return _("the loan was written off on %(written_off_on)s", written_off_on=position.written_off_on)
    if position.terminated_on is not None:
        return _("the loan was terminated on %(terminated_on)s", terminated_on=position.terminated_on)
    accelerate(position, day)
    if not any(owed_by_component(position, day).values()):
        return _("nothing is owed")
    position.terminated_on = day
    return None


def accelerate(position: Position, day: date) -> None:
    """Put all principal not yet due, and the interest run on it, into one row that is due on `day`."""
    terms, index = position.terms, position.open_index(day)
    awaiting = [changed(row, due_date=day, late_since=day) for row in position.rows[position.due_count : index]]
    rest, principal = position.rows[index:], position.rest(index)
    if rest:
        position.end_early(day)
    position.rows[position.due_count :] = awaiting
    if rest:
        running = rest[0]
        last = changed(
            running,
            end=day,
            due_date=day,
            late_since=day,
            units=running.units_to(day, terms),
            principal=principal,
            interest=running.interest_to(day, terms),
            capitalised=ZERO,
        )
        if last.principal or last.interest or last.fee:
            position.rows.append(last)
    fall_due(position, day)


def _stood_still(position: Position, row: Installment, day: date) -> Installment:
    """Close the penalty segment; a row still within its days of grace never comes to bear any."""
    if row.is_late(day, position.terms):
        return row.with_late_run(day, position.penalty_rate)
    return changed(row, penalty_run=Decimal(0), compound_run=Decimal(0), late_since=day)
