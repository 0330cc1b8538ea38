"""From what belongs in the books to what is in them: posts the differences, for one loan or for all of a legal entity."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from django.db import connection
from django.utils.translation import gettext as _

from apps.common.actors import Actor
from apps.ledger import selectors as ledger_selectors
from apps.ledger import services as ledger
from apps.ledger.domain import LEASE, OWN, PARTNER, Entry, Posting
from apps.loans.models import Loan
from apps.loans.services.sums import Sum
from apps.loans.services.targets import Key

_FEW: Final = 20
# Events that the close of a day books; all others belong to the day they happen on.
CLOSE_EVENTS: Final = ("accrual", "penalty", "fee", "non_accrual", "reclassification", "provision", "deferred_earned")
DAY_EVENTS: Final = (
    *("disbursement", "repayment", "waiver", "refund", "adjustment", "write_off", "recovery", "unearned"),
    *("sale", "buy_back", "service_fee", "deferred", "deferred_returned"),
)
EVERY_LOAN: Final = (UUID(int=0), UUID(int=2**128 - 1))

_DUE: Final = """loans_loanamount a
          JOIN loans_loan l ON l.id = a.loan_id
          JOIN loans_loanbalance b ON b.loan_id = a.loan_id
         WHERE a.target <> a.booked AND l.legal_entity_id = %(entity)s AND b.as_of = %(as_of)s AND a.event = ANY(%(events)s)"""
# Loans are locked in one order before what is missing of them is read: a deed under way posts what it read under that lock.
_WHICH: Final = f"SELECT DISTINCT a.loan_id FROM {_DUE} AND a.loan_id BETWEEN %(first)s AND %(last)s"
_LOCK: Final = "SELECT id FROM loans_loan WHERE id = ANY(%(loans)s) ORDER BY id FOR UPDATE"
# Moves `booked` up to `target`, and answers with the sums of what it moved.
_BOOK_ALL: Final = f"""
    WITH due AS (
        SELECT a.id, a.loan_id, a.event, a.component, a.party_ref, l.is_lease, a.target - a.booked AS difference
          FROM {_DUE} AND a.loan_id = ANY(%(loans)s)
    ), moved AS (
        UPDATE loans_loanamount a SET booked = a.target FROM due WHERE a.id = due.id
    )
    SELECT event, component, party_ref, sum(difference), count(DISTINCT loan_id), is_lease
      FROM due GROUP BY event, component, party_ref, is_lease
"""


def entries_of(loan: Loan, missing: Mapping[Key, Decimal], *, day: dt.date, reference: str, narrative: str) -> list[Entry]:
    """What is missing of a loan in the books, one entry per event."""
    return [
        Entry(
            day,
            event,
            tuple(
                posting_of(key[1], amount, key[2], loan.id, is_lease=loan.is_lease) for key, amount in missing.items() if key[0] == event
            ),
            reference,
            narrative,
        )
        for event in dict.fromkeys(key[0] for key in sorted(missing))
    ]


def book_loan(
    loan: Loan, missing: Mapping[Key, Decimal], *, day: dt.date, reference: str, narrative: str, actor: Actor, now: dt.datetime
) -> None:
    """Post what is missing of a loan under lock, one entry per event."""
    book_entries(loan.legal_entity_id, entries_of(loan, missing, day=day, reference=reference, narrative=narrative), actor, now)


def book_entries(legal_entity_id: UUID, entries: Sequence[Entry], actor: Actor, now: dt.datetime) -> None:
    """Post entries in the caller's transaction: a few in one statement, many through COPY."""
    put = ledger.post_many if len(entries) > _FEW else ledger.post_few
    put(legal_entity_id=legal_entity_id, entries=entries, actor=actor, now=now)


def book_all(
    *,
    legal_entity_id: UUID,
    as_of: dt.date,
    day: dt.date,
    step: str,
    events: Iterable[str],
    now: dt.datetime,
    bounds: tuple[UUID, UUID] = EVERY_LOAN,
) -> int:
    """Post what is missing of all loans that stand on `as_of`, in sums per event; returns how many loans that concerned.

    Sums name no loan: what was booked of each is in `LoanAmount`, and on any earlier day what a replay of the transactions booked by
    then says (docs/decisions/0006-accruals-in-sums.md).
    """
    facts: dict[str, Any] = {"entity": legal_entity_id, "as_of": as_of, "events": list(events), "first": bounds[0], "last": bounds[1]}
    with connection.cursor() as cursor:
        cursor.execute(_WHICH, facts)
        loans = [row[0] for row in cursor.fetchall()]
        if not loans:
            return 0
        cursor.execute(_LOCK, facts | {"loans": loans})
        cursor.execute(_BOOK_ALL, facts | {"loans": loans})
        sums = cursor.fetchall()
    moved = [Sum(*row) for row in sums]
    post_sums(moved, legal_entity_id=legal_entity_id, day=day, step=step, part=bounds[0], now=now)
    return max((item.loans for item in moved), default=0)


def post_sums(sums: Sequence[Sum], *, legal_entity_id: UUID, day: dt.date, step: str, part: UUID, now: dt.datetime) -> None:
    """Post what the running totals of many loans moved by, one entry per event, on the first open day from `day` on."""
    amounts: dict[str, list[Posting]] = {}
    for item in sums:
        if item.amount:
            amounts.setdefault(item.event, []).append(posting_of(item.component, item.amount, item.party_ref, None, is_lease=item.is_lease))
    if not amounts:
        return
    open_day = ledger.hold_day(legal_entity_id, not_before=day)
    for event, postings in sorted(amounts.items()):
        run = ledger_selectors.entries_on(legal_entity_id, open_day, event)
        ledger.post(
            legal_entity_id=legal_entity_id,
            business_date=open_day,
            event=event,
            amounts=postings,
            reference=f"{day}/{step}/{part.hex[:12]}/{run + 1}",
            narrative=_("End of day, all loans"),
            actor=Actor.system("eod"),
            now=now,
        )


def posting_of(component: str, amount: Decimal, party_ref: str, loan_id: UUID | None, *, is_lease: bool) -> Posting:
    """An amount of a running total as the books are asked to post it."""
    own = LEASE if is_lease else OWN
    return Posting(component, amount, PARTNER if party_ref else own, party_ref, loan_id)
