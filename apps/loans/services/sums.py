"""What happens to many loans by itself, in SQL: interest accrues, penalty runs on, instalments fall due.

Each statement does what a replay of every loan would (tests prove it). Loans with an event of their own on the day, or that are not
plain, are left to the replay. Rules: docs/rules/business-day.md, docs/decisions/0006-accruals-in-sums.md.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from django.db import connection

from apps.common.money import ZERO
from apps.loans.models import AccruedRange, Loan, LoanRun
from apps.loans.services.targets import Key
from apps.organisations.selectors import business_date, closing_day
from apps.organisations.services import hold_business_days, wait_for_holders

REPLAYS_PER_PART: Final = 500
_ONE_DAY: Final = dt.timedelta(days=1)
Amounts = dict[Key, tuple[Decimal, Decimal]]

# Runs that the sum of the day before `to` takes: plain, not yet there, with nothing else to happen by then.
_OF_RANGE: Final = """loans_loanrun run
     WHERE run.legal_entity_id = %(entity)s AND run.loan_id BETWEEN %(first)s AND %(last)s AND run.is_plain AND run.as_of < %(to)s
       AND (run.next_event_on IS NULL OR run.next_event_on > %(to)s) AND run.ends_on >= %(to)s"""
_ACCRUE_OWN: Final = f"""
    SELECT coalesce(sum(now - was) FILTER (WHERE NOT is_suspended), 0),
           coalesce(sum(loans_tax(now, vat_rate) - loans_tax(was, vat_rate)) FILTER (WHERE NOT is_suspended), 0),
           coalesce(sum(now - was) FILTER (WHERE is_suspended), 0), count(*), is_lease
      FROM (SELECT run.is_suspended, run.is_lease, run.vat_rate, loans_accrued(run, %(was)s) AS was, loans_accrued(run, %(to)s) AS now
              FROM {_OF_RANGE} AND run.parts IS NULL OFFSET 0) moved
     GROUP BY is_lease
"""
_ACCRUE_PARTS: Final = f"""
    SELECT p.party, coalesce(sum(p.now - p.was) FILTER (WHERE NOT is_suspended OR p.party <> ''), 0),
           coalesce(sum(loans_tax(p.now, vat_rate) - loans_tax(p.was, vat_rate)) FILTER (WHERE NOT is_suspended AND p.party = ''), 0),
           coalesce(sum(p.now - p.was) FILTER (WHERE is_suspended AND p.party = ''), 0), count(*), is_lease
      FROM (SELECT run.is_suspended, run.is_lease, run.vat_rate, run.parties, loans_parts(loans_accrued(run, %(was)s), run.parts) AS was,
                   loans_parts(loans_accrued(run, %(to)s), run.parts) AS now
              FROM {_OF_RANGE} AND run.parts IS NOT NULL OFFSET 0) moved,
           unnest(moved.parties, moved.was, moved.now) AS p(party, was, now)
     GROUP BY p.party, is_lease
"""

# The day to which sums have taken a run, by the day to which they went in its range.
_TAKEN_TO: Final = """greatest(run.as_of, CASE WHEN run.is_plain THEN
    least(coalesce(run.next_event_on - 1, 'infinity'), run.ends_on, {went_to}) END)"""
_HOLD_RANGE: Final = (
    "SELECT is_done FROM loans_accruedrange WHERE legal_entity_id = %s AND day = %s AND %s BETWEEN first AND last FOR SHARE"
)

# Per loan, event, component and party what sums have moved since a run was written down; `{went_to}` is a day or an expression on `run`.
_SINCE: Final = f"""
    WITH moved AS MATERIALIZED (
        SELECT run.loan_id, run.is_suspended, run.vat_rate, run.parties, run.parts,
               run.accrued AS was, loans_accrued(run, {_TAKEN_TO}) AS now, {_TAKEN_TO} AS taken_to
          FROM loans_loanrun run WHERE {{which}} AND run.as_of < {_TAKEN_TO}
    ), part AS (
        SELECT loan_id, is_suspended, vat_rate, '' AS party, was, now FROM moved WHERE parts IS NULL
        UNION ALL
        SELECT m.loan_id, m.is_suspended, m.vat_rate, p.party, p.was, p.now
          FROM moved m, unnest(m.parties, loans_parts(m.was, m.parts), loans_parts(m.now, m.parts)) AS p(party, was, now)
         WHERE m.parts IS NOT NULL
    ), since AS (
        SELECT loan_id, 'accrual' AS event, 'interest' AS component, party, now - was AS amount FROM part WHERE party <> ''
        UNION ALL
        SELECT loan_id, 'non_accrual', 'interest', party, now - was FROM part WHERE party = '' AND is_suspended
        UNION ALL
        SELECT loan_id, 'accrual', 'interest', party, now - loans_tax(now, vat_rate) - was + loans_tax(was, vat_rate)
          FROM part WHERE party = '' AND NOT is_suspended
        UNION ALL
        SELECT loan_id, 'accrual', 'interest_vat', party, loans_tax(now, vat_rate) - loans_tax(was, vat_rate)
          FROM part WHERE party = '' AND NOT is_suspended
    )"""
_TAKE_OVER: Final = (
    _SINCE.format(which="run.loan_id = ANY(%(loans)s)", went_to="%(went_to)s::date")
    + """, noted AS (
        INSERT INTO loans_loanamount AS a (loan_id, event, component, party_ref, target, booked)
        SELECT loan_id, event, component, party, amount, amount FROM since WHERE amount <> 0
            ON CONFLICT (loan_id, event, component, party_ref)
            DO UPDATE SET target = a.target + EXCLUDED.target, booked = a.booked + EXCLUDED.booked
    )
    UPDATE loans_loanrun run SET as_of = moved.taken_to, accrued = moved.now FROM moved WHERE run.loan_id = moved.loan_id
"""
)
_AMOUNTS: Final = (
    _SINCE.format(which="run.loan_id = %(loan)s", went_to="%(went_to)s::date")
    + """ SELECT false, event, component, party_ref, target, booked FROM loans_loanamount WHERE loan_id = %(loan)s
          UNION ALL SELECT true, event, component, party, amount, amount FROM since"""
)
# The same of an entity's loans as they stand now, whichever ranges of a day that is being closed are done.
_WENT_TO: Final = """coalesce((SELECT CASE WHEN range.is_done THEN %(today)s::date END FROM loans_accruedrange range
    WHERE range.legal_entity_id = run.legal_entity_id AND range.day = %(closing)s AND run.loan_id BETWEEN range.first AND range.last),
    %(closing)s, %(today)s)"""
_SINCE_OF_ENTITY: Final = (
    _SINCE.format(which="run.legal_entity_id = %(entity)s", went_to=_WENT_TO)
    + """ SELECT event, component, party, run.is_lease, sum(amount) FROM since JOIN loans_loanrun run USING (loan_id)
           GROUP BY event, component, party, run.is_lease"""
)
_SINCE_OF_BRANCHES: Final = (
    _SINCE.format(which="run.legal_entity_id = %(entity)s", went_to=_WENT_TO)
    + """ SELECT loan.branch_id, event, component, party, loan.is_lease, sum(amount)
            FROM since JOIN loans_loan loan ON loan.id = since.loan_id
           GROUP BY loan.branch_id, event, component, party, loan.is_lease"""
)
_SINCE_OF_LOANS: Final = (
    _SINCE.format(which="run.loan_id = ANY(%(loans)s)", went_to=_WENT_TO)
    + " SELECT loan_id, taken_to, event, component, party, amount FROM since JOIN moved USING (loan_id)"
)

_RANGES: Final = """
    INSERT INTO loans_accruedrange (legal_entity_id, day, first, last, is_done)
    SELECT %(entity)s, %(day)s, (array_agg(loan_id ORDER BY loan_id))[1], (array_agg(loan_id ORDER BY loan_id DESC))[1], false
      FROM (SELECT loan_id, (row_number() OVER (ORDER BY loan_id) - 1) / %(size)s AS part
              FROM loans_loanrun WHERE legal_entity_id = %(entity)s) numbered
     GROUP BY part
    RETURNING first, last
"""
_EVENT_RANGES: Final = """
    SELECT (array_agg(loan_id ORDER BY loan_id))[1], (array_agg(loan_id ORDER BY loan_id DESC))[1]
      FROM (SELECT loan_id, (row_number() OVER (ORDER BY loan_id) - 1) / %(size)s AS part FROM loans_loanrun
             WHERE legal_entity_id = %(entity)s AND (%(by)s::date IS NULL OR next_event_on <= %(by)s)) numbered
     GROUP BY part ORDER BY part
"""


@dataclass(frozen=True, slots=True)
class Sum:
    """What the running totals of many loans moved by, of one event, component and party, in yuan; finance leases apart."""

    event: str
    component: str
    party_ref: str
    amount: Decimal
    loans: int
    is_lease: bool = False


@dataclass(frozen=True, slots=True)
class Since:
    """What sums have posted for a loan since its amounts were written down, and the day to which they went."""

    to: dt.date
    amounts: dict[Key, Decimal]


def cut_ranges(entity_id: UUID, day: dt.date, *, loans_per_range: int) -> list[dict[str, str]]:
    """Cut an entity's running loans into ranges whose interest of `day` will be summed up; deeds under way end first."""
    wait_for_holders(entity_id)
    AccruedRange.objects.filter(legal_entity_id=entity_id).delete()
    with connection.cursor() as cursor:
        cursor.execute(_RANGES, {"entity": entity_id, "day": day, "size": loans_per_range})
        return [{"first": str(first), "last": str(last)} for first, last in sorted(cursor.fetchall())]


def event_ranges(entity_id: UUID, by: dt.date | None) -> list[dict[str, str]]:
    """Ranges of the loans to which something happens by a day (None: of all running ones), a bounded number of replays each."""
    with connection.cursor() as cursor:
        cursor.execute(_EVENT_RANGES, {"entity": entity_id, "by": by, "size": REPLAYS_PER_PART})
        return [{"first": str(first), "last": str(last)} for first, last in cursor.fetchall()]


def accrue_range(entity_id: UUID, day: dt.date, first: UUID, last: UUID) -> list[Sum]:
    """The interest that `day` adds to the loans of a range that go on by themselves; the range is marked as done.

    Waits for deeds on its loans, and keeps new ones waiting until the caller's transaction ends.
    """
    held = AccruedRange.objects.select_for_update().filter(legal_entity_id=entity_id, day=day, first=first).first()
    if held is None or held.is_done:
        return []
    to = day + _ONE_DAY
    facts: dict[str, Any] = {"entity": entity_id, "first": first, "last": last, "was": day, "to": to}
    with connection.cursor() as cursor:
        cursor.execute(_ACCRUE_OWN, facts)
        rows = [("", *row) for row in cursor.fetchall()]
        cursor.execute(_ACCRUE_PARTS, facts)
        rows += cursor.fetchall()
    sums = []
    for party, gross, tax, suspended, loans, is_lease in rows:
        sums.append(Sum("accrual", "interest", party, gross - tax, loans, is_lease))
        sums.append(Sum("accrual", "interest_vat", party, tax, 0, is_lease))
        sums.append(Sum("non_accrual", "interest", party, suspended, 0, is_lease))
    AccruedRange.objects.filter(legal_entity_id=entity_id, day=day, first=first).update(is_done=True)
    return sums


def went_to(loan: Loan) -> tuple[dt.date, dt.date]:
    """The business date of a loan under lock, and the day to which sums took loans like it.

    Both stay as they are until the caller's transaction ends: a loan is in the sum of a day or accrues by deeds on it, never both.
    """
    today, closing = hold_business_days(loan.legal_entity_id)
    if closing is None:
        return today, today
    with connection.cursor() as cursor:
        cursor.execute(_HOLD_RANGE, [loan.legal_entity_id, closing, loan.id])
        return today, today if cursor.fetchone() == (True,) else closing


def taken_to(run: LoanRun, day: dt.date) -> dt.date:
    """The day to which sums that went to `day` have taken a run: `_TAKEN_TO` in Python."""
    if not run.is_plain:
        return run.as_of
    last = run.ends_on if run.next_event_on is None else min(run.ends_on, run.next_event_on - _ONE_DAY)
    return max(run.as_of, min(last, day))


def amounts_of(loan: Loan, day: dt.date) -> tuple[Amounts, Amounts]:
    """Running totals (target, booked) of a loan under lock: as written down, and with what sums that went to `day` have posted since."""
    stored: Amounts = {}
    standing: Amounts = {}
    with connection.cursor() as cursor:
        cursor.execute(_AMOUNTS, {"loan": loan.id, "went_to": day})
        for is_since, event, component, party_ref, target, booked in cursor.fetchall():
            key = event, component, party_ref
            was = standing.get(key, (ZERO, ZERO))
            standing[key] = was[0] + target, was[1] + booked
            if not is_since:
                stored[key] = target, booked
    return stored, standing


def take_over_many(loan_ids: Sequence[UUID], went_to: dt.date) -> None:
    """Write down per loan what sums up to `went_to` have posted for it: booked, and its run from there on."""
    with connection.cursor() as cursor:
        cursor.execute(_TAKE_OVER, {"loans": list(loan_ids), "went_to": went_to})


def summed_since(entity_id: UUID) -> dict[tuple[Key, bool], Decimal]:
    """What sums have posted for an entity's loans and is not written down per loan: key and whether of finance leases → yuan."""
    with connection.cursor() as cursor:
        cursor.execute(_SINCE_OF_ENTITY, _now(entity_id))
        return {((event, component, party), is_lease): amount for event, component, party, is_lease, amount in cursor.fetchall()}


def summed_by_branch(entity_id: UUID) -> list[tuple[UUID | None, str, str, str, bool, Decimal]]:
    """The same by the branch of the loans: (branch, event, component, party, whether of finance leases, yuan)."""
    with connection.cursor() as cursor:
        cursor.execute(_SINCE_OF_BRANCHES, _now(entity_id))
        return cursor.fetchall()


def summed_of(entity_id: UUID, loan_ids: Sequence[UUID]) -> dict[UUID, Since]:
    """The same for each of some loans; those for which sums posted nothing since are missing."""
    found: dict[UUID, Since] = {}
    with connection.cursor() as cursor:
        cursor.execute(_SINCE_OF_LOANS, _now(entity_id) | {"loans": list(loan_ids)})
        for loan_id, to, event, component, party, amount in cursor.fetchall():
            found.setdefault(loan_id, Since(to, {})).amounts[event, component, party] = amount
    return found


def _now(entity_id: UUID) -> dict[str, Any]:
    return {"entity": entity_id, "today": business_date(entity_id), "closing": closing_day(entity_id)}
