"""Changes of a running loan's plan: further tranches, new rates, new terms. Rules: docs/rules/amortisation.md.

A handler takes the position and a transaction, and answers with what kept it from taking effect as asked, if
anything did: on entry that refuses the transaction, on replay it stays as a remark.
"""

from dataclasses import replace
from decimal import Decimal
from enum import Enum

from apps.common.money import ZERO
from apps.loans.domain.amortisation import Amortisation, Debt, amortise, keep_installment, keep_principals
from apps.loans.domain.duedates import periods
from apps.loans.domain.errors import BadTerms, UnsupportedTransaction
from apps.loans.domain.position import Lot, Position, blank_installment, emptied
from apps.loans.domain.terms import Component, Method
from apps.loans.domain.transactions import Kind, Transaction

_LEVEL = (Method.EQUAL_INSTALLMENT, Method.BALLOON)
_FIXED_ROWS = (Method.BULLET, Method.CUSTOM, Method.STEP)


class Replan(Enum):
    """How the rest of a plan takes a new balance, rate or number of rows."""

    ANEW = "by the method, over the rows there are"
    SHORTEN = "same instalment, fewer rows"
    SAME_PRINCIPAL = "a level instalment anew; otherwise the principal parts stay and only interest changes"


def replan(position: Position, index: int, *, running: Decimal, balance: Decimal, units_done: int, how: Replan) -> None:
    """Plan the rows from `index` on anew to pay off `balance`.

    `running` is the interest already run in row `index` and still to be paid with it (a numerator), at `units_done`.
    """
    rows, terms = position.rows, position.terms
    before = sum((row.principal for row in rows[index:]), start=ZERO)
    position.balance += balance - before
    if not balance:
        position.rows = rows[:index] + [emptied(row) for row in rows[index:] if row.fee]
        return
    if terms.method is Method.FLAT and before:
        position.flat_base *= balance / before
    rows[index] = replace(rows[index], units_done=units_done, carried=running)
    debt = Debt(
        balance=balance,
        rate=position.rate,
        units=[row.units - row.units_done for row in rows[index:]],
        carried=running,
        balloon=min(terms.balloon, balance),
        flat_base=position.flat_base,
        weights=terms.shares[index:],
    )
    position.write_plan(index, _plan(position, index, debt, how), balance)


def _plan(position: Position, index: int, debt: Debt, how: Replan) -> Amortisation:
    terms = position.terms
    if how is Replan.ANEW or (how is Replan.SAME_PRINCIPAL and terms.method in _LEVEL):
        return amortise(terms, debt)
    if terms.method in _LEVEL:
        return keep_installment(terms, debt, position.installment)
    principals = [row.principal for row in position.rows[index:]]
    return keep_principals(terms, debt, principals, stop_early=how is Replan.SHORTEN)


def _replan_from(position: Position, transaction: Transaction, index: int, balance: Decimal, how: Replan) -> None:
    """Plan anew from the value date; interest run so far in the period stays to be paid with its row."""
    row = position.rows[index]
    done = row.units_to(transaction.value_date, position.terms)
    replan(position, index, running=row.run_numerator(done), balance=balance, units_done=done, how=how)


def _rest(position: Position, index: int) -> Decimal:
    return sum((row.principal for row in position.rows[index:]), start=ZERO)


def disburse(position: Position, transaction: Transaction) -> str | None:
    """Open the loan, or pay out a further tranche and re-amortise the rest."""
    amount, day = transaction.amount or ZERO, transaction.value_date
    if position.disbursed + amount > position.terms.principal:
        raise BadTerms("amount", f"disbursements add up to more than the principal {position.terms.principal}")
    position.allocate(day, Lot(transaction.id, amount), None, Component.PRINCIPAL)
    if position.opened_on is None:
        position.open(day, amount)
        return None
    index = position.open_index(day)
    if index >= len(position.rows):
        raise BadTerms("value_date", f"tranche {transaction.id} comes after the last due date")
    position.disbursed += amount
    _replan_from(position, transaction, index, _rest(position, index) + amount, Replan.ANEW)
    return None


def reset_rate(position: Position, transaction: Transaction) -> str | None:
    """A new annual rate from the value date on; penalty runs at the new rate from the same day."""
    if position.written_off_on is not None:
        return "the loan is written off: nothing accrues on it"
    _take_rate(position, transaction)
    index = position.open_index(transaction.value_date)
    if index >= len(position.rows):
        return "no instalment is left to take the new rate"
    _replan_from(position, transaction, index, _rest(position, index), Replan.SAME_PRINCIPAL)
    return None


def change_term(position: Position, transaction: Transaction) -> str | None:
    """A new total number of instalments, from the running one on; an extension may only lengthen the loan."""
    terms, total = position.terms, transaction.installments or 0
    terms.check_span(total)
    if terms.method in _FIXED_ROWS:
        raise UnsupportedTransaction(transaction.kind, f"of a {terms.method} loan is not supported yet")
    index = position.open_index(transaction.value_date)
    if index >= len(position.rows):
        return "no instalment is left to change"
    if total <= index:
        return f"{index} instalments are already over"
    if transaction.kind is Kind.EXTENSION and total <= len(position.rows):
        return f"an extension must lengthen the loan beyond {len(position.rows)} instalments"
    balance = _rest(position, index)
    if transaction.annual_rate is not None:
        _take_rate(position, transaction)
    more = periods(
        terms,
        count=total,
        opened_on=position.opened_on or terms.start,
        after=len(position.rows),
        is_working_day=position.is_working_day,
    )
    # Rows that go leave their principal to the rest: the sum is restored by `replan`.
    position.balance -= sum((row.principal for row in position.rows[total:]), start=ZERO)
    position.rows = position.rows[:total] + [blank_installment(period) for period in more]
    _replan_from(position, transaction, index, balance, Replan.ANEW)
    return None


def charge_fee(position: Position, transaction: Transaction) -> str | None:
    """A fee is due on its value date and belongs to the instalment running then (the last one afterwards)."""
    if not position.rows:
        return "no instalment is left to bear a fee"
    amount = transaction.amount or ZERO
    index = min(position.open_index(transaction.value_date), len(position.rows) - 1)
    row = position.rows[index]
    position.rows[index] = replace(row, fee=row.fee + amount)
    position.first_open = min(position.first_open, index)
    position.allocate(transaction.value_date, Lot(transaction.id, amount), row.no, Component.FEE)
    return None


def _take_rate(position: Position, transaction: Transaction) -> None:
    if transaction.annual_rate is None:
        return
    due = position.rows[: position.due_count]
    late = [row.with_late_run(transaction.value_date, position.penalty_rate) for row in due]
    position.rows[: position.due_count] = late
    position.set_rate(transaction.annual_rate)
