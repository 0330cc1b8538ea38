"""Collateral, co-borrowers and guarantors: registered, valued, pledged, released. Rules: docs/rules/security.md."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.common import clock
from apps.common.actors import Actor
from apps.common.errors import BadInput, Conflict, NotFound
from apps.common.money import CENT, MAX_MONEY, ZERO
from apps.common.numbers import next_number
from apps.loans.models import LIVE, Collateral, CollateralValue, Loan, LoanParty, Pledge
from apps.loans.selectors import LoanNotRunning, LoanUnknown


class CollateralUnknown(NotFound):
    """There is no such collateral in the actor's view."""

    code = "collateral_unknown"
    title = gettext_lazy("There is no such collateral.")


class SecurityDayRefused(BadInput):
    """The day lies in the future, or before what it ends."""

    code = "security_day_refused"
    title = gettext_lazy("The day must not be in the future, nor before the beginning.")


class ValueStands(Conflict):
    """The collateral has another value of that day, or another description."""

    code = "collateral_value_stands"
    title = gettext_lazy("This was recorded with other contents. Values are not changed: enter one of a later day.")


class NotSecured(NotFound):
    """Nothing of the kind stands behind the loan now."""

    code = "loan_not_secured"
    title = gettext_lazy("This does not secure the loan now.")


@transaction.atomic
def register_collateral(
    *,
    legal_entity_id: UUID,
    kind: str,
    identifier: str,
    owner_ref: UUID,
    value: Decimal,
    valued_on: dt.date,
    actor: Actor,
    now: dt.datetime,
    description: str = "",
    basis: str = "",
) -> Collateral:
    """Enter a collateral with its first value. The same kind and identifier again: the one that stands, with this value beside."""
    actor.require("loans.adjust")
    if actor.data_scope.kind != "all" and actor.data_scope.owner_id != legal_entity_id:
        raise CollateralUnknown
    if kind not in Collateral.Kind.values or not identifier.strip():
        raise BadInput(_("Name the kind of the collateral and its identifier."), kinds=list(Collateral.Kind.values))
    found, _made = Collateral.objects.get_or_create(
        legal_entity_id=legal_entity_id,
        kind=kind,
        identifier=identifier.strip(),
        defaults={"number": next_number("CO", valued_on), "owner_ref": owner_ref, "description": description, "created_at": now},
    )
    if found.owner_ref != owner_ref:
        raise ValueStands(number=found.number)
    value_collateral(number=found.number, value=value, valued_on=valued_on, basis=basis, actor=actor, now=now)
    return found


@transaction.atomic
def value_collateral(*, number: str, value: Decimal, valued_on: dt.date, actor: Actor, now: dt.datetime, basis: str = "") -> None:
    """What a collateral is worth from a day on, in yuan. The same again changes nothing. Raises `ValueStands` for another value."""
    collateral = _locked(number, actor)
    if not value.is_finite() or not ZERO <= value <= MAX_MONEY or value != value.quantize(CENT):
        raise BadInput(_("An amount is not negative and has at most two decimals."))
    _check_day(valued_on, None, now)
    standing, _made = CollateralValue.objects.get_or_create(
        collateral=collateral,
        valued_on=valued_on,
        defaults={"amount": value, "basis": basis, "actor": str(actor)[:80], "created_at": now},
    )
    if standing.amount != value:
        raise ValueStands(number=number, valued_on=valued_on)


@transaction.atomic
def pledge_collateral(*, loan_id: UUID, number: str, pledged_on: dt.date, actor: Actor, now: dt.datetime) -> Pledge:
    """Let a collateral secure a running loan of the same lender; one may secure several. The same again changes nothing."""
    loan, collateral = _running(loan_id, actor), _locked(number, actor)
    if collateral.legal_entity_id != loan.legal_entity_id:
        raise CollateralUnknown(number=number)
    _check_day(pledged_on, None, now)
    pledge, _made = Pledge.objects.get_or_create(
        collateral=collateral, loan=loan, released_on=None, defaults={"pledged_on": pledged_on, "created_at": now}
    )
    return pledge


@transaction.atomic
def release_collateral(*, loan_id: UUID, number: str, released_on: dt.date, reason: str, actor: Actor, now: dt.datetime) -> None:
    """Let a collateral go of a loan before the loan is settled. Raises `NotSecured`, `SecurityDayRefused`."""
    loan = _held(loan_id, actor)
    pledge = Pledge.objects.select_for_update().filter(loan=loan, collateral__number=number, released_on=None).first()
    if pledge is None:
        raise NotSecured(number=number)
    _check_day(released_on, pledge.pledged_on, now)
    pledge.released_on, pledge.reason = released_on, _reason(reason)
    pledge.save(update_fields=["released_on", "reason"])


@transaction.atomic
def add_party(*, loan_id: UUID, person_ref: UUID, role: str, parts: int, since: dt.date, actor: Actor, now: dt.datetime) -> LoanParty:
    """Add a co-borrower or guarantor for `parts` per 10,000 of a running loan. Safe to repeat; raises `ValueStands` for other parts."""
    loan = _running(loan_id, actor)
    if role not in LoanParty.Role.values or not 1 <= parts <= 10_000:
        raise BadInput(_("Choose a role, and from 1 to 10,000 parts per 10,000."), roles=list(LoanParty.Role.values))
    if person_ref == loan.borrower_ref:
        raise BadInput(_("The borrower answers for the loan anyway."))
    _check_day(since, None, now)
    party, _made = LoanParty.objects.get_or_create(
        loan=loan, person_ref=person_ref, role=role, ended_on=None, defaults={"parts": parts, "since": since, "created_at": now}
    )
    if party.parts != parts:
        raise ValueStands(loan=loan.number)
    return party


@transaction.atomic
def end_party(*, loan_id: UUID, person_ref: UUID, role: str, ended_on: dt.date, reason: str, actor: Actor, now: dt.datetime) -> None:
    """Let a co-borrower or guarantor go before the loan is settled. Raises `NotSecured`, `SecurityDayRefused`."""
    loan = _held(loan_id, actor)
    party = LoanParty.objects.select_for_update().filter(loan=loan, person_ref=person_ref, role=role, ended_on=None).first()
    if party is None:
        raise NotSecured(loan=loan.number)
    _check_day(ended_on, party.since, now)
    party.ended_on, party.reason = ended_on, _reason(reason)
    party.save(update_fields=["ended_on", "reason"])


@transaction.atomic
def release_all(*, loan_id: UUID, on: dt.date, actor: Actor, now: dt.datetime) -> None:
    """The loan is settled: collateral, co-borrowers and guarantors are free from that day. Safe to repeat."""
    loan = _held(loan_id, actor)
    if loan.state != Loan.State.SETTLED:
        return
    for pledge in Pledge.objects.select_for_update().filter(loan=loan, released_on=None):
        pledge.released_on, pledge.by_settlement = max(on, pledge.pledged_on), True
        pledge.save(update_fields=["released_on", "by_settlement"])
    for party in LoanParty.objects.select_for_update().filter(loan=loan, ended_on=None):
        party.ended_on, party.by_settlement = max(on, party.since), True
        party.save(update_fields=["ended_on", "by_settlement"])


@transaction.atomic
def restore_all(*, loan_id: UUID, actor: Actor, now: dt.datetime) -> None:
    """The loan owes again: what its settlement had released stands behind it as before. Safe to repeat."""
    loan = _held(loan_id, actor)
    if loan.state == Loan.State.SETTLED:
        return
    for pledge in Pledge.objects.select_for_update().filter(loan=loan, by_settlement=True):
        if not Pledge.objects.filter(loan=loan, collateral=pledge.collateral_id, released_on=None).exists():
            pledge.released_on, pledge.by_settlement = None, False
            pledge.save(update_fields=["released_on", "by_settlement"])
    for party in LoanParty.objects.select_for_update().filter(loan=loan, by_settlement=True):
        if not LoanParty.objects.filter(loan=loan, person_ref=party.person_ref, role=party.role, ended_on=None).exists():
            party.ended_on, party.by_settlement = None, False
            party.save(update_fields=["ended_on", "by_settlement"])


def _held(loan_id: UUID, actor: Actor) -> Loan:
    loan: Loan | None = Loan.objects.select_for_update().within(actor.data_scope).filter(id=loan_id).first()
    if loan is None:
        raise LoanUnknown(loan_id=loan_id)
    actor.require("loans.adjust")
    return loan


def _running(loan_id: UUID, actor: Actor) -> Loan:
    loan = _held(loan_id, actor)
    if loan.state not in LIVE:
        raise LoanNotRunning(loan=loan.number, state=loan.state)
    return loan


def _locked(number: str, actor: Actor) -> Collateral:
    collateral: Collateral | None = Collateral.objects.select_for_update().within(actor.data_scope).filter(number=number).first()
    if collateral is None:
        raise CollateralUnknown(number=number)
    actor.require("loans.adjust")
    return collateral


def _check_day(day: dt.date, first: dt.date | None, now: dt.datetime) -> None:
    if day > clock.local_date(now) or (first is not None and day < first):
        raise SecurityDayRefused(day=day, first=first)


def _reason(text: str) -> str:
    if not text.strip():
        raise BadInput(_("Please give a reason."))
    return text.strip()[:200]
