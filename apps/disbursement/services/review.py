"""Disbursement review 放款审核: the last look before the voucher and the transfer."""

from __future__ import annotations

import datetime as dt
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from apps.applications import selectors as applications_read
from apps.applications import services as applications
from apps.common import clock
from apps.common.actors import Actor
from apps.common.errors import BadInput, Conflict, NotPermitted
from apps.common.numbers import next_number
from apps.common.privacy import mask_card, mask_name
from apps.contracts import services as contracts
from apps.customers import selectors as customers
from apps.dealers import selectors as dealers
from apps.disbursement.models import Disbursement
from apps.disbursement.services.checks import look_again
from apps.disbursement.services.records import lock_disbursement
from apps.disbursement.services.routing import choose_route
from apps.disbursement.services.vouchers import issue_voucher
from apps.flows import services as flows
from apps.organisations import selectors as organisations

ACTIVITY = "disbursement_review"
SUBJECT = "disbursement"
_SYSTEM = Actor.system("disbursement.review")
_State = Disbursement.State


class ReviewDone(Conflict):
    """Somebody has decided already."""

    code = "disbursement_review_done"
    title = _("This disbursement has been decided already.")


class ChecksFailed(Conflict):
    """Something that must hold before money moves does not hold."""

    code = "disbursement_checks_failed"
    title = _("Not everything that must hold before paying holds. Look at the checks, then refuse or send back.")


class OwnCase(NotPermitted):
    """The reviewer took part in the application."""

    code = "own_case"
    title = _("You took part in this application. Somebody else has to release its payment.")


@transaction.atomic
def open_disbursement(*, application_id: UUID, contract_id: UUID, actor: Actor, now: dt.datetime) -> Disbursement:
    """The contract is signed: prepare the payment and put it before a reviewer. A repetition finds the first one."""
    live = Disbursement.objects.filter(application_ref=application_id).exclude(state__in=[_State.CANCELLED, _State.REVERSED]).first()
    if live is not None:
        return live
    applications.mark_disbursement_review(application_id=application_id, actor=actor, now=now)
    facts = applications_read.contract_facts(application_id)
    disbursement = Disbursement.objects.create(
        number=next_number("D", clock.local_date(now)),
        legal_entity_id=facts.legal_entity_id,
        application_ref=application_id,
        application_number=facts.number,
        contract_ref=contract_id,
        customer_ref=facts.customer_id,
        dealer_ref=facts.dealer_id,
        shop_ref=facts.shop_id,
        consultant_ref=facts.consultant_id,
        product_code=facts.plan.product_code,
        amount=facts.amount,
        **_payee_of(facts),
    )
    minutes = organisations.parameter("disbursement.review_minutes", on=clock.local_date(now), legal_entity_id=facts.legal_entity_id)
    flows.open_task(
        subject_kind=SUBJECT,
        subject_ref=disbursement.id,
        activity=ACTIVITY,
        permission="disbursement.review",
        legal_entity_id=disbursement.legal_entity_id,
        due_at=now + dt.timedelta(minutes=minutes),
        actor=actor,
        now=now,
    )
    return disbursement


def _payee_of(facts: applications_read.ContractFacts) -> dict[str, str]:
    """Where the money goes: for a car to the shop's account, for cash to the customer's own card."""
    if facts.shop_id is None or facts.vehicle_id is None:
        card = customers.debit_card(facts.customer_id)
        kind, name, label, bank_name, account = "customer", card.holder, mask_name(card.holder), card.bank_name, card.number
    else:
        payee = dealers.payee(facts.shop_id)
        kind, name, label, bank_name, account = "dealer", payee.account_name, payee.account_name, payee.bank_name, payee.account_no
    return {
        "payee_kind": kind,
        "payee_name": name,
        "payee_label": label,
        "payee_bank": bank_name,
        "payee_account": account,
        "payee_masked": mask_card(account),
    }


@transaction.atomic
def review_disbursement(*, disbursement_id: UUID, outcome: str, reason: str, actor: Actor, now: dt.datetime) -> Disbursement:
    """Decide on a payment: `approve`, `refuse` for good, or `return` to have the contract made again.

    Approving looks at everything again, routes the payment and issues the voucher at once, at any hour; the transfer follows when the
    bank's hours allow. Raises `ChecksFailed`, `PositionShort`, `OwnCase`, `ReviewDone`.
    """
    disbursement = lock_disbursement(disbursement_id, actor)
    actor.require("disbursement.review")
    if disbursement.state != _State.CREATED:
        raise ReviewDone(state=disbursement.state)
    if outcome != "approve" and not reason.strip():
        raise BadInput(fields={"reason": [str(_("Please give a reason."))]})
    _refuse_own_case(disbursement, actor)
    if outcome == "approve":
        _approve(disbursement, reason.strip(), actor, now)
    elif outcome in ("refuse", "return"):
        _turn_down(disbursement, outcome, reason.strip(), actor, now)
    else:
        raise BadInput(fields={"outcome": [str(_("Choose approve, refuse or return."))]})
    flows.complete_subject_task(
        subject_kind=SUBJECT, subject_ref=disbursement.id, activity=ACTIVITY, outcome=outcome, reason=reason.strip(), actor=actor, now=now
    )
    return disbursement


def _refuse_own_case(disbursement: Disbursement, actor: Actor) -> None:
    """Whoever has moved the application so far may not release its payment."""
    label = str(actor)
    if any(entry.actor == label for entry in applications_read.timeline(disbursement.application_ref)):
        raise OwnCase


def _approve(disbursement: Disbursement, reason: str, actor: Actor, now: dt.datetime) -> None:
    failed = look_again(disbursement, now=now)
    if failed:
        raise ChecksFailed(failed=", ".join(failed))
    disbursement.approved_by, disbursement.approved_at, disbursement.reason = str(actor), now, reason[:300]
    choose_route(disbursement, now=now)
    disbursement.save()
    applications.mark_approved(application_id=disbursement.application_ref, reason=reason, actor=actor, now=now)
    if disbursement.payee_kind == Disbursement.PayeeKind.DEALER:
        issue_voucher(disbursement=disbursement, actor=actor, now=now)
        applications.mark_vouchered(application_id=disbursement.application_ref, actor=actor, now=now)


def _turn_down(disbursement: Disbursement, outcome: str, reason: str, actor: Actor, now: dt.datetime) -> None:
    """The payment is not made and its contract no longer stands; a return lets a new contract be made."""
    disbursement.cancel()
    disbursement.reason, disbursement.finished_at = reason[:300], now
    disbursement.save()
    contracts.void_contract(contract_id=disbursement.contract_ref, reason=reason, actor=_SYSTEM, now=now)
    mark = applications.mark_refused if outcome == "refuse" else applications.mark_contracting
    mark(application_id=disbursement.application_ref, reason=reason, actor=actor, now=now)
