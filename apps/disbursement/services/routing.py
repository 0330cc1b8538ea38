"""Which funder pays: the choice with its reasons, made again on the next one when a transfer fails."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from apps.common import calendar, clock
from apps.common.actors import Actor
from apps.common.errors import Conflict
from apps.common.money import ZERO
from apps.common.outbox import publish
from apps.disbursement.domain import choose_funder, transfer_window
from apps.disbursement.events import DisbursementRouted
from apps.disbursement.models import Disbursement, FundingAccount, TransferOrder, funder_facts
from apps.disbursement.services.positions import PositionShort, used_on
from apps.disbursement.services.records import bank_hours, lock_disbursement
from apps.flows import services as flows
from apps.organisations import selectors as organisations

_State = Disbursement.State
_UNTRIED = Decimal(1)
_LOOK_BACK = dt.timedelta(days=30)


class NotFailed(Conflict):
    """Only a payment that certainly failed is sent again."""

    code = "disbursement_not_failed"
    title = _("Only a payment that has failed can be sent again.")


def choose_route(disbursement: Disbursement, *, now: dt.datetime, pass_over_declined: bool = False) -> None:
    """Choose a funder and note when the transfer may go; the caller saves. Raises `PositionShort` when nobody can pay."""
    refused = frozenset(disbursement.orders.values_list("account__funder_id", flat=True)) if pass_over_declined else frozenset()
    accounts = list(
        FundingAccount.objects.filter(legal_entity_id=disbursement.legal_entity_id).select_related("funder").order_by("funder__code")
    )
    today = organisations.business_date(disbursement.legal_entity_id)
    used, rates = used_on([account.id for account in accounts], today), _success_rates(accounts, now)
    route = choose_funder(
        disbursement.amount,
        disbursement.product_code,
        [
            funder_facts(account, used_today=used.get(account.id, ZERO), success_rate=rates.get(account.id, _UNTRIED))
            for account in accounts
        ],
        refused=refused,
    )
    disbursement.routing = [*disbursement.routing, {"at": now.isoformat(), "looked_at": [list(note) for note in route.explanation]}]
    if route.funder_id is None:
        raise PositionShort(looked_at="; ".join(f"{code}: {why}" for code, why in route.explanation) or "no funder")
    disbursement.account = next(account for account in accounts if account.funder_id == route.funder_id)
    disbursement.due_at = opens_at(disbursement, now=now)
    disbursement.finished_at = None
    disbursement.route()
    publish(DisbursementRouted(disbursement_id=disbursement.id))


def opens_at(disbursement: Disbursement, *, now: dt.datetime) -> dt.datetime:
    """From when the bank would take this transfer."""
    local = now.astimezone(clock.BEIJING)
    hours = bank_hours(disbursement.legal_entity_id, local.date())
    return transfer_window(disbursement.amount, at=local, hours=hours, is_working_day=calendar.is_working_day).opens_at


def _success_rates(accounts: list[FundingAccount], now: dt.datetime) -> dict[UUID, Decimal]:
    """Per account the share of its ended transfers of the last weeks that paid; those under way count neither way."""
    rows = TransferOrder.objects.filter(account__in=accounts, sent_at__gte=now - _LOOK_BACK).values_list(
        "account_id", "order_no", "disbursement__order_no", "disbursement__state"
    )
    ended: dict[UUID, list[bool]] = {}
    for account_id, order_no, current, state in rows:
        if order_no != current or state in (_State.FAILED, _State.CANCELLED):
            ended.setdefault(account_id, []).append(False)
        elif state in (_State.SUCCEEDED, _State.REVERSED):
            ended.setdefault(account_id, []).append(True)
    return {account_id: Decimal(sum(paid)) / len(paid) for account_id, paid in ended.items()}


@transaction.atomic
def reroute(*, disbursement_id: UUID, actor: Actor, now: dt.datetime) -> Disbursement:
    """Send a failed payment on its way again, by staff after the cause is gone.

    Raises `NotFailed` in any other state, `PositionShort` when nobody can pay; the state then stays `failed`.
    """
    disbursement = lock_disbursement(disbursement_id, actor)
    actor.require("disbursement.pay")
    if disbursement.state != _State.FAILED:
        raise NotFailed(state=disbursement.state)
    choose_route(disbursement, now=now)
    disbursement.reason = ""
    disbursement.save()
    flows.cancel_tasks(subject_kind="disbursement", subject_ref=disbursement.id, activity="transfer_failed", actor=actor, now=now)
    return disbursement
