"""What a day does to loans with an instalment unpaid, and to those whose instalment falls due, in SQL: a replay of each, set-based.

Only plain loans without an event of their own on the day are taken (see `LoanRun`); tests prove the statements equal to the replay.
"""

from __future__ import annotations

import datetime as dt
from typing import Any, Final
from uuid import UUID

from django.db import connection

from apps.loans.models import LIVE
from apps.loans.services.sums import Sum

LOANS_PER_PART: Final = 20_000

_PLAIN: Final = "run.is_plain AND (run.next_event_on IS NULL OR run.next_event_on > %(to)s)"
_LATE: Final = f"""loans_loanrun run JOIN loans_loanbalance b ON b.loan_id = run.loan_id
    WHERE run.legal_entity_id = %(entity)s AND {_PLAIN} AND b.as_of < %(to)s AND b.next_due_date < %(to)s"""
_IS_TURNING: Final = f"run.legal_entity_id = %(entity)s AND {_PLAIN} AND (run.next_due_on <= %(to)s OR run.ends_on <= %(to)s)"
_TURNING: Final = f"loans_loanrun run WHERE {_IS_TURNING}"

_PARTS: Final = """
    SELECT (array_agg(loan_id ORDER BY loan_id))[1], (array_agg(loan_id ORDER BY loan_id DESC))[1]
      FROM (SELECT run.loan_id, (row_number() OVER (ORDER BY run.loan_id) - 1) / %(size)s AS part FROM {which}) numbered
     GROUP BY part ORDER BY part
"""
# Loans are locked in one order before the statement that changes them looks at them again.
_WHICH: Final = "SELECT run.loan_id FROM {which} AND run.loan_id BETWEEN %(first)s AND %(last)s"
_LOCK: Final = "SELECT id FROM loans_loan WHERE id = ANY(%(loans)s) AND state = ANY(%(live)s) ORDER BY id FOR UPDATE"

_AGE: Final = f"""
    WITH late AS (
        SELECT run.* FROM {_LATE} AND run.loan_id = ANY(%(loans)s)
    ), fresh AS (
        SELECT i.id, i.loan_id, r.is_suspended, r.is_lease, r.vat_rate, r.parties, r.parts,
               i.due_date, i.status, i.penalty AS old_penalty, i.compound AS old_compound,
               i.principal - i.paid_principal - i.waived_principal AS principal,
               i.interest - i.paid_interest - i.waived_interest AS interest,
               i.fee - i.paid_fee - i.waived_fee AS fee,
               i.paid_penalty + i.waived_penalty AS settled_penalty, i.paid_compound + i.waived_compound AS settled_compound,
               CASE WHEN i.cleared_on IS NOT NULL OR %(to)s - i.due_date <= r.grace_days THEN i.penalty
                    ELSE loans_rounded((i.penalty_run + (i.principal - i.paid_principal - i.waived_principal) * r.penalty_rate
                         * greatest(%(to)s - i.late_since, 0)) / r.penalty_basis, r.half_even) END AS penalty,
               CASE WHEN NOT r.compound OR i.cleared_on IS NOT NULL OR %(to)s - i.due_date <= r.grace_days THEN i.compound
                    ELSE loans_rounded((i.compound_run + (i.interest - i.paid_interest - i.waived_interest) * r.penalty_rate
                         * greatest(%(to)s - i.late_since, 0)) / r.penalty_basis, r.half_even) END AS compound
          FROM late r JOIN loans_instalment i ON i.loan_id = r.loan_id
         WHERE i.status IN ('due', 'overdue')
    ), aged AS (
        UPDATE loans_instalment i SET penalty = f.penalty, compound = f.compound
          FROM fresh f WHERE i.id = f.id AND (f.penalty <> f.old_penalty OR f.compound <> f.old_compound)
    ), loan AS (
        SELECT loan_id, is_suspended, is_lease, vat_rate, parties, parts,
               sum(penalty - old_penalty) AS more_penalty, sum(compound - old_compound) AS more_compound,
               sum(penalty - settled_penalty) AS penalty, sum(compound - settled_compound) AS compound,
               coalesce(sum(principal + interest + fee + penalty - settled_penalty + compound - settled_compound)
                        FILTER (WHERE status = 'overdue'), 0) AS overdue,
               coalesce(%(to)s - min(due_date) FILTER (WHERE principal + interest + penalty - settled_penalty + compound
                        - settled_compound <> 0), 0) AS dpd
          FROM fresh GROUP BY loan_id, is_suspended, is_lease, vat_rate, parties, parts
    ), stood AS (
        UPDATE loans_loanbalance b
           SET as_of = %(to)s, penalty = l.penalty, compound = l.compound, overdue = l.overdue, dpd = l.dpd,
               accrued_interest = b.accrued_interest + loans_accrued(run, %(to)s) - loans_accrued(run, b.as_of)
          FROM loan l JOIN loans_loanrun run ON run.loan_id = l.loan_id WHERE b.loan_id = l.loan_id
    ), total AS (
        SELECT l.*, 'penalty' AS component, l.more_penalty AS more,
               (SELECT sum(i.penalty) FROM loans_instalment i WHERE i.loan_id = l.loan_id) AS was FROM loan l WHERE l.more_penalty <> 0
        UNION ALL
        SELECT l.*, 'compound', l.more_compound,
               (SELECT sum(i.compound) FROM loans_instalment i WHERE i.loan_id = l.loan_id) FROM loan l WHERE l.more_compound <> 0
    ), part AS (
        SELECT loan_id, component, is_suspended, is_lease, vat_rate, '' AS party, was, was + more AS now FROM total WHERE parts IS NULL
        UNION ALL
        SELECT t.loan_id, t.component, t.is_suspended, t.is_lease, t.vat_rate, p.party, p.was, p.now
          FROM total t, unnest(t.parties, loans_parts(t.was, t.parts), loans_parts(t.was + t.more, t.parts)) AS p(party, was, now)
         WHERE t.parts IS NOT NULL
    ), moved AS (
        SELECT loan_id, 'penalty' AS event, component, party, is_lease, now - was AS amount FROM part WHERE party <> ''
        UNION ALL
        SELECT loan_id, 'non_accrual', component, party, is_lease, now - was FROM part WHERE party = '' AND is_suspended
        UNION ALL
        SELECT loan_id, 'penalty', component, party, is_lease, now - loans_tax(now, vat_rate) - was + loans_tax(was, vat_rate)
          FROM part WHERE party = '' AND NOT is_suspended
        UNION ALL
        SELECT loan_id, 'penalty', component || '_vat', party, is_lease, loans_tax(now, vat_rate) - loans_tax(was, vat_rate)
          FROM part WHERE party = '' AND NOT is_suspended
    ), noted AS (
        INSERT INTO loans_loanamount AS a (loan_id, event, component, party_ref, target, booked)
        SELECT loan_id, event, component, party, amount, amount FROM moved WHERE amount <> 0
            ON CONFLICT (loan_id, event, component, party_ref)
            DO UPDATE SET target = a.target + EXCLUDED.target, booked = a.booked + EXCLUDED.booked
    )
    SELECT event, component, party, sum(amount), (SELECT count(*) FROM loan), is_lease FROM moved GROUP BY event, component, party, is_lease
    UNION ALL
    SELECT '', '', '', 0, (SELECT count(*) FROM loan), false
"""

# No part of the statement joins another: each joins tables by key, so that the cost per loan stays the same.
_TURN: Final = f"""
    WITH turning AS MATERIALIZED (
        SELECT run AS old, run.loan_id, run.next_due_on, run.grace_days, run.row_no,
               coalesce(run.next_due_on <= %(to)s, false) AS falls_due,
               run.ends_on <= %(to)s AS turns, due.no AS due_no, coalesce(due.interest, 0) AS charged,
               coalesce(due.principal - due.paid_principal - due.waived_principal, 0) AS principal,
               coalesce(due.interest - due.paid_interest - due.waived_interest, 0) AS interest
          FROM loans_loanrun run
          LEFT JOIN loans_instalment due ON run.next_due_on <= %(to)s AND due.loan_id = run.loan_id
                AND due.no = ANY(ARRAY[run.row_no - 1, run.row_no]) AND due.due_date = run.next_due_on
         WHERE {_IS_TURNING} AND run.loan_id = ANY(%(loans)s)
    ), fallen AS (
        UPDATE loans_instalment i SET status = 'due' FROM turning t WHERE i.loan_id = t.loan_id AND i.no = t.due_no
    ), stood AS (
        UPDATE loans_loanbalance b
           SET as_of = %(to)s, interest = b.interest + t.interest, principal_due = b.principal_due + t.principal,
               accrued_interest = b.accrued_interest + loans_accrued(t.old, %(to)s) - loans_accrued(t.old, b.as_of) - t.charged
          FROM turning t WHERE b.loan_id = t.loan_id
    )
    UPDATE loans_loanrun run
       SET next_due_on = CASE WHEN t.falls_due THEN due.due_date ELSE run.next_due_on END,
           next_event_on = CASE WHEN t.falls_due
               THEN least(run.next_event_on, t.next_due_on + 1 + least(run.grace_days, %(first_threshold)s)) ELSE run.next_event_on END,
           before = CASE WHEN t.turns THEN run.before + run.interest ELSE run.before END,
           row_no = CASE WHEN t.turns THEN run.row_no + 1 ELSE run.row_no END,
           starts_on = CASE WHEN t.turns THEN coalesce(next.starts_on, run.ends_on) ELSE run.starts_on END,
           ends_on = CASE WHEN t.turns THEN coalesce(next.ends_on, '9999-12-31') ELSE run.ends_on END,
           units = CASE WHEN t.turns THEN coalesce(next.units, 0) ELSE run.units END,
           units_done = CASE WHEN t.turns THEN 0 ELSE run.units_done END,
           bears = CASE WHEN t.turns THEN coalesce(next.bears, 0) ELSE run.bears END,
           carried = CASE WHEN t.turns THEN 0 ELSE run.carried END,
           interest = CASE WHEN t.turns THEN coalesce(next.interest, 0) ELSE run.interest END
      FROM turning t
      LEFT JOIN loans_instalment due ON due.loan_id = t.loan_id AND due.no = t.due_no + 1
      LEFT JOIN loans_instalment next ON t.turns AND next.loan_id = t.loan_id AND next.no = t.row_no + 1
     WHERE run.loan_id = t.loan_id
"""


def late_parts(entity_id: UUID, to: dt.date) -> list[dict[str, str]]:
    """Ranges of loans with an instalment unpaid before `to` that go on by themselves."""
    return _cut(_LATE, entity_id, to)


def turning_parts(entity_id: UUID, to: dt.date) -> list[dict[str, str]]:
    """Ranges of loans whose instalment falls due or whose period ends on `to`."""
    return _cut(_TURNING, entity_id, to)


def age_late(entity_id: UUID, to: dt.date, first: UUID, last: UUID) -> tuple[list[Sum], int]:
    """Bring late loans of a range to `to`: penalty, days past due. Returns what is to be posted, and how many loans."""
    with connection.cursor() as cursor:
        facts = _locked(cursor, _LATE, entity_id, to, first, last)
        if not facts["loans"]:
            return [], 0
        cursor.execute(_AGE, facts)
        sums = [Sum(*row) for row in cursor.fetchall()]
    return [item for item in sums if item.amount], max(item.loans for item in sums)


def turn(entity_id: UUID, to: dt.date, first: UUID, last: UUID, *, first_threshold: int) -> int:
    """Let instalments fall due on `to`, and the next periods begin; returns how many loans that concerned."""
    with connection.cursor() as cursor:
        facts = _locked(cursor, _TURNING, entity_id, to, first, last)
        if not facts["loans"]:
            return 0
        cursor.execute(_TURN, facts | {"first_threshold": first_threshold})
        return int(cursor.rowcount)


def _cut(which: str, entity_id: UUID, to: dt.date) -> list[dict[str, str]]:
    with connection.cursor() as cursor:
        cursor.execute(_PARTS.format(which=which), {"entity": entity_id, "to": to, "size": LOANS_PER_PART})
        return [{"first": str(first), "last": str(last)} for first, last in cursor.fetchall()]


def _locked(cursor: Any, which: str, entity_id: UUID, to: dt.date, first: UUID, last: UUID) -> dict[str, Any]:
    facts = {"entity": entity_id, "to": to, "first": first, "last": last, "live": list(LIVE)}
    # Some thousands of rows are wanted by key, out of millions: reading whole tables would cost what the loans on the books cost.
    cursor.execute("SET LOCAL random_page_cost = 1.0")
    for statement in (_WHICH.format(which=which), _LOCK):
        cursor.execute(statement, facts)
        facts["loans"] = [row[0] for row in cursor.fetchall()]
    return facts
