"""Deeds of reconciliation: fetch the day's statement, match it, move matched money from clearing to the bank, work on differences."""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import json
from decimal import Decimal
from uuid import UUID

import structlog
from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from apps.common import clock
from apps.common.actors import Actor
from apps.common.errors import BadInput, Conflict, NotFound, NotPermitted
from apps.disbursement import selectors as disbursement
from apps.ledger import services as ledger
from apps.organisations import selectors as organisations
from apps.reconciliation import domain, selectors
from apps.reconciliation.domain import BankEntry, OurPayment, Pair
from apps.reconciliation.gateways import Statement, bank
from apps.reconciliation.models import BankLine, Difference, LateMatch, ReconciliationBatch

log = structlog.get_logger(__name__)
_State = Difference.State
CHANNEL = "bank"


class BrokenStatement(BadInput):
    """The statement contradicts itself; nothing was changed."""

    code = "broken_statement"
    title = _("The statement contradicts itself and was not applied.")


class NoSuchDifference(NotFound):
    """There is no such difference in the actor's view."""

    code = "no_such_difference"
    title = _("There is no such difference.")


class OwnProposal(NotPermitted):
    """The maker tried to decide."""

    code = "own_difference_proposal"
    title = _("Somebody else has to decide on your proposal.")


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What reconciling a day came to. `applied` is False when this statement had been applied before."""

    batch_id: UUID
    day: dt.date
    state: str
    lines: int
    matched: int
    differences: int
    applied: bool


def reconcile(*, legal_entity_id: UUID, day: dt.date, actor: Actor, now: dt.datetime) -> Outcome:
    """Fetch the bank's statement of a day and apply it. Not inside a transaction: it asks the bank.

    Raises the failures of `common.gateways` (nothing happened), and `BrokenStatement` after the batch was noted as rejected.
    """
    actor.require("reconciliation.work")
    return apply_statement(legal_entity_id=legal_entity_id, statement=bank().statement(day=day), actor=actor, now=now)


def apply_statement(*, legal_entity_id: UUID, statement: Statement, actor: Actor, now: dt.datetime) -> Outcome:
    """Apply a statement once. A later, longer one of the day brings only its new lines; the same content again brings none.

    Lines that came before our own result are looked at again each time. Raises `BrokenStatement`, for the same content each time.
    """
    batch, is_new = _receive(legal_entity_id, statement, now)
    if batch.state == ReconciliationBatch.State.REJECTED:
        raise BrokenStatement(batch.reason)
    if not is_new:
        _match_late(legal_entity_id, actor, now)
        return _outcome(ReconciliationBatch.objects.get(id=batch.id), applied=False)
    problem = _problem_with(statement)
    if problem:
        _reject(batch.id, problem)
        raise BrokenStatement(problem)
    return _outcome(_match(batch.id, statement, actor, now), applied=True)


def _outcome(batch: ReconciliationBatch, *, applied: bool) -> Outcome:
    return Outcome(
        batch_id=batch.id,
        day=batch.day,
        state=batch.state,
        lines=batch.line_count,
        matched=batch.matched_count,
        differences=batch.difference_count,
        applied=applied,
    )


@transaction.atomic
def _receive(legal_entity_id: UUID, statement: Statement, now: dt.datetime) -> tuple[ReconciliationBatch, bool]:
    content = json.dumps(dataclasses.asdict(statement), sort_keys=True, default=str)
    batch, _created = ReconciliationBatch.objects.get_or_create(
        legal_entity_id=legal_entity_id,
        channel=CHANNEL,
        day=statement.day,
        digest=hashlib.sha256(content.encode()).hexdigest(),
        defaults={"received_at": now, "total_in": statement.total_in, "total_out": statement.total_out},
    )
    return batch, batch.state == ReconciliationBatch.State.RECEIVED


def _problem_with(statement: Statement) -> str:
    """Why a statement cannot be applied, naming the line; empty when it can."""
    seen: set[str] = set()
    for number, line in enumerate(statement.lines, start=1):
        if line.amount <= 0:
            return f"line {number}: amount {line.amount} is not above zero"
        if not line.serial or line.serial in seen:
            return f"line {number}: serial {line.serial or 'missing'} is not unique"
        seen.add(line.serial)
    totals = domain.totals_of(_entries(statement))
    if (totals.total_in, totals.total_out) != (statement.total_in, statement.total_out):
        return f"totals {statement.total_in} in, {statement.total_out} out; the lines add up to {totals.total_in} and {totals.total_out}"
    return ""


def _entries(statement: Statement) -> list[BankEntry]:
    return [BankEntry(line.serial, line.order_no, line.direction, line.amount, line.occurred_at) for line in statement.lines]


@transaction.atomic
def _reject(batch_id: UUID, reason: str) -> None:
    batch = ReconciliationBatch.objects.select_for_update().get(id=batch_id)
    if batch.state == ReconciliationBatch.State.RECEIVED:
        batch.reject()
        batch.reason = reason[:300]
        batch.save()


@transaction.atomic
def _match(batch_id: UUID, statement: Statement, actor: Actor, now: dt.datetime) -> ReconciliationBatch:
    """Everything in one transaction: lines, postings, differences and the batch's state, or nothing."""
    batch: ReconciliationBatch = ReconciliationBatch.objects.select_for_update().get(id=batch_id)
    if batch.state != ReconciliationBatch.State.RECEIVED:
        return batch
    batch.start_matching()
    batch.save()
    _match_late(batch.legal_entity_id, actor, now)
    theirs = _new_entries_of(batch, statement)
    ours = _our_payments(batch, theirs)
    hours = organisations.parameter("reconciliation.window_hours", on=batch.day, legal_entity_id=batch.legal_entity_id)
    pairs = domain.match(ours, theirs, window=dt.timedelta(hours=hours), settled=_settled(batch.legal_entity_id, ours))
    BankLine.objects.bulk_create(_line(batch, pair) for pair in pairs if pair.theirs is not None)
    batch.matched_count = sum(pair.result == domain.MATCHED for pair in pairs)
    batch.difference_count = sum([_treat(batch, pair, actor, now) for pair in pairs])
    _reopen_carried_too_long(batch)
    batch.line_count = len(theirs)
    if batch.difference_count:
        batch.differ()
    else:
        batch.balance()
    batch.save()
    return batch


def _new_entries_of(batch: ReconciliationBatch, statement: Statement) -> list[BankEntry]:
    """Lines that no earlier statement brought, without those of another legal entity's orders."""
    entries = _entries(statement)
    known = set(
        BankLine.objects.filter(channel=batch.channel, serial__in=[entry.serial for entry in entries]).values_list("serial", flat=True)
    )
    owners = disbursement.owners_of([entry.order_no for entry in entries if entry.order_no])
    return [
        entry
        for entry in entries
        if entry.serial not in known and owners.get(entry.order_no, batch.legal_entity_id) == batch.legal_entity_id
    ]


def _our_payments(batch: ReconciliationBatch, theirs: list[BankEntry]) -> list[OurPayment]:
    """Payments that the lines name, payments of the day, and those that earlier statements did not show."""
    missing = Difference.objects.filter(legal_entity_id=batch.legal_entity_id, kind=domain.SHORT).exclude(state=_State.RESOLVED)
    names = {entry.order_no for entry in theirs if entry.order_no} | set(missing.values_list("order_no", flat=True))
    return [
        OurPayment(fact.kind, fact.order_no, fact.direction, fact.amount, fact.state, fact.at, fact.bank_ref)
        for fact in disbursement.payments(legal_entity_id=batch.legal_entity_id, day=batch.day, order_nos=names)
    ]


def _settled(legal_entity_id: UUID, ours: list[OurPayment]) -> set[str]:
    """Orders whose line has come before, be it ahead of their result: another line of theirs is money moved twice."""
    lines = BankLine.objects.filter(Q(result=domain.STATE_DIFFERS) | selectors.IS_MATCHED, legal_entity_id=legal_entity_id)
    return set(lines.filter(matched_order_no__in=[one.order_no for one in ours]).values_list("matched_order_no", flat=True))


def _line(batch: ReconciliationBatch, pair: Pair) -> BankLine:
    assert pair.theirs is not None
    return BankLine(
        batch=batch,
        legal_entity_id=batch.legal_entity_id,
        channel=batch.channel,
        serial=pair.theirs.serial,
        order_no=pair.theirs.order_no,
        direction=pair.theirs.direction,
        amount=pair.theirs.amount,
        occurred_at=pair.theirs.at,
        result=pair.result,
        matched_kind=pair.ours.kind if pair.ours else "",
        matched_order_no=pair.ours.order_no if pair.ours else "",
        matched_by=pair.how,
    )


def _treat(batch: ReconciliationBatch, pair: Pair, actor: Actor, now: dt.datetime) -> bool:
    """A match moves the money from clearing to the bank and ends a case that waited for it; anything else is a case, True when new."""
    if pair.result == domain.MATCHED:
        assert pair.ours is not None
        assert pair.theirs is not None
        _post_cleared(batch.legal_entity_id, pair.ours.order_no, pair.theirs.serial, pair.theirs.direction, pair.theirs.amount, actor, now)
        _resolve_cases(batch.legal_entity_id, pair.ours.order_no, pair.theirs.serial, now)
        return False
    case, created = Difference.objects.get_or_create(
        legal_entity_id=batch.legal_entity_id,
        kind=pair.result,
        order_no=pair.ours.order_no if pair.ours else "",
        serial=pair.theirs.serial if pair.theirs else "",
        defaults={
            "batch": batch,
            "direction": (pair.theirs or pair.ours).direction,  # type: ignore[union-attr]
            "our_amount": pair.ours.amount if pair.ours else None,
            "bank_amount": pair.theirs.amount if pair.theirs else None,
            "our_state": pair.ours.state if pair.ours else "",
        },
    )
    if created and pair.result == domain.SHORT:
        case.carry()
        case.save()
    return created


@transaction.atomic
def _match_late(legal_entity_id: UUID, actor: Actor, now: dt.datetime) -> None:
    """Lines that came while our order had no result yet, or knew another amount: those that agree with it now are matched."""
    waiting = BankLine.objects.select_for_update(of=("self",)).filter(
        legal_entity_id=legal_entity_id, result__in=[domain.STATE_DIFFERS, domain.AMOUNT_DIFFERS], late_match=None
    )
    lines = list(waiting.order_by("occurred_at", "serial"))
    numbers = [line.matched_order_no for line in lines]
    moved = disbursement.moved_amounts(legal_entity_id, order_nos=numbers)
    matched = selectors.matched_among(legal_entity_id, numbers)
    for line in lines:
        order_no, direction = line.matched_order_no, "in" if line.matched_kind == "debit" else "out"
        if order_no in matched or (moved.get(order_no), direction) != (line.amount, line.direction):
            continue
        matched.add(order_no)
        LateMatch.objects.create(legal_entity_id=legal_entity_id, order_no=order_no, line=line, matched_at=now)
        _post_cleared(legal_entity_id, order_no, line.serial, line.direction, line.amount, actor, now)
        _resolve_cases(legal_entity_id, order_no, line.serial, now)


def _resolve_cases(legal_entity_id: UUID, order_no: str, serial: str, now: dt.datetime) -> None:
    """What waited for this match is over, wherever it stood: a proposal is taken back, and its batch closes with its last case."""
    cases = Difference.objects.select_for_update(of=("self",)).filter(
        Q(kind=domain.SHORT) | Q(serial=serial), legal_entity_id=legal_entity_id, order_no=order_no
    )
    for case in cases.exclude(state=_State.RESOLVED):
        if case.state == _State.PROPOSED:
            case.reopen()
            case.save()
        if case.state == _State.OPEN:
            case.carry()
            case.save()
        case.resolve()
        case.resolved_at, case.reason = now, f"matched with {serial}"
        case.save()
        _close_if_settled(case.batch_id)


def _post_cleared(
    legal_entity_id: UUID, order_no: str, serial: str, direction: str, amount: Decimal, actor: Actor, now: dt.datetime
) -> None:
    ledger.post(
        legal_entity_id=legal_entity_id,
        business_date=organisations.business_date(legal_entity_id),
        event="clearing_in" if direction == "in" else "clearing_out",
        amounts=[ledger.Posting(component="money", amount=amount)],
        reference=f"{CHANNEL}:{serial}",
        narrative=order_no,
        actor=actor,
        now=now,
    )


def _reopen_carried_too_long(batch: ReconciliationBatch) -> None:
    """What the bank has not shown within the carry days becomes a case for people."""
    days = organisations.parameter("reconciliation.carry_days", on=batch.day, legal_entity_id=batch.legal_entity_id)
    for case in Difference.objects.select_for_update(of=("self",)).filter(
        legal_entity_id=batch.legal_entity_id, state=_State.CARRIED, batch__day__lt=batch.day - dt.timedelta(days=days)
    ):
        case.reopen()
        case.save()


def _lock(difference_id: UUID, actor: Actor) -> Difference:
    found: Difference | None = Difference.objects.within(actor.data_scope).select_for_update().filter(id=difference_id).first()
    if found is None:
        raise NoSuchDifference
    actor.require("reconciliation.work")
    return found


@transaction.atomic
def propose_way_out(*, difference_id: UUID, action: str, reason: str, actor: Actor, now: dt.datetime) -> Difference:
    """Say what to do about a difference: `book` (to suspense), `refund`, `chase` or `ignore`, with the reason."""
    case = _lock(difference_id, actor)
    if action not in Difference.Action.values:
        raise BadInput(fields={"action": [str(_("Choose one of the ways out."))]})
    if not reason.strip():
        raise BadInput(fields={"reason": [str(_("Please give a reason."))]})
    if action == Difference.Action.BOOK and (case.kind not in (domain.LONG, domain.DUPLICATE) or case.direction != "in"):
        raise Conflict(_("Only money that has come in without a payment of ours can be booked to suspense."))
    case.propose()
    case.action, case.reason = action, reason.strip()[:300]
    case.proposed_by, case.proposer_ref = str(actor), actor.user_id
    case.save()
    return case


@transaction.atomic
def decide_way_out(*, difference_id: UUID, approve: bool, actor: Actor, now: dt.datetime, note: str = "") -> Difference:
    """Agree with a colleague's proposal and carry it out, or send it back. Raises `OwnProposal`."""
    case = _lock(difference_id, actor)
    if case.state != _State.PROPOSED:
        raise Conflict(_("There is no proposal to decide on."))
    if actor.user_id is not None and case.proposer_ref == actor.user_id:
        raise OwnProposal
    if not approve:
        case.reopen()
        case.reason = note.strip()[:300]
        case.save()
        return case
    case.approve()
    case.approved_by = str(actor)
    case.save()
    if case.action == Difference.Action.BOOK:
        _book_to_suspense(case, actor, now)
    case.resolve()
    case.resolved_at = now
    case.save()
    _close_if_settled(case.batch_id)
    return case


def _book_to_suspense(case: Difference, actor: Actor, now: dt.datetime) -> None:
    """The money is at the bank and belongs to nobody we know: 1002 against suspense, by way of clearing."""
    for event in ("suspense_received", "clearing_in"):
        ledger.post(
            legal_entity_id=case.legal_entity_id,
            business_date=organisations.business_date(case.legal_entity_id),
            event=event,
            amounts=[ledger.Posting(component="money", amount=Decimal(case.bank_amount or 0))],
            reference=case.posting_reference,
            narrative=case.serial,
            actor=actor,
            now=now,
        )


def _close_if_settled(batch_id: UUID) -> None:
    batch = ReconciliationBatch.objects.select_for_update().get(id=batch_id)
    if batch.state == ReconciliationBatch.State.DIFFERING and not batch.differences.exclude(state=_State.RESOLVED).exists():
        batch.close()
        batch.save()


def day_before(now: dt.datetime) -> dt.date:
    """The last whole day in Beijing: the one that a nightly run reconciles."""
    return clock.local_date(now) - dt.timedelta(days=1)
