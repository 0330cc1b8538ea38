"""Vouchers 放款凭证: issued at the approval, used at the pick-up, paid by the transfer, in whichever order the two come."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from apps.applications import services as applications
from apps.common import clock
from apps.common.actors import Actor
from apps.common.errors import BadInput, Conflict, NotFound
from apps.common.numbers import next_number
from apps.common.outbox import publish
from apps.contracts import services as contracts
from apps.disbursement.events import VoucherIssued, VoucherUsed
from apps.disbursement.models import Disbursement, Voucher
from apps.flows import services as flows
from apps.ledger import services as ledger
from apps.ledger.domain import Posting
from apps.organisations import selectors as organisations

_State = Voucher.State
_NOT_SENT = (Disbursement.State.CREATED, Disbursement.State.ROUTED, Disbursement.State.FAILED)


class NoSuchVoucher(NotFound):
    """There is no such voucher in the actor's view."""

    code = "no_such_voucher"
    title = _("There is no such voucher.")


class VoucherExpired(Conflict):
    """The pick-up comes too late."""

    code = "voucher_expired"
    title = _("This voucher was valid until %(day)s. Ask the lender for a new one.")


class VoucherNotUsable(Conflict):
    """A voucher is used once, and only while its promise stands."""

    code = "voucher_not_usable"
    title = _("This voucher has been used or revoked already.")


def issue_voucher(*, disbursement: Disbursement, actor: Actor, now: dt.datetime) -> Voucher:
    """Promise the payment to the dealer, inside the approval's transaction: numbered, and a contingent guarantee off balance."""
    today = clock.local_date(now)
    days = organisations.parameter("disbursement.voucher_days", on=today, legal_entity_id=disbursement.legal_entity_id)
    voucher = Voucher.objects.create(
        number=next_number("V", today),
        legal_entity_id=disbursement.legal_entity_id,
        disbursement=disbursement,
        application_ref=disbursement.application_ref,
        customer_ref=disbursement.customer_ref,
        dealer_ref=disbursement.dealer_ref,
        shop_ref=disbursement.shop_ref,
        consultant_ref=disbursement.consultant_ref,
        amount=disbursement.amount,
        issued_at=now,
        valid_until=today + dt.timedelta(days=days),
    )
    _post_guarantee(voucher, "voucher_issued", actor, now)
    publish(VoucherIssued(voucher_id=voucher.id, application_id=voucher.application_ref))
    return voucher


def _post_guarantee(voucher: Voucher, event: str, actor: Actor, now: dt.datetime) -> None:
    ledger.post(
        legal_entity_id=voucher.legal_entity_id,
        business_date=organisations.business_date(voucher.legal_entity_id),
        event=event,
        amounts=[Posting(component="guarantee", amount=Decimal(voucher.amount))],
        reference=f"voucher:{voucher.number}",
        narrative=voucher.number,
        actor=actor,
        now=now,
    )


def _lock(voucher_id: UUID, actor: Actor) -> Voucher:
    voucher: Voucher | None = Voucher.objects.within(actor.data_scope).select_for_update().filter(id=voucher_id).first()
    if voucher is None:
        raise NoSuchVoucher
    return voucher


@transaction.atomic
def attach_document(*, voucher_id: UUID, document_id: UUID, actor: Actor, now: dt.datetime) -> Voucher:
    """The signed file of the voucher is there; the first one stays."""
    voucher = _lock(voucher_id, actor)
    if voucher.document_ref is None:
        voucher.document_ref = document_id
        voucher.save(update_fields=["document_ref"])
    return voucher


@transaction.atomic
def use_voucher(*, voucher_id: UUID, actor: Actor, now: dt.datetime) -> Voucher:
    """The car is picked up 提车: the application counts as delivered. Once only. Raises `VoucherNotUsable`, `VoucherExpired`."""
    voucher = _lock(voucher_id, actor)
    actor.require("portal.use")
    if voucher.state == _State.ISSUED and clock.local_date(now) > voucher.valid_until:  # a paid one is good until pick-up
        raise VoucherExpired(VoucherExpired.title % {"day": voucher.valid_until})
    if voucher.state == _State.ISSUED:
        voucher.use()
    elif voucher.state == _State.PAID:
        voucher.settle()
        voucher.ended_at = now
    else:
        raise VoucherNotUsable(state=voucher.state)
    voucher.used_at, voucher.used_by = now, str(actor)
    voucher.save()
    applications.mark_delivered(application_id=voucher.application_ref, actor=actor, now=now)
    publish(
        VoucherUsed(
            voucher_id=voucher.id,
            application_id=voucher.application_ref,
            customer_id=voucher.customer_ref,
            used_on=clock.local_date(now),
        )
    )
    return voucher


def honour_voucher(*, disbursement: Disbursement, actor: Actor, now: dt.datetime) -> None:
    """The transfer has succeeded, inside its transaction: the guarantee is released."""
    voucher = Voucher.objects.select_for_update().filter(disbursement=disbursement).first()
    if voucher is None or voucher.state not in (_State.ISSUED, _State.USED):
        return
    if voucher.state == _State.USED:
        voucher.settle()
        voucher.ended_at = now
    else:
        voucher.pay()
    voucher.save()
    _post_guarantee(voucher, "voucher_released", actor, now)


@transaction.atomic
def revoke_voucher(*, voucher_id: UUID, reason: str, actor: Actor, now: dt.datetime) -> Voucher:
    """Take the promise back before the car has left; the payment is cancelled with it, and so is the application.

    Raises `VoucherNotUsable` once it was used, and a conflict when the transfer is under way or done.
    """
    disbursement, voucher = _lock_with_payment(voucher_id, actor)
    actor.require("disbursement.review")
    if not reason.strip():
        raise BadInput(fields={"reason": [str(_("Please give a reason."))]})
    if voucher.state != _State.ISSUED:
        raise VoucherNotUsable(state=voucher.state)
    _take_back(voucher, disbursement, reason.strip(), actor, now)
    return voucher


@transaction.atomic
def end_voucher(*, voucher_id: UUID, day: dt.date, actor: Actor, now: dt.datetime) -> bool:
    """A voucher that nobody used by its last day is revoked as of `day`, with its payment and its application; tells whether it was.

    It stands while the transfer is under way: only the bank's answer says whether the dealer gets the money.
    """
    disbursement, voucher = _lock_with_payment(voucher_id, actor)
    if voucher.state != _State.ISSUED or voucher.valid_until >= day or disbursement.state not in _NOT_SENT:
        return False
    reason = _("The voucher was valid until %(day)s and was not used.") % {"day": voucher.valid_until}
    _take_back(voucher, disbursement, str(reason), actor, now)
    return True


def _lock_with_payment(voucher_id: UUID, actor: Actor) -> tuple[Disbursement, Voucher]:
    """The payment first, then its voucher: the order in which a transfer's result locks them."""
    disbursement_id = Voucher.objects.within(actor.data_scope).filter(id=voucher_id).values_list("disbursement_id", flat=True).first()
    if disbursement_id is None:
        raise NoSuchVoucher
    return Disbursement.objects.select_for_update().get(id=disbursement_id), _lock(voucher_id, actor)


def _take_back(voucher: Voucher, disbursement: Disbursement, reason: str, actor: Actor, now: dt.datetime) -> None:
    """The promise ends, and with it the payment that it stood for, its tasks, its application and the contract."""
    disbursement.cancel()
    disbursement.reason, disbursement.finished_at = reason[:300], now
    disbursement.save()
    voucher.revoke()
    voucher.reason, voucher.ended_at = reason[:300], now
    voucher.save()
    _post_guarantee(voucher, "voucher_released", actor, now)
    flows.cancel_tasks(subject_kind="disbursement", subject_ref=disbursement.id, actor=actor, now=now)
    applications.mark_cancelled(application_id=voucher.application_ref, reason=reason, actor=actor, now=now)
    contracts.drop_contract_of(application_id=voucher.application_ref, reason=reason, actor=actor, now=now)
