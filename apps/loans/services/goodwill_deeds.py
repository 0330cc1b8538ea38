"""Counter operations with money that is not the borrower's: goodwill, a merchant's refund, buy-down; and income that the loan pays."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Final
from uuid import UUID

from django.utils.translation import gettext as _

from apps.common.money import ZERO
from apps.ledger import selectors as ledger_selectors
from apps.loans import selectors
from apps.loans.bridge import BadTerms, refund_of
from apps.loans.models import Loan, LoanAmount, LoanTransaction
from apps.loans.services import payments
from apps.loans.services.deeds import Order, Values, change, move, pay, pay_off, pay_out, take_in
from apps.loans.services.errors import AmountRefused, TermsRefused
from apps.loans.services.servicing import hold_loan, open_file

Kind, Source = LoanTransaction.Kind, LoanTransaction.Source
BUY_DOWNS: Final = "122102"


def grant(loan: Loan, values: Values, order: Order) -> tuple[UUID, ...]:
    """Goodwill: the lender itself pays on what is due; a surplus is the customer's credit."""
    move("goodwill_granted", loan, values["amount"], order)
    pay(loan, values, order, source=Source.GOODWILL)
    return (loan.id,)


def take_merchant_refund(loan: Loan, values: Values, order: Order) -> tuple[UUID, ...]:
    """A merchant returns what it was paid: it prepays principal without a fee, and the interest it has cost is goodwill of the lender.

    Both are transactions of their own and are cancelled one by one. What ends the loan settles it; a surplus is credit.
    """
    day, amount = values["value_date"], values["amount"]
    interest = interest_given_back(loan, values, order)
    if interest > ZERO:
        grant(loan, {**values, "amount": interest}, replace(order, reference=f"{order.reference}-interest"))
    take_in(loan, values, order)
    payoff = selectors.state_on(loan.id, day).payoff
    about = {"payer": values["payer"]}
    if amount >= payoff.total - payoff.fee:
        pay_off(loan, amount, values, order, source=Source.MERCHANT, about=about)
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
        about=about,
    )
    return (loan.id,)


def interest_given_back(loan: Loan, values: Values, order: Order) -> Decimal:
    """What a merchant's refund gives back of the interest, under the loan's lock. Raises `ValueDateRefused`, `TermsRefused`."""
    file = open_file(loan.id, order.actor, order.now)
    file.check_value_date(values["value_date"])
    try:
        return refund_of(file.loan, file.transactions, values["amount"], values["value_date"])
    except BadTerms as refusal:
        raise TermsRefused(refusal.told(_), field=refusal.field) from None


def buy_down(loan: Loan, values: Values, order: Order) -> tuple[UUID, ...]:
    """贴息: a dealer or the state owes the lender a part of the interest; it is earned over the loan's life."""
    particulars = {"unearned": values["unearned"]}
    return change(loan, Kind.BUY_DOWN, values, order, amount=values["amount"], particulars=particulars, about=("payer",))


def move_buy_down(loan: Loan, values: Values, order: Order) -> tuple[UUID, ...]:
    """The payer of a buy-down pays what it owes, or gets back at most what it paid."""
    hold_loan(loan.id)
    owed = ledger_selectors.balance(BUY_DOWNS, loan.legal_entity_id, subject_ref=loan.id)
    most = owed if values["way"] == "received" else _booked(loan) - owed
    if values["amount"] > most:
        raise AmountRefused(_("Enter at most %(most)s.") % {"most": max(most, ZERO)}, most=max(most, ZERO))
    if values["way"] == "received":
        take_in(loan, values, order)
        move("buy_down_received", loan, values["amount"], order)
    else:
        move("buy_down_paid_back", loan, values["amount"], order)
        pay_out(loan, values, order)
    return (loan.id,)


def _booked(loan: Loan) -> Decimal:
    """What of the loan's buy-downs was to come from their payers, less what goes back to them."""
    rows = LoanAmount.objects.filter(loan=loan, component="subsidy", event__in=("deferred", "deferred_returned"))
    return sum((row.booked if row.event == "deferred" else -row.booked for row in rows), start=ZERO)


def capitalise_income(loan: Loan, values: Values, order: Order) -> tuple[UUID, ...]:
    """A fee that joins the principal and is earned over the loan's life."""
    return change(loan, Kind.CAPITALISED_INCOME, values, order, amount=values["amount"], about=("note",))
