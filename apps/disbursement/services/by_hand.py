"""The result of an order from people: what the bank said on paper or by phone, told by one and confirmed by another."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext_lazy as _

from apps.common import approvals
from apps.common.actors import Actor
from apps.common.errors import BadInput, Conflict, NotFound
from apps.common.models import ChangeRequest
from apps.common.money import ZERO
from apps.disbursement.domain import OUTCOMES_BY_HAND
from apps.disbursement.models import Disbursement, RepaymentOrder
from apps.disbursement.services import results, transfers

KIND = "disbursement.payment_result"
_WAITING = ("submitted", "processing", "unknown")


class NoSuchOrder(NotFound):
    """There is no such order in the actor's view."""

    code = "no_such_order"
    title = _("There is no payment with this order number.")


class OrderHasEnded(Conflict):
    """The bank's answer came meanwhile, or the order has not been sent."""

    code = "order_has_ended"
    title = _("This payment does not wait for a result.")


def order_of(order_no: str) -> Disbursement | RepaymentOrder:
    """The payment out or in that goes under an order number now. Raises `NoSuchOrder`."""
    found = Disbursement.objects.filter(order_no=order_no).first() or RepaymentOrder.objects.filter(order_no=order_no).first()
    if found is None:
        raise NoSuchOrder(order_no=order_no)
    return found


def propose_result(
    *, order_no: str, outcome: str, bank_ref: str, reason: str, actor: Actor, now: dt.datetime, amount: Decimal | None = None
) -> ChangeRequest:
    """Propose how an order without a result has ended; another person decides, and only then it counts.

    `outcome` is `succeeded`, which needs the bank's number, or `failed`. `amount` in yuan is what came, when a debit brought in another
    amount than ordered; it counts as a repayment. Raises `NoSuchOrder`, `OrderHasEnded`.
    """
    order = order_of(order_no)
    if not type(order).objects.within(actor.data_scope).filter(id=order.id).exists():
        raise NoSuchOrder(order_no=order_no)
    return approvals.propose(
        kind=KIND,
        legal_entity_id=order.legal_entity_id,
        subject=order_no,
        payload={
            "order_no": order_no,
            "outcome": outcome,
            "bank_ref": bank_ref.strip(),
            "reason": reason.strip(),
            "amount": "" if amount is None or amount == order.amount else str(amount),
        },
        reason=reason,
        amount=Decimal(order.amount) if amount is None else amount,
        actor=actor,
        now=now,
    )


def preview_result(payload: dict[str, Any], _now: dt.datetime) -> dict[str, Any]:
    """What is known of the order, and what it would become; changes nothing."""
    order = order_of(payload["order_no"])
    if payload["outcome"] not in OUTCOMES_BY_HAND:
        raise BadInput(fields={"outcome": [str(_("Choose succeeded or failed."))]})
    if payload["outcome"] == "succeeded" and not payload["bank_ref"]:
        raise BadInput(fields={"bank_ref": [str(_("Money that has moved bears the bank's number. Please enter it."))]})
    if order.state not in _WAITING:
        raise OrderHasEnded(state=order.state)
    shown = {"order_no": payload["order_no"], "amount": str(order.amount), "state": order.state, "becomes": payload["outcome"]}
    if payload["amount"]:
        if isinstance(order, Disbursement) or payload["outcome"] != "succeeded" or Decimal(payload["amount"]) <= ZERO:
            raise BadInput(fields={"amount": [str(_("Only a payment in that succeeded can have brought another amount."))]})
        shown["came"] = payload["amount"]
    return shown


def execute_result(payload: dict[str, Any], actor: Actor, now: dt.datetime, reference: str) -> dict[str, Any]:
    """Apply the result that two people agreed on, as if the bank had told it. Raises `OrderHasEnded`."""
    order = order_of(payload["order_no"])
    told: dict[str, Any] = {
        "order_no": payload["order_no"],
        "outcome": payload["outcome"],
        "amount": Decimal(payload["amount"] or order.amount) if payload["outcome"] == "succeeded" else None,
        "bank_ref": payload["bank_ref"],
        "reason": f"{payload['reason']} ({reference})",
        "now": now,
    }
    if isinstance(order, Disbursement):
        verdict = transfers.record_transfer_result(**told)
    else:
        verdict = results.record_debit_result(**told, agreed=True)
    if verdict != "apply":
        raise OrderHasEnded(verdict=verdict)
    return {"order_no": payload["order_no"], "state": payload["outcome"]}
