"""Funders and the money they have put at our disposal 头寸."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Sum
from django.utils.translation import gettext_lazy as _

from apps.common.actors import Actor
from apps.common.errors import BadInput, Conflict, NotFound
from apps.common.money import ZERO
from apps.common.outbox import publish
from apps.common.privacy import mask_card
from apps.disbursement.events import PositionRanLow
from apps.disbursement.models import Funder, FundingAccount, PositionMovement
from apps.flows import services as flows
from apps.ledger import services as ledger
from apps.ledger.domain import Posting
from apps.organisations import selectors as organisations

_Kind = PositionMovement.Kind


class PositionShort(Conflict):
    """The funding account does not hold enough."""

    code = "position_short"
    title = _("The position is short. Top up the funding account, then try again.")


class QuotaUsedUp(PositionShort):
    """The funder gives no more on this business day."""

    code = "day_quota_used_up"
    title = _("The funder's day quota is used up. Choose another funder, or send tomorrow.")


class NoSuchAccount(NotFound):
    """There is no such funding account in the actor's view."""

    code = "no_such_funding_account"
    title = _("There is no such funding account.")


class ReferenceTaken(Conflict):
    """A movement of another amount goes under this reference."""

    code = "position_reference_taken"
    title = _("This reference is taken by a movement of another amount. Check the amount, or use another reference.")


class FunderCodeTaken(Conflict):
    """The legal entity has a funder of this code."""

    code = "funder_code_taken"
    title = _("A funder with this code exists already.")


@transaction.atomic
def create_funder(
    *,
    legal_entity_id: UUID,
    code: str,
    name: str,
    bank: str,
    account_number: str,
    actor: Actor,
    now: dt.datetime,
    kind: str = Funder.Kind.OWN,
    **options: Any,
) -> Funder:
    """A new funder with its funding account, empty as yet. `options` are the routing fields of `Funder`. Raises `FunderCodeTaken`."""
    actor.require("disbursement.pay")
    if Funder.objects.filter(legal_entity_id=legal_entity_id, code=code).exists():
        raise FunderCodeTaken(code=code)
    funder = Funder.objects.create(legal_entity_id=legal_entity_id, code=code, name=name, kind=kind, **options)
    FundingAccount.objects.create(
        funder=funder,
        legal_entity_id=legal_entity_id,
        bank=bank,
        account_number=account_number,
        account_masked=mask_card(account_number),
    )
    return funder


@transaction.atomic
def top_up(*, account_id: UUID, amount: Decimal, reference: str, actor: Actor, now: dt.datetime) -> FundingAccount:
    """Money has come in on a funding account: booked once per reference. `amount` in yuan, above zero.

    Raises `ReferenceTaken` when the reference stands for another amount.
    """
    account = _lock(account_id, actor)
    actor.require("disbursement.pay")
    if amount <= ZERO:
        raise BadInput(fields={"amount": [str(_("The amount must be above zero."))]})
    day = organisations.business_date(account.legal_entity_id)
    if not _move(account, _Kind.TOP_UP, amount, reference, day, actor):
        return account
    account.topped_up += amount
    account.save(update_fields=["topped_up"])
    ledger.post(
        legal_entity_id=account.legal_entity_id,
        business_date=day,
        event="funding_received",
        amounts=[Posting(component="principal", amount=amount, party=account.funder.kind, party_ref=_party_ref(account))],
        reference=f"position:{account.id}:{reference}",
        narrative=f"{account.funder.name} {reference}",
        actor=actor,
        now=now,
    )
    if not account.position.runs_low(account.warn_share):
        flows.cancel_tasks(subject_kind="funding_account", subject_ref=account.id, actor=actor, now=now)
    return account


def _party_ref(account: FundingAccount) -> str:
    return account.funder.code if account.funder.kind == Funder.Kind.PARTNER else ""


def _lock(account_id: UUID, actor: Actor) -> FundingAccount:
    account: FundingAccount | None = (
        FundingAccount.objects.within(actor.data_scope)
        .select_for_update(of=("self",))
        .select_related("funder")
        .filter(id=account_id)
        .first()
    )
    if account is None:
        raise NoSuchAccount
    return account


def reserve(*, account_id: UUID, amount: Decimal, reference: str, actor: Actor) -> None:
    """Promise money to an order under way, inside the caller's transaction; warns when the level is reached.

    Raises `PositionShort`, or `QuotaUsedUp` when the funder has promised as much as it gives on a business day.
    """
    account = _lock(account_id, actor)
    if not account.position.covers(amount):
        raise PositionShort(available=account.position.available, amount=amount)
    today = organisations.business_date(account.legal_entity_id)
    quota = account.funder.day_quota
    if quota is not None and used_on([account.id], today).get(account.id, ZERO) + amount > quota:
        raise QuotaUsedUp(quota=quota, amount=amount)
    low_before = account.position.runs_low(account.warn_share)
    if not _move(account, _Kind.RESERVE, amount, reference, today, actor):
        return
    account.reserved += amount
    account.save(update_fields=["reserved"])
    if account.position.runs_low(account.warn_share) and not low_before:
        publish(PositionRanLow(account_id=account.id, available=account.position.available))


def used_on(account_ids: Iterable[UUID], day: dt.date) -> dict[UUID, Decimal]:
    """What accounts have promised on a business day, in yuan, without what was released since."""
    released = PositionMovement.objects.filter(account=OuterRef("account"), kind=_Kind.RELEASE, reference=OuterRef("reference"))
    rows = PositionMovement.objects.filter(account__in=list(account_ids), kind=_Kind.RESERVE, business_date=day)
    sums = rows.exclude(Exists(released)).order_by().values_list("account_id").annotate(used=Sum("amount"))
    return dict(sums)


def release(*, account_id: UUID, amount: Decimal, reference: str, actor: Actor) -> None:
    """The order certainly did not pay: its promise is taken back."""
    account = _lock(account_id, actor)
    if _move(account, _Kind.RELEASE, amount, reference, organisations.business_date(account.legal_entity_id), actor):
        FundingAccount.objects.filter(id=account.id).update(reserved=F("reserved") - amount)


def pay(*, account_id: UUID, amount: Decimal, reference: str, actor: Actor) -> None:
    """The order has paid: its promise becomes a payment."""
    account = _lock(account_id, actor)
    if _move(account, _Kind.PAY, amount, reference, organisations.business_date(account.legal_entity_id), actor):
        FundingAccount.objects.filter(id=account.id).update(reserved=F("reserved") - amount, paid=F("paid") + amount)


def _move(account: FundingAccount, kind: str, amount: Decimal, reference: str, day: dt.date, actor: Actor) -> bool:
    """Write the movement down; False when it was there already. The caller holds the account's lock. Raises `ReferenceTaken`."""
    movement, created = PositionMovement.objects.get_or_create(
        account=account,
        kind=kind,
        reference=reference,
        defaults={"legal_entity_id": account.legal_entity_id, "amount": amount, "business_date": day, "actor": str(actor)},
    )
    if movement.amount != amount:
        raise ReferenceTaken(reference=reference, amount=movement.amount)
    return created
