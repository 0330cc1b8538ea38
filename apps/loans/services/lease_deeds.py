"""Counter operations on vehicle leases: the deposit, the purchase option, the return of the car, renewal.

Rules and worked numbers: docs/rules/vehicle-lease.md.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Final
from uuid import UUID

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.common.errors import BadInput, Conflict
from apps.common.money import ZERO, round_money
from apps.ledger import selectors as ledger_selectors
from apps.loans import selectors
from apps.loans.domain.lease import settle_return
from apps.loans.models import LIVE, Lease, Loan, LoanTransaction
from apps.loans.services import deeds, lease
from apps.loans.services.changes import record_change
from apps.loans.services.deeds import Order, Values
from apps.loans.services.errors import AmountRefused
from apps.loans.services.payments import record_repayment
from apps.loans.services.servicing import hold_loan
from apps.organisations.selectors import parameter

Kind = LoanTransaction.Kind
SALE_TAX: Final = "vat.direct_lease"


class DepositSecures(Conflict):
    """The customer still owes: the deposit secures that."""

    code = "lease_deposit_secures"
    title = gettext_lazy("The customer still owes something. Offset the deposit, or settle the loan first.")


class StillOwed(Conflict):
    """The customer can buy the car when everything is paid."""

    code = "lease_still_owed"
    title = gettext_lazy("The car can be bought when everything is paid. Settle the loan first.")


class NoOption(Conflict):
    """The lease gives no option to buy the car, or the car is the customer's own."""

    code = "lease_without_option"
    title = gettext_lazy("This lease gives no option to buy the car.")


class CarIsCustomers(Conflict):
    """In a leaseback the car is the customer's own."""

    code = "lease_car_is_customers"
    title = gettext_lazy("The car is the customer's own in a leaseback.")


def take_deposit(loan: Loan, values: Values, order: Order) -> tuple[UUID, ...]:
    """保证金: money of the customer that the company holds."""
    _begun(loan)
    deeds.take_in(loan, values, order)
    _post("deposit_received", loan, {"money": values["amount"]}, order)
    return (loan.id,)


def offset_deposit(loan: Loan, values: Values, order: Order) -> tuple[UUID, ...]:
    """The deposit pays what is due."""
    _begun(loan)
    if _is_done("deposit_offset", loan, order):
        return (loan.id,)
    held = lease.deposit_held(loan)
    due = lease.due_of(selectors.state_on(loan.id, values["value_date"]))
    if values["amount"] > min(held, due):
        raise AmountRefused(_("%(held)s are held and %(due)s are due. Enter no more than either.") % {"held": held, "due": due}, held=held)
    lease.pay_from_deposit(loan, values["amount"], values["value_date"], reference=order.reference, actor=order.actor, now=order.now)
    return (loan.id,)


def refund_deposit(loan: Loan, values: Values, order: Order) -> tuple[UUID, ...]:
    """What is held goes back to the customer when nothing is owed any more."""
    agreed = _begun(loan)
    if _is_done("deposit_refunded", loan, order):
        return (loan.id,)
    held = lease.deposit_held(loan)
    if values["amount"] > held:
        raise AmountRefused(_("%(held)s are held. Enter that at most.") % {"held": held}, held=held)
    if agreed.loan.state not in (Loan.State.SETTLED, Loan.State.CANCELLED):
        raise DepositSecures(loan=loan.number)
    _post("deposit_refunded", loan, {"money": values["amount"]}, order)
    deeds.pay_out(loan, values, order)
    return (loan.id,)


def purchase(loan: Loan, values: Values, order: Order) -> tuple[UUID, ...]:
    """留购: the customer buys the car at the price of the option, and the title passes."""
    agreed = _begun(loan)
    if agreed.state == Lease.State.PURCHASED:
        return (loan.id,)
    _check_running(agreed)
    price = agreed.purchase_price
    if agreed.kind != Lease.Kind.DIRECT or price is None:
        raise NoOption(loan=loan.number)
    if agreed.loan.state != Loan.State.SETTLED:
        raise StillOwed(loan=loan.number)
    if price:
        rate: Decimal = parameter(SALE_TAX, on=values["value_date"], legal_entity_id=loan.legal_entity_id)
        tax = round_money(price * rate / (1 + rate))
        deeds.take_in(loan, {**values, "amount": price}, order)
        _post("lease_purchase", loan, {"price": price - tax, "price_vat": tax}, order)
    agreed.purchase()
    agreed.registration = values.get("registration", "")
    _end(agreed, values["value_date"], "registration")
    return (loan.id,)


def give_back(loan: Loan, values: Values, order: Order) -> tuple[UUID, ...]:
    """退车: the car comes back. Its value, then the deposit, pay the claim with the damages; what is left over is the customer's."""
    agreed = _begun(loan)
    if agreed.state == Lease.State.RETURNED:
        return (loan.id,)
    _check_running(agreed)
    if agreed.kind != Lease.Kind.DIRECT:
        raise CarIsCustomers(loan=loan.number)
    if agreed.loan.state in LIVE:
        _settle_by_car(agreed, values, order)
    elif agreed.loan.state == Loan.State.SETTLED:
        _keep_damages(loan, values, order)
    else:
        raise selectors.LoanNotRunning(loan=loan.number, state=agreed.loan.state)
    agreed.give_back()
    agreed.condition, agreed.car_value = values["condition"], values.get("car_value")
    _end(agreed, values["value_date"], "condition", "car_value")
    return (loan.id,)


def _settle_by_car(agreed: Lease, values: Values, order: Order) -> None:
    """Everything falls due on the day of the return; car and deposit pay it, what they do not cover stays owed."""
    loan, day = agreed.loan, values["value_date"]
    if damages := values.get("damages"):
        _change(loan, Kind.FEE, day, order, "/damages", amount=damages)
    state = selectors.state_on(loan.id, day)
    if agreed.loan.state != Loan.State.TERMINATED and (lease.coming_of(state) or state.accrued_interest):
        _change(loan, Kind.TERMINATION, day, order, "/recall")
        state = selectors.state_on(loan.id, day)
    parts = settle_return(claim=lease.due_of(state), car_value=values.get("car_value", ZERO), deposit=lease.deposit_held(loan))
    if parts.by_car or parts.excess:
        _post("car_returned", loan, {"claim": parts.by_car, "excess": parts.excess}, order)
    if parts.by_deposit:
        _post("deposit_offset", loan, {"money": parts.by_deposit}, order)
    for amount, part in ((parts.by_car, "/car"), (parts.by_deposit, "/deposit")):
        if amount:
            record_repayment(
                loan_id=loan.id,
                amount=amount,
                value_date=day,
                source=LoanTransaction.Source.MANUAL,
                reference=order.reference + part,
                actor=order.actor,
                now=order.now,
            )


def _keep_damages(loan: Loan, values: Values, order: Order) -> None:
    """A lease that is paid up: damages are kept from the deposit, at most what is held."""
    if values.get("car_value"):
        raise BadInput(fields={"car_value": [_("Nothing is owed any more: the car's value settles nothing.")]})
    damages = values.get("damages", ZERO)
    held = lease.deposit_held(loan)
    if damages > held:
        raise AmountRefused(_("%(held)s are held. Enter that at most.") % {"held": held}, held=held)
    if damages:
        rate: Decimal = parameter(SALE_TAX, on=values["value_date"], legal_entity_id=loan.legal_entity_id)
        tax = round_money(damages * rate / (1 + rate))
        _post("deposit_kept", loan, {"damages": damages - tax, "damages_vat": tax}, order)


def renew(loan: Loan, values: Values, order: Order) -> tuple[UUID, ...]:
    """续租: a new lease of the same car over what is still owed, the residual; the deposit goes with it."""
    agreed = _begun(loan)
    if agreed.state == Lease.State.RENEWED and agreed.renewed_by_id:
        return loan.id, agreed.renewed_by_id
    _check_running(agreed)
    old_id, new_id = deeds.refinance(loan, values, order)
    renewed = Loan.objects.get(id=new_id)
    deposit = lease.deposit_held(loan)
    agreed.renew()
    agreed.renewed_by = renewed
    _end(agreed, values["value_date"], "renewed_by")
    terms = lease.renewed_terms(agreed, deposit=deposit, price=renewed.principal)
    lease.agree_lease(loan_id=new_id, terms=terms, actor=order.actor, now=order.now)
    if agreed.vehicle:
        lease.identify_car(loan_id=new_id, vehicle=agreed.vehicle, on=values["value_date"], actor=order.actor, now=order.now)
    if deposit:
        _post("deposit_refunded", loan, {"money": deposit}, order)
        _post("deposit_received", renewed, {"money": deposit}, order)
    return old_id, new_id


def _begun(loan: Loan) -> Lease:
    """The lease with the loan as it stands now, both under lock. Raises `LeaseUnknown`."""
    hold_loan(loan.id)
    return lease.lease_under_lock(loan)


def _check_running(held: Lease) -> None:
    if held.state != Lease.State.RUNNING:
        raise lease.LeaseEnded(loan=held.loan.number)


def _end(held: Lease, day: dt.date, *fields: str) -> None:
    held.ended_on = day
    held.save(update_fields=["state", "ended_on", *fields])


def _change(loan: Loan, kind: str, day: dt.date, order: Order, part: str, *, amount: Decimal | None = None) -> None:
    record_change(
        loan_id=loan.id,
        kind=kind,
        value_date=day,
        amount=amount,
        reference=order.reference + part,
        reason=order.reason,
        actor=order.actor,
        now=order.now,
    )


def _post(event: str, loan: Loan, amounts: dict[str, Decimal], order: Order) -> None:
    lease.post_lease(event, loan, amounts, reference=order.reference, actor=order.actor, now=order.now)


def _is_done(event: str, loan: Loan, order: Order) -> bool:
    return bool(ledger_selectors.references_of(loan.legal_entity_id, event, [order.reference]))
