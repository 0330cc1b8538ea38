"""Invariants of the books, each with its figures and the first row that breaks it. Contexts above register their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.db import connection
from django.utils.module_loading import import_string

from apps.common.money import ZERO
from apps.ledger import selectors
from apps.ledger.domain import Check

_registered: list[str] = ["apps.ledger.audit.checks"]


def register(dotted_path: str) -> None:
    """Add a function `checks(legal_entity_id: UUID) -> list[Check]` to what `audit_books` runs; called in `AppConfig.ready`."""
    if dotted_path not in _registered:
        _registered.append(dotted_path)


def run(legal_entity_id: UUID) -> list[Check]:
    """Every registered check of one legal entity."""
    found: list[Check] = []
    for dotted_path in _registered:
        checks_of: Callable[[UUID], list[Check]] = import_string(dotted_path)
        found += checks_of(legal_entity_id)
    return found


def checks(legal_entity_id: UUID) -> list[Check]:
    """The ledger's own: what its triggers guard, looked at again from outside."""
    return [
        _entries_balance(legal_entity_id),
        _trial_balance_is_zero(legal_entity_id),
        _lines_keep_to_their_entry(legal_entity_id),
        _closed_days_stand(legal_entity_id),
        _checkpoints_stand(legal_entity_id),
    ]


def _query(sql: str, *arguments: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, arguments)
        return cursor.fetchall()


def _entries_balance(entity: UUID) -> Check:
    entries = selectors.entry_count(entity)
    offenders = _query(
        """SELECT e.business_date, e.event, e.reference, coalesce(sum(l.debit), 0), coalesce(sum(l.credit), 0)
             FROM ledger_journalentry e
             LEFT JOIN ledger_journalline l ON l.entry_id = e.id
             LEFT JOIN ledger_account a ON a.id = l.account_id
            WHERE e.legal_entity_id = %s
            GROUP BY e.id
           HAVING coalesce(sum(l.debit), 0) <> coalesce(sum(l.credit), 0) OR coalesce(sum(l.debit), 0) <> e.total OR count(l.id) = 0
               OR coalesce(sum(l.debit - l.credit) FILTER (WHERE a.kind = 'off_balance'), 0) <> 0
            ORDER BY e.business_date, e.id""",
        entity,
    )
    first = "{} {} {}: debit {}, credit {}".format(*offenders[0]) if offenders else ""
    return Check("every entry balances", not offenders, {"entries": entries, "unbalanced": len(offenders)}, first)


def _trial_balance_is_zero(entity: UUID) -> Check:
    rows = selectors.trial_balance(entity)
    debit, credit = sum((row.debit for row in rows), start=ZERO), sum((row.credit for row in rows), start=ZERO)
    return Check("trial balance: debits = credits", debit == credit, {"debit": str(debit), "credit": str(credit), "accounts": len(rows)})


def _lines_keep_to_their_entry(entity: UUID) -> Check:
    offenders = _query(
        """SELECT l.id, a.code, l.business_date, e.reference
             FROM ledger_journalline l
             JOIN ledger_journalentry e ON e.id = l.entry_id
             JOIN ledger_account a ON a.id = l.account_id
            WHERE e.legal_entity_id = %s AND (l.business_date <> e.business_date OR a.legal_entity_id <> e.legal_entity_id)
            ORDER BY l.id""",
        entity,
    )
    first = "line {} on {} of {} in entry {}".format(*offenders[0]) if offenders else ""
    return Check("lines have their entry's day and legal entity", not offenders, {"offenders": len(offenders)}, first)


def _closed_days_stand(entity: UUID) -> Check:
    offenders = _query(
        """WITH days AS (
             SELECT d.date, d.entries, d.total, lag(d.date) OVER (ORDER BY d.date) AS before
               FROM ledger_ledgerday d WHERE d.legal_entity_id = %s)
           SELECT days.date, days.entries, days.total, count(e.id), coalesce(sum(e.total), 0)
             FROM days LEFT JOIN ledger_journalentry e
               ON e.legal_entity_id = %s AND e.business_date <= days.date AND (days.before IS NULL OR e.business_date > days.before)
            GROUP BY days.date, days.entries, days.total
           HAVING count(e.id) <> days.entries OR coalesce(sum(e.total), 0) <> days.total
            ORDER BY days.date""",
        entity,
        entity,
    )
    first = "{}: closed with {} entries of {}, holds {} of {}".format(*offenders[0]) if offenders else ""
    closed = selectors.closed_through(entity)
    return Check("closed days hold what they closed with", not offenders, {"closed_through": str(closed or "")}, first)


def _checkpoints_stand(entity: UUID) -> Check:
    offenders = _query(
        """SELECT a.code, c.date, c.balance, c.moved
             FROM (SELECT d.account_id, d.date, d.balance, sum(d.debit - d.credit) OVER (PARTITION BY d.account_id ORDER BY d.date) AS moved
                     FROM ledger_accountday d) c
             JOIN ledger_account a ON a.id = c.account_id
            WHERE a.legal_entity_id = %s AND c.balance <> c.moved
           UNION ALL
           SELECT a.code, c.date, c.balance, c.posted
             FROM (SELECT DISTINCT ON (d.account_id) d.account_id, d.date, d.balance,
                          (SELECT coalesce(sum(l.debit - l.credit), 0) FROM ledger_journalline l
                            WHERE l.account_id = d.account_id AND l.business_date <= d.date) AS posted
                     FROM ledger_accountday d ORDER BY d.account_id, d.date DESC) c
             JOIN ledger_account a ON a.id = c.account_id
            WHERE a.legal_entity_id = %s AND c.balance <> c.posted
            ORDER BY 1, 2""",
        entity,
        entity,
    )
    first = "account {} on {}: checkpoint {}, lines {}".format(*offenders[0]) if offenders else ""
    return Check("balance checkpoints = lines", not offenders, {"offenders": len(offenders)}, first)
