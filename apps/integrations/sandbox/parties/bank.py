"""The bank: transfers out, direct debits in, both with asynchronous results, and the day's statement.

An order states `order_no`, `amount`, `business_day` (ISO), `ordered_at?` (ISO moment) and `callback_url?`. Its number makes one
movement, however often it is sent; the same number with another amount is refused. Money moves on the business day that the order
names. Who has no money: `never_pays` never; `pays_late` not before the third day after a debit first failed; anybody
for a fault. The debtor is known by the card that identity saw, else by `id_number` in the order.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from typing import Any

from apps.integrations.sandbox.parties.identity import Registry
from apps.integrations.sandbox.wire import Refusal, Request, Response, route
from apps.integrations.sandbox.world import World

LATE_DAYS = 3
ACCOUNT_NO = "1109000000000000018"  # the lender's account with this bank


@dataclass
class Order:
    """A transfer or debit: `status` is `succeeded` or `failed` with a `reason`; `bank_ref` is the movement's serial."""

    order_no: str
    operation: str
    amount: Decimal
    business_day: dt.date
    ordered_at: str = ""
    status: str = "succeeded"
    bank_ref: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Movement:
    """A line of the statement, seen from the lender's account: `debit` is money out."""

    serial: str
    business_day: dt.date
    order_no: str
    kind: str
    direction: str
    amount: Decimal
    booked_at: str
    counterparty: str
    remark: str


@dataclass
class Books:
    """The bank's memory."""

    orders: dict[str, Order] = field(default_factory=dict)
    movements: list[Movement] = field(default_factory=list)
    short_since: dict[str, dt.date] = field(default_factory=dict)

    def move(self, order: Order, *, direction: str, counterparty: str, remark: str) -> None:
        """Book an order's movement and give the order its serial."""
        order.bank_ref = f"{order.business_day:%Y%m%d}{len(self.movements) + 1:08d}"
        self.movements.append(
            Movement(
                serial=order.bank_ref,
                business_day=order.business_day,
                order_no=order.order_no,
                kind=order.operation,
                direction=direction,
                amount=order.amount,
                booked_at=order.ordered_at,
                counterparty=counterparty,
                remark=remark,
            )
        )


def _day(text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise Refusal(422, "bad_day", "The business day is an ISO date.") from None


def _known(world: World, request: Request, operation: str) -> Order | None:
    """The order when it was sent before; refuses a number that means something else."""
    order = world.part(Books).orders.get(request.text("order_no"))
    if order and (order.operation, order.amount) != (operation, request.amount("amount")):
        raise Refusal(409, "order_conflict", "This order number was used for something else.")
    return order


def _new_order(request: Request, operation: str) -> Order:
    """The order that the request states; `ordered_at` is the sender's moment."""
    day = _day(request.text("business_day"))
    return Order(request.text("order_no"), operation, request.amount("amount"), day, request.text("ordered_at", f"{day}T12:00:00+08:00"))


def _accepted(order_no: str) -> Response:
    return Response(202, {"order_no": order_no, "status": "accepted"})


def _shown(order: Order) -> dict[str, Any]:
    return {**asdict(order), "amount": str(order.amount), "business_day": order.business_day.isoformat()}


def _report(world: World, request: Request, order: Order) -> None:
    """Send the result by callback."""
    payload = _shown(order)
    stale = payload | {"status": "processing", "reason": "", "bank_ref": ""}
    if request.fault == "wrong_amount":
        payload = payload | {"amount": str(order.amount + Decimal("0.01"))}
    world.notify("bank", request.text("callback_url", ""), payload, fault=request.fault, stale=stale)


@route("POST", "/bank/transfers", party="bank", operation="transfer")
def transfer(world: World, request: Request) -> Response:
    """`{order_no, amount, payee_name, payee_account, payee_bank, remark, …}` → accepted; result by callback."""
    order = _known(world, request, "transfer")
    if order is None:
        payee, _account = request.text("payee_name"), request.text("payee_account")
        order = _new_order(request, "transfer")
        books = world.part(Books)
        if request.fault == "refused":
            order.status, order.reason = "failed", "payee_account_closed"
        else:
            books.move(order, direction="debit", counterparty=payee, remark=request.text("remark", ""))
        books.orders[order.order_no] = order
        _report(world, request, order)
    return _accepted(order.order_no)


@route("POST", "/bank/debits", party="bank", operation="debit")
def debit(world: World, request: Request) -> Response:
    """`{order_no, amount, card_number, name, agreement_no, id_number?, …}` → accepted; result by callback."""
    order = _known(world, request, "debit")
    if order is None:
        name, card_number = request.text("name"), request.text("card_number")
        request.text("agreement_no")
        order = _new_order(request, "debit")
        books = world.part(Books)
        order.reason = _failure(world, request, order, card_number)
        if order.reason:
            order.status = "failed"
        else:
            books.move(order, direction="credit", counterparty=name, remark="代扣")
        books.orders[order.order_no] = order
        _report(world, request, order)
    return _accepted(order.order_no)


def _failure(world: World, request: Request, order: Order, card_number: str) -> str:
    """Why a debit fails; "" when it does not."""
    if request.fault == "refused":
        return "agreement_ended"
    if request.fault == "insufficient_funds":
        return "insufficient_funds"
    owner = world.part(Registry).cards.get(card_number, (request.text("id_number", ""), ""))[0]
    persona = world.persona(owner)
    if persona == "never_pays":
        return "insufficient_funds"
    if persona == "pays_late":
        short_since = world.part(Books).short_since
        since = short_since.setdefault(card_number, order.business_day)
        if (order.business_day - since).days < LATE_DAYS:
            return "insufficient_funds"
        del short_since[card_number]
    return ""


def _query(world: World, request: Request, operation: str) -> Response:
    order = world.part(Books).orders.get(request.parameters["order_no"])
    if order is None or order.operation != operation:
        raise Refusal(404, "unknown_order", "The bank never received this order.")
    return Response(200, _shown(order))


@route("GET", "/bank/transfers/{order_no}", party="bank", operation="query_transfer")
def query_transfer(world: World, request: Request) -> Response:
    """What became of a transfer; 404 means it was never received."""
    return _query(world, request, "transfer")


@route("GET", "/bank/debits/{order_no}", party="bank", operation="query_debit")
def query_debit(world: World, request: Request) -> Response:
    """What became of a debit; 404 means it was never received."""
    return _query(world, request, "debit")


@route("GET", "/bank/statements/{day}", party="bank", operation="statement")
def statement(world: World, request: Request) -> Response:
    """All movements of one business day, with totals."""
    day = _day(request.parameters["day"])
    lines = [movement for movement in world.part(Books).movements if movement.business_day == day]
    totals = {
        "count": len(lines),
        "credits": str(sum((line.amount for line in lines if line.direction == "credit"), Decimal("0.00"))),
        "debits": str(sum((line.amount for line in lines if line.direction == "debit"), Decimal("0.00"))),
    }
    shown = [{**asdict(line), "amount": str(line.amount), "business_day": day.isoformat()} for line in lines]
    return Response(200, {"account_no": ACCOUNT_NO, "business_day": day.isoformat(), "lines": shown, "totals": totals})
