"""Counter operations with money that is not the borrower's: goodwill, a merchant's refund, buy-down; and income that the loan pays."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from apps.common.money import ZERO
from apps.loans.bridge import as_core, replay_of, terms_of
from apps.loans.domain.earnings import interest_refund
from apps.loans.models import Loan, LoanTransaction
from apps.loans.services import payments
from apps.loans.services.deeds import Order, Values, _change, _move, _pay, _settle, pay_out, take_in
from apps.loans.services.servicing import hold_loan

Kind, Source = LoanTransaction.Kind, LoanTransaction.Source


def grant(loan: Loan, values: Values, order: Order) -> tuple[UUID, ...]:
    """Goodwill: the lender itself pays on what is due; a surplus is the customer's credit."""
    _move("goodwill_granted", loan, values["amount"], order)
    _pay(loan, values, order, source=Source.GOODWILL)
    return (loan.id,)


def take_merchant_refund(loan: Loan, values: Values, order: Order) -> tuple[UUID, ...]:
    """A merchant returns what it was paid: it prepays principal without a fee, and the interest it has cost is goodwill of the lender.

    Both are transactions of their own and are cancelled one by one. What ends the loan settles it; a surplus is credit.
    """
    hold_loan(loan.id)
    day, amount = values["value_date"], values["amount"]
    rows = list(LoanTransaction.objects.filter(loan=loan).order_by("value_date", "id"))
    interest = interest_refund(terms_of(loan), [as_core(row) for row in rows], amount, day)
    if interest > ZERO:
        grant(loan, {**values, "amount": interest}, replace(order, reference=f"{order.reference}-interest"))
        rows = list(LoanTransaction.objects.filter(loan=loan).order_by("value_date", "id"))
    take_in(loan, values, order)
    payoff = replay_of(loan, rows, day).payoff
    if amount >= payoff.total - payoff.fee:
        _settle(loan, amount, values, order, source=Source.MERCHANT)
        return (loan.id,)
    payments.prepay(
        loan_id=loan.id,
        amount=amount,
        mode="reduce",
        value_date=day,
        reference=order.reference,
        actor=order.actor,
        now=order.now,
        source=Source.MERCHANT,
    )
    return (loan.id,)


def buy_down(loan: Loan, values: Values, order: Order) -> tuple[UUID, ...]:
    """贴息: a dealer or the state owes the lender a part of the interest; it is earned over the loan's life."""
    particulars = {"unearned": values["unearned"]}
    return _change(loan, Kind.BUY_DOWN, values, order, amount=values["amount"], particulars=particulars, about=("payer",))


def move_buy_down(loan: Loan, values: Values, order: Order) -> tuple[UUID, ...]:
    """The payer of a buy-down pays it, or gets the rest of it back."""
    if values["way"] == "received":
        take_in(loan, values, order)
        _move("buy_down_received", loan, values["amount"], order)
    else:
        _move("buy_down_paid_back", loan, values["amount"], order)
        pay_out(loan, values, order)
    return (loan.id,)


def capitalise_income(loan: Loan, values: Values, order: Order) -> tuple[UUID, ...]:
    """A fee that joins the principal and is earned over the loan's life."""
    return _change(loan, Kind.CAPITALISED_INCOME, values, order, amount=values["amount"], about=("note",))
