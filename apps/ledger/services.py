"""Deeds on the books: opening them, posting an entry, closing a day."""

from __future__ import annotations

import csv
import datetime as dt
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.utils.translation import gettext_lazy as _

from apps.common.actors import Actor
from apps.common.errors import BadInput, Conflict
from apps.common.models import new_id
from apps.common.money import ZERO
from apps.ledger import selectors
from apps.ledger.domain import Leg, Line, Posting, lines_of
from apps.ledger.models import Account, JournalEntry, JournalLine, PostingRule

DATA = Path(__file__).parent / "data"
RULES_VERSION = 1
RULES_EFFECTIVE_FROM = dt.date(2000, 1, 1)
_LOCK_SEED = 1303  # the same as in the trigger `open_day`


# What moved since the last closed day, on top of each account's last checkpoint.
_CHECKPOINTS = """
    INSERT INTO ledger_accountday (account_id, date, debit, credit, balance, created_at)
    SELECT moved.account_id, %(day)s, moved.debits, moved.credits, coalesce(last.balance, 0) + moved.debits - moved.credits, %(now)s
      FROM (SELECT l.account_id, sum(l.debit) AS debits, sum(l.credit) AS credits
              FROM ledger_account a JOIN ledger_journalline l ON l.account_id = a.id
             WHERE a.legal_entity_id = %(entity)s AND l.business_date > %(since)s AND l.business_date <= %(day)s
             GROUP BY l.account_id) moved
      LEFT JOIN LATERAL (SELECT d.balance FROM ledger_accountday d
                          WHERE d.account_id = moved.account_id ORDER BY d.date DESC LIMIT 1) last ON true
"""
_TOTALS = """
    INSERT INTO ledger_ledgerday (id, legal_entity_id, date, entries, total, created_at)
    SELECT %(id)s, %(entity)s, %(day)s, count(*), coalesce(sum(total), 0), %(now)s
      FROM ledger_journalentry WHERE legal_entity_id = %(entity)s AND business_date > %(since)s AND business_date <= %(day)s
"""


class NoRule(BadInput):
    """The rule table has no row for what is to be posted."""

    code = "no_posting_rule"
    title = _("There is no posting rule for this event and component. Add one to the rule table.")


class DayClosed(Conflict):
    """The business day is closed in the books."""

    code = "ledger_day_closed"
    title = _("The books are closed on this day. Post on the open business day.")


class ReferenceReused(Conflict):
    """An entry of the same event and reference stands with other lines."""

    code = "ledger_reference_reused"
    title = _("An entry with this reference was posted with other lines.")


def _rows(name: str) -> list[dict[str, str]]:
    with (DATA / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@transaction.atomic
def open_books(*, legal_entity_id: UUID, actor: Actor, now: dt.datetime) -> None:
    """Give a legal entity the shipped chart of accounts and posting rules. Safe to repeat: adds only what is missing."""
    actor.require("organisations.edit")
    Account.objects.bulk_create((Account(legal_entity_id=legal_entity_id, **row) for row in _rows("accounts.csv")), ignore_conflicts=True)
    accounts = dict(Account.objects.filter(legal_entity_id=legal_entity_id).values_list("code", "id"))
    PostingRule.objects.bulk_create(
        (
            PostingRule(
                legal_entity_id=legal_entity_id,
                version=RULES_VERSION,
                effective_from=RULES_EFFECTIVE_FROM,
                event=row["event"],
                component=row["component"],
                party=row["party"],
                leg=int(row["leg"]),
                debit_id=accounts[row["debit"]],
                credit_id=accounts[row["credit"]],
            )
            for row in _rows("posting_rules.csv")
        ),
        ignore_conflicts=True,
    )


def _rules(legal_entity_id: UUID, event: str, on: dt.date) -> dict[tuple[str, str], list[Leg]]:
    """Per component and party the legs of the newest version in force."""
    found: dict[tuple[str, str], tuple[int, list[Leg]]] = {}
    rows = PostingRule.objects.filter(legal_entity_id=legal_entity_id, event=event, effective_from__lte=on)
    for component, party, version, debit, credit in rows.order_by("-version", "leg").values_list(
        "component", "party", "version", "debit_id", "credit_id"
    ):
        newest, legs = found.setdefault((component, party), (version, []))
        if version == newest:
            legs.append(Leg(debit, credit))
    return {key: legs for key, (_version, legs) in found.items()}


@transaction.atomic
def post(
    *,
    legal_entity_id: UUID,
    business_date: dt.date,
    event: str,
    amounts: Iterable[Posting],
    reference: str,
    narrative: str = "",
    reverses: UUID | None = None,
    actor: Actor,
    now: dt.datetime,
) -> UUID:
    """Post one entry and return its id. The same event and reference again: the first entry's id, nothing posted.

    Raises `NoRule`, `DayClosed`, `ReferenceReused` (posted before with other lines), `BadInput` when nothing is to be posted.
    """
    postings = list(amounts)
    earlier = JournalEntry.objects.filter(legal_entity_id=legal_entity_id, event=event, reference=reference).first()
    try:
        # What stands was posted by the rules of its own day.
        lines = lines_of(postings, _rules(legal_entity_id, event, earlier.business_date if earlier else business_date))
    except KeyError as missing:
        component, party = missing.args[0]
        raise NoRule(event=event, component=component, party=party) from None
    if earlier is not None:
        if not _stands_as(earlier, lines):
            raise ReferenceReused(reference=reference)
        return earlier.id
    if not lines:
        raise BadInput(_("There is nothing to post: all amounts are zero."))
    closed = selectors.closed_through(legal_entity_id)
    if closed is not None and closed >= business_date:
        raise DayClosed(day=business_date)
    entry = JournalEntry.objects.create(
        legal_entity_id=legal_entity_id,
        business_date=business_date,
        event=event,
        reference=reference,
        narrative=narrative,
        total=sum((line.debit for line in lines), start=ZERO),
        actor=str(actor)[:80],
        reverses_id=reverses,
        created_at=now,
    )
    JournalLine.objects.bulk_create(
        JournalLine(
            entry=entry,
            business_date=business_date,
            account_id=line.account,
            debit=line.debit,
            credit=line.credit,
            party_ref=line.party_ref,
            subject_ref=line.subject_ref,
            component=line.component,
        )
        for line in lines
    )
    return entry.id


def _stands_as(entry: JournalEntry, lines: Iterable[Line]) -> bool:
    """Whether an entry has exactly these lines: accounts, parties, subjects and amounts."""
    standing = Counter(entry.lines.values_list("account_id", "party_ref", "subject_ref", "debit", "credit"))
    return standing == Counter((line.account, line.party_ref, line.subject_ref, line.debit, line.credit) for line in lines)


def hold_day(legal_entity_id: UUID, *, not_before: dt.date) -> dt.date:
    """The first day from `not_before` on that the books are open; it stays open until the caller's transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock_shared(hashtextextended(%s, %s))", [str(legal_entity_id), _LOCK_SEED])
    closed = selectors.closed_through(legal_entity_id)
    return not_before if closed is None or closed < not_before else closed + dt.timedelta(days=1)


@transaction.atomic
def close_day(*, legal_entity_id: UUID, day: dt.date, now: dt.datetime) -> bool:
    """Record the totals of a day and close the books through it; False when that was done before.

    Waits for the deeds that hold the day, and keeps new ones waiting until it is done.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, %s))", [str(legal_entity_id), _LOCK_SEED])
    closed = selectors.closed_through(legal_entity_id)
    if closed is not None and closed >= day:
        return False
    facts: dict[str, Any] = {"entity": legal_entity_id, "day": day, "since": closed or dt.date.min, "id": new_id(), "now": now}
    with connection.cursor() as cursor:
        cursor.execute(_CHECKPOINTS, facts)
        cursor.execute(_TOTALS, facts)
    return True


@transaction.atomic
def install_rules(
    *, legal_entity_id: UUID, version: int, effective_from: dt.date, rules: Sequence[dict[str, str]], actor: Actor, now: dt.datetime
) -> int:
    """Add a version of posting rules, in the columns of the shipped file; earlier versions keep what they posted.

    A key (event, component, party) given in it replaces all legs of that key. Raises `BadInput` for an unknown account, a version that
    is not the next one, or one that would reach into closed days.
    """
    actor.require("ledger.adjust")
    closed = selectors.closed_through(legal_entity_id)
    if closed is not None and effective_from <= closed:
        raise BadInput(_("The rules must take effect on a day that is still open."))
    newest = PostingRule.objects.filter(legal_entity_id=legal_entity_id).order_by("-version").values_list("version", flat=True).first()
    if version != (newest or 0) + 1:
        raise BadInput(_("The version must be the next one."), newest=newest)
    accounts = {account.code: account for account in Account.objects.filter(legal_entity_id=legal_entity_id)}
    made = []
    for row in rules:
        debit, credit = accounts.get(row["debit"]), accounts.get(row["credit"])
        if debit is None or credit is None or _is_memo(debit) != _is_memo(credit):
            raise BadInput(_("A rule needs two accounts of the chart, both on or both off the balance sheet."), rule=row)
        made.append(
            PostingRule(
                legal_entity_id=legal_entity_id,
                version=version,
                effective_from=effective_from,
                event=row["event"],
                component=row["component"],
                party=row["party"],
                leg=int(row.get("leg") or 1),
                debit=debit,
                credit=credit,
                created_at=now,
            )
        )
    return len(PostingRule.objects.bulk_create(made))


def _is_memo(account: Account) -> bool:
    return bool(account.kind == Account.Kind.OFF_BALANCE)
