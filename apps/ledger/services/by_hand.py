"""Entries that people write: adjusting entries, internal transfers 内转, and the reversal of either; always by two."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from apps.common import approvals
from apps.common.actors import Actor
from apps.common.errors import BadInput, Conflict, NotFound
from apps.common.models import ChangeRequest
from apps.common.money import CENT, MAX_MONEY, ZERO
from apps.ledger import selectors
from apps.ledger.domain import CONTROLLED, INTERNAL_TRANSFER, MANUAL, MANUAL_REVERSAL, HandLine, Line
from apps.ledger.models import Account, JournalEntry
from apps.ledger.services.days import hold_day
from apps.ledger.services.posting import post_lines

ENTRY_CHANGE: Final = "ledger.entry"
REVERSAL_CHANGE: Final = "ledger.reversal"
BY_HAND: Final = (MANUAL, INTERNAL_TRANSFER)
MAX_LINES: Final = 50


class EntryDoesNotBalance(BadInput):
    """The sides of a written entry differ."""

    code = "entry_does_not_balance"
    title = _("Debits and credits differ, on or off the balance sheet. Correct the lines.")


class AccountControlled(BadInput):
    """A sub-ledger explains the account."""

    code = "account_controlled"
    title = _("Loans, claims and parties have their own ledgers: post to this account through the loan.")


class AlreadyReversed(Conflict):
    """The entry was reversed before."""

    code = "entry_already_reversed"
    title = _("This entry is reversed already.")


def propose_entry(
    *,
    legal_entity_id: UUID,
    business_date: dt.date,
    lines: Sequence[HandLine],
    narrative: str,
    reason: str,
    actor: Actor,
    now: dt.datetime,
    event: str = MANUAL,
) -> ChangeRequest:
    """Put an entry before a second person, with the balances it leads to. It is posted on its day, or the first open one after.

    Raises `EntryDoesNotBalance`, `AccountControlled`, `BadInput`.
    """
    rows = [{"account": line.account, "debit": str(line.debit), "credit": str(line.credit)} for line in lines]
    payload = {
        "legal_entity": str(legal_entity_id),
        "event": event,
        "business_date": str(business_date),
        "narrative": narrative.strip()[:200],
        "lines": rows,
    }
    return approvals.propose(
        kind=ENTRY_CHANGE,
        legal_entity_id=legal_entity_id,
        subject=str(event),
        payload=payload,
        reason=reason,
        actor=actor,
        now=now,
        amount=sum((line.debit for line in lines if line.debit.is_finite()), start=ZERO),
    )


def preview_entry(payload: dict[str, Any], _now: dt.datetime) -> dict[str, Any]:
    """The entry's lines by account, with the balance before and after."""
    entity = UUID(payload["legal_entity"])
    accounts, lines = _checked(payload)
    standing = selectors.balances(entity, as_of=dt.date.max, accounts={line.account for line in lines})
    shown: dict[str, Any] = {"narrative": payload["narrative"], "business_date": payload["business_date"]}
    for line in lines:
        account, before = accounts[line.account], standing.get(line.account, ZERO)
        shown[f"{account.code} {account.name}"] = {
            "debit": str(line.debit),
            "credit": str(line.credit),
            "balance_before": str(before),
            "balance_after": str(before + line.debit - line.credit),
        }
    return shown


def execute_entry(payload: dict[str, Any], actor: Actor, now: dt.datetime, reference: str) -> dict[str, Any]:
    """Post an approved entry."""
    entity = UUID(payload["legal_entity"])
    _accounts, lines = _checked(payload)
    day = hold_day(entity, not_before=dt.date.fromisoformat(payload["business_date"]))
    entry = post_lines(
        legal_entity_id=entity,
        business_date=day,
        event=payload["event"],
        lines=lines,
        reference=reference,
        narrative=payload["narrative"],
        actor=actor,
        now=now,
    )
    return {"entry": str(entry), "business_date": str(day)}


def propose_reversal(*, entry_id: UUID, reason: str, actor: Actor, now: dt.datetime) -> ChangeRequest:
    """Put the reversal of an entry written by hand before a second person. Raises `NotFound`, `BadInput`, `AlreadyReversed`."""
    entry = JournalEntry.objects.within(actor.data_scope).filter(id=entry_id).first()
    if entry is None:
        raise NotFound
    return approvals.propose(
        kind=REVERSAL_CHANGE,
        legal_entity_id=entry.legal_entity_id,
        subject=entry.reference[-64:],
        payload={"entry": str(entry.id)},
        reason=reason,
        actor=actor,
        now=now,
        amount=entry.total,
    )


def preview_reversal(payload: dict[str, Any], _now: dt.datetime) -> dict[str, Any]:
    """The lines that the reversal posts."""
    entry = _reversible(payload)
    lines = entry.lines.select_related("account").order_by("id")
    return {f"{line.account.code} {line.account.name}": {"debit": str(line.credit), "credit": str(line.debit)} for line in lines}


@transaction.atomic
def execute_reversal(payload: dict[str, Any], actor: Actor, now: dt.datetime, reference: str) -> dict[str, Any]:
    """Post an approved reversal on the first open day."""
    entry = _reversible(payload)
    day = hold_day(entry.legal_entity_id, not_before=entry.business_date)
    lines = [
        Line(line.account_id, line.credit, line.debit, line.party_ref, line.subject_ref, line.component)
        for line in entry.lines.order_by("id")
    ]
    made = post_lines(
        legal_entity_id=entry.legal_entity_id,
        business_date=day,
        event=MANUAL_REVERSAL,
        lines=lines,
        reference=f"reversal:{entry.id}",
        narrative=entry.narrative,
        reverses=entry.id,
        actor=actor,
        now=now,
    )
    return {"entry": str(made), "business_date": str(day)}


def _reversible(payload: dict[str, Any]) -> JournalEntry:
    entry = JournalEntry.objects.select_for_update(of=("self",)).get(id=payload["entry"])
    if entry.event not in BY_HAND:
        raise BadInput(_("Only entries written by hand are reversed by hand. Reverse the deed that posted this one."))
    if entry.reversed_by.exists():
        raise AlreadyReversed
    return entry


def _checked(payload: dict[str, Any]) -> tuple[dict[UUID, Account], list[Line]]:
    """The accounts and lines of a written entry, looked at from all sides."""
    if payload["event"] not in BY_HAND:
        raise BadInput(_("Choose an adjusting entry or an internal transfer."))
    if not 2 <= len(payload["lines"]) <= MAX_LINES:
        raise BadInput(_("An entry has 2 to 50 lines."))
    if not payload["narrative"]:
        raise BadInput(fields={"narrative": [str(_("Say what the entry is for."))]})
    accounts = {account.code: account for account in Account.objects.filter(legal_entity_id=payload["legal_entity"])}
    lines = []
    for row in payload["lines"]:
        account = accounts.get(row["account"])
        if account is None:
            raise BadInput(_("There is no account %(code)s in the chart.") % {"code": row["account"]})
        if account.code.startswith(CONTROLLED):
            raise AccountControlled(account=account.code)
        lines.append(Line(account.id, *_sides(row), "", None, "by_hand"))
    by_id = {account.id: account for account in accounts.values()}
    memo = sum((line.debit - line.credit for line in lines if by_id[line.account].kind == Account.Kind.OFF_BALANCE), start=ZERO)
    if memo or sum((line.debit - line.credit for line in lines), start=ZERO):
        raise EntryDoesNotBalance
    return by_id, lines


def _sides(row: dict[str, str]) -> tuple[Decimal, Decimal]:
    debit, credit = Decimal(row["debit"]), Decimal(row["credit"])
    for amount in (debit, credit):
        if not amount.is_finite() or not 0 <= amount <= MAX_MONEY or amount != amount.quantize(CENT):
            raise BadInput(_("Amounts are yuan with at most 2 decimals, not below zero, at most 10 billion."))
    if (debit > 0) == (credit > 0):
        raise BadInput(_("A line has a debit or a credit, and not both."))
    return debit.quantize(CENT), credit.quantize(CENT)
