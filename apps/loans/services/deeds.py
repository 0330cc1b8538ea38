"""What each counter operation does: one or more transactions on a loan, or on two, in one database transaction.

Every deed takes the loan, the parsed values of its fields and an `Order`, and returns the ids of the loans it touched. What it records
bears references that begin with the order's, so that the same order again changes nothing.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Final
from uuid import NAMESPACE_URL, UUID, uuid5

from django.utils.translation import gettext as _

from apps.common.actors import Actor
from apps.common.errors import BadInput
from apps.common.money import ZERO
from apps.ledger import selectors as ledger_selectors
from apps.ledger import services as ledger
from apps.ledger.domain import Posting
from apps.loans import selectors
from apps.loans.bridge import terms_of
from apps.loans.domain.errors import BadTerms
from apps.loans.domain.terms import Component, FirstInterest, GraceInterest, Method
from apps.loans.models import Loan, LoanTransaction
from apps.loans.services import payments
from apps.loans.services.changes import record_change
from apps.loans.services.errors import AmountRefused, HeldByAnother, TermsRefused
from apps.loans.services.opening import open_loan
from apps.loans.services.servicing import hold_loan
from apps.organisations.selectors import business_date, parameter

Kind = LoanTransaction.Kind
SUSPENSE: Final = "224103"
# How money that people hand over or fetch gets out of clearing again, and what takes that back.
_INWARD: Final = {"cash": "cash_received", "suspense": "suspense_released"}
_OUTWARD: Final = {"cash": "cash_paid", "suspense": "suspense_received"}
_SOURCE: Final = {"cash": LoanTransaction.Source.COUNTER, "suspense": LoanTransaction.Source.MANUAL}
# In which order a clearing forgives what the money does not cover: what weighs least for the lender first.
_FORGIVEN_FIRST: Final = (Component.PENALTY, Component.COMPOUND, Component.FEE, Component.INTEREST)
_VAT_PARAMETERS: Final = ("vat.loan_interest", "vat.leaseback", "vat.direct_lease")


@dataclass(frozen=True)
class Order:
    """By whom, when, why, and under which reference a deed is done."""

    reference: str
    reason: str
    actor: Actor
    now: dt.datetime


Values = Mapping[str, Any]
Deed = Callable[[Loan, Values, Order], tuple[UUID, ...]]


def pay(loan: Loan, values: Values, order: Order, *, source: str, part: str = "") -> None:
    """Put the amount of the values on what the loan owes."""
    payments.record_repayment(
        loan_id=loan.id,
        amount=values["amount"],
        value_date=values["value_date"],
        source=source,
        reference=order.reference + part,
        actor=order.actor,
        now=order.now,
    )


def move(event: str, loan: Loan, amount: Decimal, order: Order) -> None:
    """Post what moves money between clearing and where it lies: the till, suspense, the bank."""
    ledger.post(
        legal_entity_id=loan.legal_entity_id,
        business_date=ledger.hold_day(loan.legal_entity_id, not_before=business_date(loan.legal_entity_id)),
        event=event,
        amounts=[Posting("money", amount, subject_ref=loan.id)],
        reference=order.reference,
        narrative=_("Counter, loan %(number)s") % {"number": loan.number},
        actor=order.actor,
        now=order.now,
    )


def take_in(loan: Loan, values: Values, order: Order) -> None:
    """Money handed over, or a bank transfer that waited in suspense, comes into clearing, where the loan takes it."""
    if values["means"] == "suspense":
        hold_loan(loan.id)  # loan, balance, day: everybody waits in this order
        ledger.hold_balance(loan.legal_entity_id, SUSPENSE)
        held = ledger_selectors.balance(SUSPENSE, loan.legal_entity_id)
        if held < values["amount"]:
            raise AmountRefused(_("Suspense holds %(held)s only.") % {"held": held}, held=held)
    move(_INWARD[values["means"]], loan, values["amount"], order)


def pay_out(loan: Loan, values: Values, order: Order) -> None:
    """Money leaves clearing: in cash, or into suspense, from where finance pays it by bank."""
    move(_OUTWARD[values["means"]], loan, values["amount"], order)


def change(
    loan: Loan,
    kind: str,
    values: Values,
    order: Order,
    *,
    amount: Decimal | None = None,
    particulars: Mapping[str, Any] | None = None,
    about: tuple[str, ...] = (),
    source: str = "",
    part: str = "",
) -> tuple[UUID, ...]:
    """Record one transaction other than a payment; `part` keeps two of one order apart."""
    record_change(
        loan_id=loan.id,
        kind=kind,
        value_date=values["value_date"],
        amount=amount,
        particulars=particulars,
        about={name: values[name] for name in about if values.get(name)},
        source=source,
        reference=order.reference + part,
        reason=order.reason,
        actor=order.actor,
        now=order.now,
    )
    return (loan.id,)


# -- money ------------------------------------------------------------------------------------------------------


def repay(loan: Loan, values: Values, order: Order) -> tuple[UUID, ...]:
    """Money on what is due; a surplus is credit."""
    take_in(loan, values, order)
    pay(loan, values, order, source=_SOURCE[values["means"]])
    return (loan.id,)


def prepay(loan: Loan, values: Values, order: Order) -> tuple[UUID, ...]:
    """Part of the principal before it is due."""
    take_in(loan, values, order)
    payments.prepay(
        loan_id=loan.id,
        amount=values["amount"],
        mode=values["mode"],
        value_date=values["value_date"],
        reference=order.reference,
        actor=order.actor,
        now=order.now,
        source=_SOURCE[values["means"]],
    )
    return (loan.id,)


def settle(loan: Loan, values: Values, order: Order) -> tuple[UUID, ...]:
    """The payoff ends the loan."""
    take_in(loan, values, order)
    pay_off(loan, values["amount"], values, order, source=_SOURCE[values["means"]])
    return (loan.id,)


def pay_off(loan: Loan, amount: Decimal, values: Values, order: Order, *, source: str, about: Mapping[str, str] | None = None) -> None:
    """End the loan with an amount that is already in clearing."""
    payments.settle_early(
        loan_id=loan.id,
        value_date=values["value_date"],
        amount=amount,
        reference=f"{order.reference}/settle",
        actor=order.actor,
        now=order.now,
        source=source,
        about=about,
    )


def recover(loan: Loan, values: Values, order: Order) -> tuple[UUID, ...]:
    """Money on a claim that was written off."""
    take_in(loan, values, order)
    return change(loan, Kind.RECOVERY, values, order, amount=values["amount"], about=("note",), source=_SOURCE[values["means"]])


def refund(loan: Loan, values: Values, order: Order) -> tuple[UUID, ...]:
    """Credit goes back to the customer by way of clearing: in cash, or into suspense, from where finance pays it by bank."""
    change(loan, Kind.REFUND, values, order, amount=values["amount"])
    pay_out(loan, values, order)
    return (loan.id,)


def transfer(loan: Loan, values: Values, order: Order) -> tuple[UUID, ...]:
    """内转: suspense to the loan, or its credit to suspense or to another loan of the legal entity. Clearing is passed, not moved."""
    way, amount = values["way"], values["amount"]
    if way == "from_suspense":
        return repay(loan, {**values, "means": "suspense"}, order)
    if way == "to_suspense":
        return refund(loan, {**values, "means": "suspense"}, order)
    other = Loan.objects.within(order.actor.data_scope).filter(number=values.get("to_loan"), legal_entity=loan.legal_entity_id).first()
    if other is None or other.id == loan.id:
        raise BadInput(fields={"to_loan": [_("Enter the number of another loan of the same lender.")]})
    for loan_id in sorted((loan.id, other.id)):
        hold_loan(loan_id)
    change(loan, Kind.REFUND, values, order, amount=amount, part="/out")
    pay(other, values, order, source=LoanTransaction.Source.MANUAL, part="/in")
    return loan.id, other.id


def clear(loan: Loan, values: Values, order: Order) -> tuple[UUID, ...]:
    """清收: a last amount ends the loan; what it does not cover of penalty, fees and interest due is waived, principal never."""
    state = selectors.state_on(loan.id, values["value_date"])
    missing = state.payoff.total - values["amount"]
    if missing < ZERO:
        raise AmountRefused(_("%(payoff)s ends this loan. Enter that at most.") % {"payoff": state.payoff.total})
    forgiven: dict[str, str] = {}
    for component in _FORGIVEN_FIRST:
        part = min(missing, state.outstanding[component])
        if part > ZERO:
            forgiven[component.value] = f"{part:.2f}"
            missing -= part
    if missing > ZERO:
        least = values["amount"] + missing
        raise AmountRefused(
            _("The loan can be cleared with %(least)s at least: principal cannot be waived.") % {"least": least}, least=least
        )
    if forgiven:
        change(loan, Kind.WAIVER, values, order, particulars={"components": forgiven}, part="/waive")
    source = _SOURCE[values["means"]]
    take_in(loan, values, order)
    if loan.state == Loan.State.WRITTEN_OFF:
        return change(loan, Kind.RECOVERY, values, order, amount=values["amount"], source=source, part="/settle")
    pay_off(loan, values["amount"], values, order, source=source)
    return (loan.id,)


# -- claims and terms -------------------------------------------------------------------------------------------


def waive(loan: Loan, values: Values, order: Order) -> tuple[UUID, ...]:
    """减免: fee, penalty, compound or interest that is due, never principal."""
    return change(loan, Kind.WAIVER, values, order, particulars={"components": _components(values)})


def adjust(loan: Loan, values: Values, order: Order) -> tuple[UUID, ...]:
    """调账: corrections by component, above zero the borrower owes more."""
    return change(loan, Kind.ADJUSTMENT, values, order, particulars={"components": _components(values)})


def _components(values: Values) -> dict[str, str]:
    given = {component.value: f"{values[component.value]:.2f}" for component in Component if values.get(component.value)}
    if not given:
        raise BadInput(fields={"penalty": [_("Enter at least one amount.")]})
    return given


def charge(loan: Loan, values: Values, order: Order) -> tuple[UUID, ...]:
    """A fee, due at once."""
    return change(loan, Kind.FEE, values, order, amount=values["amount"], about=("note",))


def _terms(values: Values) -> dict[str, Any]:
    answer: dict[str, Any] = {}
    if "installments" in values:
        answer["installments"] = values["installments"]
    if "annual_rate" in values:
        answer["annual_rate"] = str(values["annual_rate"])
    if "shares" in values:
        answer["shares"] = values["shares"]
    return answer


def extend(loan: Loan, values: Values, order: Order) -> tuple[UUID, ...]:
    """展期: more instalments."""
    return change(loan, Kind.EXTENSION, values, order, particulars=_terms(values))


def change_term(loan: Loan, values: Values, order: Order) -> tuple[UUID, ...]:
    """More or fewer instalments."""
    return change(loan, Kind.TERM_CHANGE, values, order, particulars=_terms(values))


def reset_rate(loan: Loan, values: Values, order: Order) -> tuple[UUID, ...]:
    """A new rate from the value date on."""
    return change(loan, Kind.RATE_RESET, values, order, particulars=_terms(values))


def change_due_day(loan: Loan, values: Values, order: Order) -> tuple[UUID, ...]:
    """Another day of the month."""
    return change(loan, Kind.DUE_DAY_CHANGE, values, order, particulars={"due_day": values["due_day"]})


def re_amortise(loan: Loan, values: Values, order: Order) -> tuple[UUID, ...]:
    """The rest of the plan anew from what is really owed."""
    return change(loan, Kind.RE_AMORTISE, values, order, particulars=_terms(values))


def re_age(loan: Loan, values: Values, order: Order) -> tuple[UUID, ...]:
    """What is overdue goes into the rest of the plan."""
    return change(loan, Kind.RE_AGE, values, order, particulars=_terms(values))


def pause(loan: Loan, values: Values, order: Order) -> tuple[UUID, ...]:
    """No interest until a day."""
    return change(loan, Kind.INTEREST_PAUSE, values, order, particulars={"until": values["until"].isoformat()})


def terminate(loan: Loan, values: Values, order: Order) -> tuple[UUID, ...]:
    """提前收回: everything falls due."""
    return change(loan, Kind.TERMINATION, values, order, about=("note",))


def write_off(loan: Loan, values: Values, order: Order) -> tuple[UUID, ...]:
    """核销: the claim leaves the balance sheet, and stays a claim."""
    if owner := selectors.state_on(loan.id, values["value_date"]).owner_ref:
        raise HeldByAnother(loan=loan.number, owner=owner)
    particulars = {"fraud": True} if values.get("fraud") else None
    return change(loan, Kind.WRITE_OFF, values, order, particulars=particulars, about=("note",))


# -- a new loan for an old one ----------------------------------------------------------------------------------


def refinance(loan: Loan, values: Values, order: Order) -> tuple[UUID, ...]:
    """借新还旧: a new loan over the payoff of the old one, which it settles on the same day; clearing is passed, not moved.

    Tranches, grace and interest-free instalments are not agreed anew.
    """
    hold_loan(loan.id)
    payoff = selectors.payoff_quote(loan_id=loan.id, on=values["value_date"]).total
    if payoff <= ZERO:
        raise AmountRefused(_("There is nothing to be refinanced."))
    try:
        terms = replace(
            terms_of(loan),
            principal=payoff,
            annual_rate=values["annual_rate"] / 100,
            installments=values["installments"],
            method=Method(values["method"]),
            start=values["value_date"],
            first_due=values["first_due"],
            due_day=None,
            fee_upfront=ZERO,
            balloon=ZERO,
            shares=(),
            tranches=(),
            principal_grace=0,
            interest_grace=0,
            grace_interest=GraceInterest.NEXT,
            first_interest=FirstInterest.BLENDED,
            interest_free=0,
            branch_ref=str(loan.branch_id or ""),
        )
    except BadTerms as refusal:
        raise TermsRefused(refusal.told(_), field=refusal.field) from None
    new_id = open_loan(
        legal_entity_id=loan.legal_entity_id,
        borrower_ref=loan.borrower_ref,
        application_ref=uuid5(NAMESPACE_URL, f"carloan:refinance:{order.reference}"),
        terms=terms,
        value_date=values["value_date"],
        reference=f"{order.reference}/new",
        product_code=loan.product_code,
        vat_parameter=_vat_parameter(loan, values["value_date"]),
        is_lease=loan.is_lease,
        actor=order.actor,
        now=order.now,
    )
    pay_off(loan, payoff, values, order, source=LoanTransaction.Source.MANUAL)
    return loan.id, new_id


def _vat_parameter(loan: Loan, day: dt.date) -> str:
    """The tax rate under which the old loan's kind stands: leases are taxed by another one than loans."""
    for name in _VAT_PARAMETERS:
        if parameter(name, on=day, legal_entity_id=loan.legal_entity_id) == loan.interest_vat_rate:
            return name
    return _VAT_PARAMETERS[0]
