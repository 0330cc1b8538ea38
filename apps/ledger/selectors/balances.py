"""Questions to the books. A balance costs an index read from the last checkpoint (`AccountDay`) and the lines since then."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Q, QuerySet, Sum
from django.db.models.functions import Coalesce

from apps.common.money import ZERO
from apps.ledger.models import Account, JournalEntry, JournalLine, LedgerDay

_FOREVER = dt.date.max

# Of each account the newest checkpoint that is closed on the day, and the lines since then: a few index reads an account, whichever day
# is asked for and however many were closed.
_STANDING = """
    WITH closed AS MATERIALIZED (
        SELECT coalesce(max(d.date), '-infinity'::date) AS day FROM ledger_ledgerday d
         WHERE d.legal_entity_id = %(entity)s AND d.date <= %(as_of)s
    )
    SELECT a.id, coalesce(last.balance, 0) + coalesce(since.net, 0)
      FROM closed CROSS JOIN ledger_account a
      LEFT JOIN LATERAL (SELECT d.balance FROM ledger_accountday d
                          WHERE d.account_id = a.id AND d.date <= closed.day ORDER BY d.date DESC LIMIT 1) last ON true
      LEFT JOIN LATERAL (SELECT sum(l.debit) - sum(l.credit) AS net FROM ledger_journalline l
                          WHERE l.account_id = a.id AND l.business_date > closed.day AND l.business_date <= %(as_of)s) since ON true
     WHERE a.legal_entity_id = %(entity)s AND (%(accounts)s::uuid[] IS NULL OR a.id = ANY(%(accounts)s::uuid[]))
       AND (last.balance IS NOT NULL OR since.net IS NOT NULL)
"""


@dataclass(frozen=True, slots=True)
class TrialRow:
    """One account of a trial balance: its balance stands on one side, the other is zero."""

    code: str
    name: str
    kind: str
    debit: Decimal
    credit: Decimal


def closed_through(legal_entity_id: UUID) -> dt.date | None:
    """The last closed day of the books; None when none was closed yet."""
    days = LedgerDay.objects.filter(legal_entity_id=legal_entity_id).order_by("-date")
    return days.values_list("date", flat=True).first()


def balance(account_code: str, legal_entity_id: UUID, as_of: dt.date | None = None, subject_ref: UUID | None = None) -> Decimal:
    """Balance in yuan at the end of `as_of` (None: everything posted), above zero on the account's normal side.

    `account_code` takes its sub-accounts with it: "1303" is all of 130301, 130302, … With `subject_ref` only lines about that subject
    count; amounts that are posted in sums (daily accruals) have none.
    """
    accounts = {account.id: account for account in Account.objects.filter(legal_entity_id=legal_entity_id, code__startswith=account_code)}
    if subject_ref is None:
        standing = balances(legal_entity_id, as_of=as_of or _FOREVER, accounts=set(accounts))
        net = sum(standing.values(), start=ZERO)
    else:
        lines = JournalLine.objects.filter(account__in=accounts, subject_ref=subject_ref, business_date__lte=as_of or _FOREVER)
        net = lines.aggregate(net=Coalesce(Sum("debit"), ZERO) - Coalesce(Sum("credit"), ZERO))["net"]
    credit_side = any(account.side == Account.Side.CREDIT for account in accounts.values())
    return -net if credit_side else net


def balances(legal_entity_id: UUID, *, as_of: dt.date, accounts: set[UUID] | None = None) -> dict[UUID, Decimal]:
    """Account id → debit − credit at the end of `as_of`; accounts that never moved are missing."""
    facts: dict[str, Any] = {"entity": legal_entity_id, "as_of": as_of, "accounts": None if accounts is None else list(accounts)}
    with connection.cursor() as cursor:
        cursor.execute(_STANDING, facts)
        return dict(cursor.fetchall())


def references_of(legal_entity_id: UUID, event: str, references: Collection[str]) -> set[str]:
    """Which of the references have an entry of the event."""
    entries = JournalEntry.objects.filter(legal_entity_id=legal_entity_id, event=event, reference__in=references)
    return set(entries.values_list("reference", flat=True))


def trial_balance(legal_entity_id: UUID, as_of: dt.date | None = None) -> list[TrialRow]:
    """Every account that has a balance at the end of `as_of`, by code; the debits add up to the credits."""
    standing = balances(legal_entity_id, as_of=as_of or _FOREVER)
    accounts = Account.objects.filter(id__in=[account for account, net in standing.items() if net]).order_by("code")
    return [
        TrialRow(account.code, account.name, account.kind, max(standing[account.id], ZERO), max(-standing[account.id], ZERO))
        for account in accounts
    ]


def entries_of(subject_ref: UUID) -> QuerySet[JournalEntry]:
    """Entries with lines about a subject, in the order of the books."""
    return JournalEntry.objects.filter(lines__subject_ref=subject_ref).distinct().order_by("business_date", "created_at", "id")


def entry_count(legal_entity_id: UUID | None = None) -> int:
    """How many entries the books hold."""
    entries = JournalEntry.objects.all()
    return (entries.filter(legal_entity_id=legal_entity_id) if legal_entity_id else entries).count()


def entries_on(legal_entity_id: UUID, day: dt.date, event: str) -> int:
    """How many entries of an event a day holds."""
    return JournalEntry.objects.filter(legal_entity_id=legal_entity_id, business_date=day, event=event).count()


def digest(legal_entity_id: UUID | None = None) -> str:
    """SHA-256 over what the books say: per entity, day, event and account the net amount.

    Surrogate ids, clock times, and how amounts were grouped into entries and lines play no part: an interrupted and repeated end of day
    gives the digest of an undisturbed one.
    """
    lines = JournalLine.objects.all()
    if legal_entity_id is not None:
        lines = lines.filter(entry__legal_entity_id=legal_entity_id)
    keys = ("entry__legal_entity__code", "business_date", "entry__event", "account__code")
    rows = lines.order_by(*keys).values_list(*keys).annotate(net=Sum("debit") - Sum("credit")).filter(~Q(net=0))
    sha = hashlib.sha256()
    for entity, day, event, account, net in rows.iterator():
        sha.update(f"{entity}|{day}|{event}|{account}|{net:.2f}\n".encode())
    return sha.hexdigest()
