"""One borrower's bad loan marks the borrower's others: which loans' marks are to be set or taken away.

Set-based; a test proves it equal to `domain.classes.marked_loans`. Rules: docs/rules/classes.md.
"""

from __future__ import annotations

import datetime as dt
from typing import Any, Final
from uuid import UUID

from django.db import connection

from apps.loans.models import LIVE
from apps.loans.services.booking import EVERY_LOAN
from apps.loans.services.projection import policy_on
from apps.loans.services.sums import REPLAYS_PER_PART

# Reads the loans that are not normal, by the partial index `balance_not_normal`, and those of their borrowers.
_TURNING: Final = """
    WITH bad AS MATERIALIZED (
        SELECT l.id, l.borrower_ref FROM loans_loanbalance b JOIN loans_loan l ON l.id = b.loan_id
         WHERE (b.own_class <> 'normal' OR b.is_marked) AND b.own_class = ANY(%(marking)s) AND l.legal_entity_id = %(entity)s
    ), wanted AS MATERIALIZED (
        SELECT DISTINCT o.id FROM bad JOIN loans_loan o ON o.borrower_ref = bad.borrower_ref AND o.id <> bad.id
         WHERE o.legal_entity_id = %(entity)s AND o.state = ANY(%(live)s)
    ), turning AS (
        SELECT w.id FROM wanted w JOIN loans_loanbalance b ON b.loan_id = w.id WHERE NOT b.is_marked
        UNION ALL
        SELECT b.loan_id FROM loans_loanbalance b JOIN loans_loan l ON l.id = b.loan_id
         WHERE (b.own_class <> 'normal' OR b.is_marked) AND b.is_marked AND l.legal_entity_id = %(entity)s
           AND NOT EXISTS (SELECT FROM wanted w WHERE w.id = b.loan_id)
    )
"""
_PARTS: Final = f"""{_TURNING}
    SELECT (array_agg(id ORDER BY id))[1], (array_agg(id ORDER BY id DESC))[1]
      FROM (SELECT id, (row_number() OVER (ORDER BY id) - 1) / %(size)s AS part FROM turning) numbered
     GROUP BY part ORDER BY part
"""
_OF_RANGE: Final = f"{_TURNING} SELECT id FROM turning WHERE id BETWEEN %(first)s AND %(last)s"
_STANDING_WRONG: Final = f"""{_TURNING}
    SELECT l.number FROM turning t JOIN loans_loan l ON l.id = t.id
     WHERE NOT EXISTS (SELECT FROM loans_loan o JOIN loans_loantransaction x ON x.loan_id = o.id
                        WHERE o.borrower_ref = l.borrower_ref AND o.legal_entity_id = %(entity)s AND x.business_date >= %(day)s)
     ORDER BY l.number
"""


def mark_parts(entity_id: UUID, day: dt.date) -> list[dict[str, str]]:
    """Ranges of the loans whose mark turns by how the borrowers' loans stand on `day`, a bounded number of replays each."""
    return [{"first": str(first), "last": str(last)} for first, last in _ask(_PARTS, entity_id, day, size=REPLAYS_PER_PART)]


def turning_marks(entity_id: UUID, day: dt.date, bounds: tuple[UUID, UUID] = EVERY_LOAN) -> list[UUID]:
    """The loans of a range whose mark turns."""
    return [row[0] for row in _ask(_OF_RANGE, entity_id, day, first=bounds[0], last=bounds[1])]


def wrong_marks(entity_id: UUID, day: dt.date) -> list[str]:
    """Numbers of loans whose mark is wrong though nothing was booked on a loan of their borrower since `day` opened."""
    return [row[0] for row in _ask(_STANDING_WRONG, entity_id, day, day=day)]


def _ask(sql: str, entity_id: UUID, on: dt.date, **facts: Any) -> list[tuple[Any, ...]]:
    marking = list(policy_on(entity_id, on).classes.marking)
    with connection.cursor() as cursor:
        cursor.execute(sql, {"entity": entity_id, "marking": marking, "live": list(LIVE), **facts})
        return cursor.fetchall()
