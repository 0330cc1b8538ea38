"""Many loans sold or bought back in one go (a pool 资产池), and money between the lender and an owner; both by two people.

Rules: docs/rules/ownership.md.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Sum
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.common import approvals
from apps.common.actors import Actor
from apps.common.errors import BadInput, Conflict
from apps.common.models import ChangeRequest
from apps.common.money import CENT, MAX_MONEY, ZERO
from apps.ledger import selectors as ledger_selectors
from apps.ledger import services as ledger
from apps.ledger.domain import PARTNER, Posting
from apps.loans.models import Loan, LoanAmount
from apps.loans.selectors import LoanUnknown
from apps.loans.selectors.owners import PAYABLE, OwnerUnknown, owed_to
from apps.loans.services import owner_deeds
from apps.loans.services.deeds import SUSPENSE, Order
from apps.loans.services.errors import AmountRefused
from apps.organisations.selectors import business_date

POOL_CHANGE: Final = "loans.pool"
SETTLEMENT_CHANGE: Final = "loans.owner_settlement"
MAX_POOL: Final = 500
SALE, BUY_BACK = "sale", "buy_back"
PAID, RECEIVED = "paid", "received"
_SERVICES: Final = "apps.loans.services.pools"
_DEEDS: Final = frozenset({"loans.adjust"})


class PoolRefused(BadInput):
    """One loan of the pool cannot change hands; nothing was done with the others either."""

    code = "loan_pool_refused"
    title = gettext_lazy("A loan of this pool cannot change hands. Take it out or mend it, and send the pool again.")


def register_pools() -> None:
    """Make pools and settlements with owners kinds of change that two people decide on."""
    for name, what in ((POOL_CHANGE, "pool"), (SETTLEMENT_CHANGE, "settlement")):
        approvals.register(
            approvals.Kind(
                name=name,
                propose_permission="loans.adjust",
                check_permission="loans.approve_large",
                preview=f"{_SERVICES}.preview_{what}",
                execute=f"{_SERVICES}.execute_{what}",
            )
        )


@transaction.atomic
def propose_pool(
    *,
    legal_entity_id: UUID,
    way: str,
    owner: str,
    value_date: dt.date,
    prices: Mapping[str, Decimal],
    reason: str,
    actor: Actor,
    now: dt.datetime,
    service_rate: Decimal | None = None,
) -> ChangeRequest:
    """Put a sale (`way` sale) or buy-back (buy_back) of loans before a second person; `prices` by loan number, `service_rate` in percent.

    Raises `PoolRefused` naming the first loan that cannot change hands, `LoanUnknown`, `BadInput`, `ReasonMissing`.
    """
    if way not in (SALE, BUY_BACK) or not 0 < len(prices) <= MAX_POOL:
        raise BadInput(_("Name a sale or a buy-back, and from 1 to %(most)s loans.") % {"most": MAX_POOL})
    for price in prices.values():
        _check_money(price)
    payload = {
        "legal_entity_id": str(legal_entity_id),
        "way": way,
        "owner": owner.strip(),
        "value_date": value_date.isoformat(),
        "service_rate": "" if service_rate is None else str(service_rate),
        "prices": {number: f"{price:.2f}" for number, price in sorted(prices.items())},
        "reason": reason.strip(),
    }
    _loans_of(payload, actor)
    return approvals.propose(
        kind=POOL_CHANGE,
        legal_entity_id=legal_entity_id,
        subject=owner.strip()[:64],
        payload=payload,
        reason=reason,
        amount=sum(prices.values(), start=ZERO),
        actor=actor,
        now=now,
    )


@transaction.atomic
def preview_pool(payload: dict[str, Any], now: dt.datetime) -> dict[str, Any]:
    """What the pool would make of the books, kept with the proposal: the deeds themselves, taken back."""
    point = transaction.savepoint()
    try:
        answer = _carry_out(payload, Order("preview", payload["reason"], Actor.system("preview"), now))
        connection.check_constraints()
    finally:
        transaction.savepoint_rollback(point)
    return answer


@transaction.atomic
def execute_pool(payload: dict[str, Any], actor: Actor, now: dt.datetime, reference: str) -> dict[str, Any]:
    """Sell or buy back every loan of an approved pool, all or none."""
    actor = replace(actor, permissions=actor.permissions | _DEEDS)
    return _carry_out(payload, Order(reference, payload["reason"], actor, now))


def _carry_out(payload: Mapping[str, Any], order: Order) -> dict[str, Any]:
    loans = _loans_of(payload, order.actor)
    values: dict[str, Any] = {"owner": payload["owner"], "value_date": dt.date.fromisoformat(payload["value_date"])}
    if payload["service_rate"]:
        values["service_rate"] = Decimal(payload["service_rate"])
    deed = owner_deeds.sell if payload["way"] == SALE else owner_deeds.buy_back
    before = _booked(loans, payload["way"])
    for loan in loans:
        try:
            deed(loan, values | {"price": Decimal(payload["prices"][loan.number])}, order)
        except (BadInput, Conflict) as refused:
            raise PoolRefused(_("%(loan)s: %(why)s") % {"loan": loan.number, "why": refused.told}, loan=loan.number) from refused
    after = _booked(loans, payload["way"])
    moved = {part: after.get(part, ZERO) - before.get(part, ZERO) for part in sorted({*before, *after})}
    return {
        "way": payload["way"],
        "owner": payload["owner"],
        "value_date": payload["value_date"],
        "loans": len(loans),
        "totals": {part: f"{amount:.2f}" for part, amount in moved.items() if amount},
        "prices": payload["prices"],
    }


def _loans_of(payload: Mapping[str, Any], actor: Actor) -> list[Loan]:
    """The loans of a pool in the order in which they are locked. Raises `LoanUnknown` naming the first that is not there."""
    wanted = payload["prices"]
    found = Loan.objects.within(actor.data_scope).filter(legal_entity=payload["legal_entity_id"], number__in=list(wanted))
    loans = list(found.select_related("balance").order_by("id"))
    if missing := set(wanted) - {loan.number for loan in loans}:
        raise LoanUnknown(number=min(missing))
    return loans


def _booked(loans: Sequence[Loan], event: str) -> dict[str, Decimal]:
    """What is booked of an event: the lender's own by component, and the price."""
    rows = LoanAmount.objects.filter(loan__in=loans, event=event)
    answer: dict[str, Decimal] = {}
    for component, party, amount in rows.values_list("component", "party_ref").annotate(Sum("booked")):
        if not party or component == "price":
            answer[component] = answer.get(component, ZERO) + amount
    return answer


@transaction.atomic
def propose_settlement(
    *, legal_entity_id: UUID, owner: str, way: str, amount: Decimal, reason: str, actor: Actor, now: dt.datetime
) -> ChangeRequest:
    """Put money paid to an owner (`way` paid) or received from one (received) before a second person. Raises what `execute` would."""
    if way not in (PAID, RECEIVED):
        raise BadInput(_("Name money paid to the owner or received from it."))
    _check_money(amount)
    if actor.data_scope.kind != "all" and actor.data_scope.owner_id != legal_entity_id:
        raise OwnerUnknown(owner=owner)
    payload = {"legal_entity_id": str(legal_entity_id), "owner": owner, "way": way, "amount": f"{amount:.2f}"}
    return approvals.propose(
        kind=SETTLEMENT_CHANGE,
        legal_entity_id=legal_entity_id,
        subject=owner[:64],
        payload=payload,
        reason=reason,
        amount=amount,
        actor=actor,
        now=now,
    )


def preview_settlement(payload: dict[str, Any], now: dt.datetime) -> dict[str, Any]:
    """What is owed to the owner before and after."""
    owed, amount = _checked(payload)
    return {"owed_before": f"{owed:.2f}", "owed_after": f"{owed + _sign(payload) * amount:.2f}"}


@transaction.atomic
def execute_settlement(payload: dict[str, Any], actor: Actor, now: dt.datetime, reference: str) -> dict[str, Any]:
    """Move the money between what is owed to the owner and suspense, where bank transfers come in and are paid from."""
    entity = UUID(payload["legal_entity_id"])
    ledger.hold_balance(entity, PAYABLE, payload["owner"])
    ledger.hold_balance(entity, SUSPENSE)
    owed, amount = _checked(payload)
    day = ledger.hold_day(entity, not_before=business_date(entity))
    moves = [("partner_settlement", Posting("principal", -_sign(payload) * amount, PARTNER, payload["owner"], None))]
    moves.append(("suspense_received" if payload["way"] == PAID else "suspense_released", Posting("money", amount)))
    for event, posting in moves:
        ledger.post(
            legal_entity_id=entity,
            business_date=day,
            event=event,
            amounts=[posting],
            reference=reference,
            narrative=_("Settlement with %(owner)s") % {"owner": payload["owner"]},
            actor=actor,
            now=now,
        )
    return {"owed_before": f"{owed:.2f}", "owed_after": f"{owed + _sign(payload) * amount:.2f}"}


def _checked(payload: Mapping[str, Any]) -> tuple[Decimal, Decimal]:
    """What is owed to the owner, and the amount. Raises `OwnerUnknown`, `AmountRefused`."""
    entity, amount = UUID(payload["legal_entity_id"]), Decimal(payload["amount"])
    owed = owed_to(entity, payload["owner"])
    if payload["way"] == PAID and amount > owed:
        raise AmountRefused(_("%(owed)s is owed to this owner.") % {"owed": owed}, owed=owed)
    held = ledger_selectors.balance(SUSPENSE, entity)
    if payload["way"] == RECEIVED and amount > held:
        raise AmountRefused(_("Suspense holds %(held)s only.") % {"held": held}, held=held)
    return owed, amount


def _sign(payload: Mapping[str, Any]) -> int:
    return -1 if payload["way"] == PAID else 1


def _check_money(amount: Decimal) -> None:
    if not amount.is_finite() or not ZERO < amount <= MAX_MONEY or amount != amount.quantize(CENT):
        raise AmountRefused(_("An amount is above zero and has at most two decimals."), amount=str(amount))
