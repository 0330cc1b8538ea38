"""Days of the books: held open by who posts, closed with their totals. Rules and balances are held the same way."""

from __future__ import annotations

import datetime as dt
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from apps.common.models import new_id
from apps.ledger import selectors

_LOCK_SEED = 1303  # the same as in the trigger `open_day` and in `ledger_post`

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


def hold_day(legal_entity_id: UUID, *, not_before: dt.date) -> dt.date:
    """The first day from `not_before` on that the books are open; it stays open until the caller's transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock_shared(hashtextextended(%s, %s))", [str(legal_entity_id), _LOCK_SEED])
    closed = selectors.closed_through(legal_entity_id)
    return not_before if closed is None or closed < not_before else closed + dt.timedelta(days=1)


def hold_books(legal_entity_id: UUID) -> None:
    """Let the postings under way end, and keep new ones waiting until the caller's transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, %s))", [str(legal_entity_id), _LOCK_SEED])


def hold_balance(legal_entity_id: UUID, account_code: str, party_ref: str = "") -> None:
    """Keep others who ask for it waiting until the caller's transaction ends: what is read now may be spent.

    To be asked for before the day is held, so that a day that closes waits for both.
    """
    with connection.cursor() as cursor:
        name = f"balance/{legal_entity_id}/{account_code}/{party_ref}"
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [name])


@transaction.atomic
def close_day(*, legal_entity_id: UUID, day: dt.date, now: dt.datetime) -> bool:
    """Record the totals of a day and close the books through it; False when that was done before.

    Waits for the deeds that hold the day, and keeps new ones waiting until it is done.
    """
    hold_books(legal_entity_id)
    closed = selectors.closed_through(legal_entity_id)
    if closed is not None and closed >= day:
        return False
    facts: dict[str, Any] = {"entity": legal_entity_id, "day": day, "since": closed or dt.date.min, "id": new_id(), "now": now}
    with connection.cursor() as cursor:
        cursor.execute(_CHECKPOINTS, facts)
        cursor.execute(_TOTALS, facts)
    return True
