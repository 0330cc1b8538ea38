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
        _rules_keep_memos_apart(legal_entity_id),
        _reversals_undo(legal_entity_id),
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
    first = "" if debit == credit else f"debit {debit}, credit {credit}: {debit - credit} too much"
    return Check("trial balance: debits = credits", not first, {"debit": str(debit), "credit": str(credit), "accounts": len(rows)}, first)


def _lines_keep_to_their_entry(entity: UUID) -> Check:
    offenders = _query(
        """SELECT l.id, coalesce(a.code, 'no account'), l.business_date, coalesce(e.reference, 'that is missing')
             FROM ledger_journalline l
             LEFT JOIN ledger_journalentry e ON e.id = l.entry_id
             LEFT JOIN ledger_account a ON a.id = l.account_id
            WHERE coalesce(e.legal_entity_id, a.legal_entity_id) = %s
              AND (e.id IS NULL OR a.id IS NULL OR l.business_date <> e.business_date OR a.legal_entity_id <> e.legal_entity_id)
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
    """Every closed day's movement of every account is that of its lines, and each balance the one before with the day's movement."""
    offenders = _query(
        """WITH days AS (
             SELECT d.date, lag(d.date, 1, '-infinity') OVER (ORDER BY d.date) AS before
               FROM ledger_ledgerday d WHERE d.legal_entity_id = %s),
           posted AS (
             SELECT l.account_id, l.business_date, sum(l.debit) AS debit, sum(l.credit) AS credit
               FROM ledger_journalline l JOIN ledger_account a ON a.id = l.account_id
              WHERE a.legal_entity_id = %s GROUP BY 1, 2),
           moved AS (
             SELECT p.account_id, days.date, sum(p.debit) AS debit, sum(p.credit) AS credit
               FROM posted p JOIN days ON p.business_date <= days.date AND p.business_date > days.before GROUP BY 1, 2),
           kept AS (
             SELECT d.account_id, d.date, d.debit, d.credit, d.balance,
                    sum(d.debit - d.credit) OVER (PARTITION BY d.account_id ORDER BY d.date) AS summed
               FROM ledger_accountday d JOIN ledger_account a ON a.id = d.account_id WHERE a.legal_entity_id = %s)
           SELECT a.code, date, coalesce(k.debit, 0), coalesce(k.credit, 0), coalesce(k.balance, 0),
                  coalesce(m.debit, 0), coalesce(m.credit, 0)
             FROM moved m FULL JOIN kept k USING (account_id, date) JOIN ledger_account a ON a.id = account_id
            WHERE (k.debit, k.credit) IS DISTINCT FROM (m.debit, m.credit) OR k.balance <> k.summed
            ORDER BY 2, 1""",
        entity,
        entity,
        entity,
    )
    first = (
        "account {} on {}: checkpoint debit {}, credit {}, balance {}; lines debit {}, credit {}".format(*offenders[0]) if offenders else ""
    )
    return Check("balance checkpoints = lines", not offenders, {"offenders": len(offenders)}, first)


def _rules_keep_memos_apart(entity: UUID) -> Check:
    offenders = _query(
        """SELECT r.event, r.component, r.party, r.version, d.code, c.code
             FROM ledger_postingrule r
             LEFT JOIN ledger_account d ON d.id = r.debit_id
             LEFT JOIN ledger_account c ON c.id = r.credit_id
            WHERE r.legal_entity_id = %s
              AND ((d.kind = 'off_balance') IS DISTINCT FROM (c.kind = 'off_balance')
                   OR d.legal_entity_id <> r.legal_entity_id OR c.legal_entity_id <> r.legal_entity_id)
            ORDER BY r.version, r.event, r.component, r.party""",
        entity,
    )
    first = "{}.{} ({}) version {}: {} / {}".format(*offenders[0]) if offenders else ""
    return Check("rules stay on one side of the balance sheet", not offenders, {"offenders": len(offenders)}, first)


def _reversals_undo(entity: UUID) -> Check:
    """An entry that reverses another moves every account, party and subject back by what that moved; and it does so once."""
    offenders = _query(
        """WITH pairs AS (SELECT e.id, e.reverses_id, e.business_date, e.reference FROM ledger_journalentry e
                           WHERE e.legal_entity_id = %s AND e.reverses_id IS NOT NULL),
           left_over AS (
             SELECT p.id, l.account_id, l.party_ref, l.subject_ref, sum(l.debit - l.credit) AS net
               FROM pairs p JOIN ledger_journalline l ON l.entry_id IN (p.id, p.reverses_id) GROUP BY 1, 2, 3, 4)
           SELECT p.business_date, p.reference FROM pairs p
            WHERE EXISTS (SELECT 1 FROM left_over o WHERE o.id = p.id AND o.net <> 0)
               OR EXISTS (SELECT 1 FROM pairs q WHERE q.reverses_id = p.reverses_id AND q.id < p.id)
            ORDER BY 1, 2""",
        entity,
    )
    first = "{} {}".format(*offenders[0]) if offenders else ""
    return Check("reversals undo what they reverse", not offenders, {"offenders": len(offenders)}, first)
