"""Sale of loans to an external owner (ABS 资产证券化) and buy-back, one by one at the counter. Rules: docs/rules/ownership.md."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.common.errors import BadInput, Conflict
from apps.loans import selectors
from apps.loans.domain.state import LoanState
from apps.loans.models import Loan, LoanTransaction
from apps.loans.services.changes import record_change
from apps.loans.services.deeds import Order, Values
from apps.loans.services.errors import HeldByAnother
from apps.loans.services.ownership import transfers_in
from apps.loans.services.servicing import hold_loan
from apps.loans.services.targets import flows_of

MAX_OWNER: int = 64


class NotSold(Conflict):
    """Nobody else holds the loan."""

    code = "loan_not_sold"
    title = gettext_lazy("This loan was not sold: there is nothing to buy back.")


class ChangedHandsLater(Conflict):
    """The loan was sold or bought back on a later day."""

    code = "loan_changed_hands_later"
    title = gettext_lazy("This loan was sold or bought back on a later day. Give that day or a later one.")


class NotAllPaidOut(Conflict):
    """Part of the loan is still to be paid out."""

    code = "loan_not_all_paid_out"
    title = gettext_lazy("Part of this loan is still to be paid out. It can be sold when all of it is.")


def sell(loan: Loan, values: Values, order: Order) -> tuple[UUID, ...]:
    """The lender's share goes to another owner at a price; the lender goes on servicing it, for a fee if that is agreed."""
    hold_loan(loan.id)
    owner = values["owner"]
    if len(owner) > MAX_OWNER or owner in _taken_names(loan):
        raise BadInput(fields={"owner": [_("Enter the name of an owner who has no share of this loan, at most 64 characters.")]})
    if not _recorded(loan, order):
        state = _state_before(loan, values["value_date"])
        if state.owner_ref:
            raise HeldByAnother(loan=loan.number, owner=state.owner_ref)
        if flows_of(state).disbursed < state.terms.principal:
            raise NotAllPaidOut(loan=loan.number)
    particulars = {"owner_ref": owner}
    if values.get("service_rate"):
        if values["service_rate"] >= 100:
            raise BadInput(fields={"service_rate": [_("Enter a rate below 100 percent.")]})
        particulars["service_rate"] = str(values["service_rate"])
    return _transfer(loan, particulars, values, order)


def buy_back(loan: Loan, values: Values, order: Order) -> tuple[UUID, ...]:
    """The share comes back from its owner at a price."""
    hold_loan(loan.id)
    if not _recorded(loan, order):
        holder = _state_before(loan, values["value_date"]).owner_ref
        if not holder:
            raise NotSold(loan=loan.number)
        if holder != values.get("owner", holder):
            raise HeldByAnother(loan=loan.number, owner=holder)
    return _transfer(loan, {"owner_ref": ""}, values, order)


def _recorded(loan: Loan, order: Order) -> bool:
    """Whether this order was carried out before; it changes nothing then."""
    return LoanTransaction.objects.filter(loan=loan, reference=order.reference).exists()


def _taken_names(loan: Loan) -> set[str]:
    """Names under which somebody has a share of the loan from its first day on, the lender included."""
    funders = {str(funder["party_ref"]) for funder in loan.terms.get("funders", ())}
    return funders | {selectors.OWN, str(loan.legal_entity_id)}


def _state_before(loan: Loan, day: dt.date) -> LoanState:
    """The loan on a day. Raises `ChangedHandsLater`, for shares change hands in the order of their days."""
    latest = selectors.state_on(loan.id, max(day, loan.balance.as_of))
    if any(transfer.value_date > day for transfer in transfers_in(latest)):
        raise ChangedHandsLater(loan=loan.number, on=day)
    return selectors.state_on(loan.id, day)


def _transfer(loan: Loan, particulars: Mapping[str, Any], values: Values, order: Order) -> tuple[UUID, ...]:
    record_change(
        loan_id=loan.id,
        kind=LoanTransaction.Kind.OWNER_TRANSFER,
        value_date=values["value_date"],
        amount=values["price"],
        particulars=particulars,
        about={"note": values["note"]} if values.get("note") else {},
        reference=order.reference,
        reason=order.reason,
        actor=order.actor,
        now=order.now,
    )
    return (loan.id,)
