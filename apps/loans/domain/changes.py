"""Changes of a running loan: further tranches, new rates, fees, a new owner. Rules: docs/rules/amortisation.md.

A handler takes the position and a transaction, and answers with what kept it from taking effect as asked, if
anything did: on entry that refuses the transaction, on replay it stays as a remark.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from enum import Enum

from apps.common.money import ZERO
from apps.loans.domain.amortisation import Amortisation, Debt, after_capitalising, amortise, keep_installment, keep_principals
from apps.loans.domain.errors import BadTerms
from apps.loans.domain.errors import said as _
from apps.loans.domain.fees import FeeTime
from apps.loans.domain.installments import changed
from apps.loans.domain.position import Lot, Position, emptied
from apps.loans.domain.terms import Component, GraceInterest, Method
from apps.loans.domain.transactions import Transaction

_LEVEL = (Method.EQUAL_INSTALLMENT, Method.BALLOON)


class Replan(Enum):
    """How the rest of a plan takes a new balance, rate or number of rows."""

    ANEW = "by the method, over the rows there are"
    SHORTEN = "same instalment, fewer rows"
    NEXT = "the next principal parts are less, those after them stay"
    SAME_PRINCIPAL = "a level instalment anew; otherwise the principal parts stay and only interest changes"


def replan(position: Position, index: int, *, running: Decimal, balance: Decimal, units_done: int, how: Replan) -> None:
    """Plan the rows from `index` on anew to pay off `balance`.

    `running` is the interest already run in row `index` and still to be paid with it (a numerator), at `units_done`.
    """
    rows, terms = position.rows, position.terms
    before = position.rest(index)
    position.balance += balance - before
    if not balance:
        position.rows = rows[:index] + [emptied(row) for row in rows[index:] if row.fee]
        return
    if terms.method is Method.FLAT and balance < before and how is not Replan.NEXT:
        position.flat_base *= balance / before
    rows[index] = changed(rows[index], units_done=units_done, carried=running)
    grace = min(max(terms.interest_grace - index, 0), len(rows) - index - 1)
    capitalises = terms.grace_interest is GraceInterest.CAPITALISED
    debt = Debt(
        balance=balance,
        rate=position.rate,
        units=[row.units - row.units_done for row in rows[index:]],
        carried=running,
        balloon=min(terms.balloon, balance),
        flat_base=position.flat_base,
        weights=position.shares[index:],
        principal_grace=min(max(terms.principal_grace - index, 0), len(rows) - index - 1),
        interest_grace=0 if capitalises else grace,
        capitalising=grace if capitalises else 0,
    )
    position.write_plan(index, _plan(position, index, debt, how), balance)


def _plan(position: Position, index: int, debt: Debt, how: Replan) -> Amortisation:
    terms = position.terms
    if debt.capitalising:
        later = index + debt.capitalising
        return after_capitalising(terms, debt, lambda rest: _plan(position, later, rest, how))
    if how is Replan.ANEW or (how is Replan.SAME_PRINCIPAL and terms.method in _LEVEL):
        return amortise(terms, debt)
    principals = [row.principal for row in position.rows[index:]]
    if how is Replan.NEXT:
        kept = keep_principals(terms, debt, _less_next(principals, sum(principals) - debt.balance))
        return replace(kept, installment=position.installment)
    if terms.method in _LEVEL:
        return keep_installment(terms, debt, position.installment)
    return keep_principals(terms, debt, principals, stop_early=how is Replan.SHORTEN)


def _less_next(principals: Sequence[Decimal], paid: Decimal) -> list[Decimal]:
    """Principal parts of which the first ones are paid."""
    answer = []
    for principal in principals:
        less = min(principal, paid)
        paid -= less
        answer.append(principal - less)
    return answer


def replan_from(position: Position, day: date, index: int, balance: Decimal, how: Replan) -> None:
    """Plan anew from `day`; interest run so far in the period stays to be paid with its row."""
    row = position.rows[index]
    done = row.units_to(day, position.terms)
    replan(position, index, running=row.run_numerator(done), balance=balance, units_done=done, how=how)


def disburse(position: Position, transaction: Transaction) -> str | None:
    """Open the loan, or pay out a further tranche and re-amortise the rest."""
    amount, day = transaction.amount or ZERO, transaction.value_date
    if position.disbursed + amount > position.terms.principal:
        raise BadTerms("amount", _("disbursements add up to more than the principal %(principal)s", principal=position.terms.principal))
    if position.opened_on is None:
        position.open(day, amount)
        position.allocate(day, Lot(transaction.id, amount), None, Component.PRINCIPAL)
        return None
    index = position.open_index(day)
    if index >= len(position.rows):
        return _("no instalment is left to pay this tranche back")
    position.allocate(day, Lot(transaction.id, amount), None, Component.PRINCIPAL)
    position.disbursed += amount
    position.flat_base += amount
    replan_from(position, day, index, position.rest(index) + amount, Replan.ANEW)
    position.charge_fees(FeeTime.DISBURSEMENT, index, amount)
    return None


def capitalise_income(position: Position, transaction: Transaction) -> str | None:
    """A fee that the loan itself pays: it joins the principal, and the rest is planned anew. It is earned over the loan's life."""
    amount, day = transaction.amount or ZERO, transaction.value_date
    index = position.open_index(day)
    if index >= len(position.rows):
        return _("no instalment is left to pay this income off")
    position.allocate(day, Lot(transaction.id, amount), None, Component.PRINCIPAL)
    position.flat_base += amount
    replan_from(position, day, index, position.rest(index) + amount, Replan.ANEW)
    return None


def buy_down(position: Position, transaction: Transaction) -> str | None:
    """Somebody pays the lender for a lower rate: no sum of the borrower's changes; it is earned over the loan's life."""
    if position.open_index(transaction.value_date) >= len(position.rows):
        return _("no instalment is left over which a buy-down could be earned")
    return None


def reset_rate(position: Position, transaction: Transaction) -> str | None:
    """A new annual rate from the value date on; penalty runs at the new rate from the same day."""
    if position.written_off_on is not None:
        return _("the loan is written off: nothing accrues on it")
    take_rate(position, transaction)
    index = position.open_index(transaction.value_date)
    if index >= len(position.rows):
        return _("no instalment is left to take the new rate")
    replan_from(position, transaction.value_date, index, position.rest(index), Replan.SAME_PRINCIPAL)
    return None


def charge_fee(position: Position, transaction: Transaction) -> str | None:
    """A fee is due on its value date and belongs to the instalment running then (the last one afterwards)."""
    return add_fee(position, transaction.value_date, transaction.id, transaction.amount or ZERO)


def add_fee(position: Position, day: date, transaction_id: str, amount: Decimal) -> str | None:
    """Charge a fee on `day` in the running instalment, or in the last one."""
    if not position.rows:
        return _("no instalment is left to bear a fee")
    index = min(position.open_index(day), len(position.rows) - 1)
    row = position.rows[index]
    position.rows[index] = changed(row, fee=row.fee + amount)
    position.first_open = min(position.first_open, index)
    position.allocate(day, Lot(transaction_id, amount), row.no, Component.FEE)
    return None


def transfer_owner(position: Position, transaction: Transaction) -> str | None:
    """Sale to an external owner, or buy-back (no owner): who holds the claim changes, no sum does."""
    owner_ref = transaction.owner_ref or ""
    if owner_ref == position.owner_ref:
        return _("the loan is already held by this owner")
    position.owner_ref = owner_ref
    return None


def take_rate(position: Position, transaction: Transaction) -> None:
    """Close the penalty segments and let the transaction's rate, if it brings one, run from its value date on."""
    if transaction.annual_rate is None:
        return
    due = position.rows[: position.due_count]
    late = [row.with_late_run(transaction.value_date, position.penalty_rate) for row in due]
    position.rows[: position.due_count] = late
    position.set_rate(transaction.annual_rate)
