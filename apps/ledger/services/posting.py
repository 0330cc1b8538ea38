"""Posting: one entry in one statement, many through COPY. The database checks both alike: balanced, on an open day, once."""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from itertools import islice
from typing import Any
from uuid import UUID

from django.db import IntegrityError, connection, transaction
from django.utils.translation import gettext_lazy as _
from psycopg.errors import UniqueViolation

from apps.common.actors import Actor
from apps.common.errors import BadInput, Conflict
from apps.common.models import new_id
from apps.common.money import CENT, ZERO
from apps.ledger import rulebook
from apps.ledger.domain import Entry, Line, Posting, lines_of
from apps.ledger.models import JournalEntry
from apps.ledger.services.days import hold_day

CHUNK_ENTRIES = 2_000
MAX_AMOUNT = Decimal(10) ** 15
_POST = "SELECT result, entry FROM ledger_post(%s,%s,%s,%s,%s,%s,%s,%s,%s,%s,%s,%s)"
_ENTRY = "id, business_date, legal_entity_id, event, reference, narrative, total, reverses_id, actor, created_at"
_LINE = "entry_id, business_date, account_id, debit, credit, party_ref, subject_ref, component"
# A batch waits in tables of the session, and goes into the books in one statement: entries come whole or not at all.
_WAITING_ROOM = f"""
    CREATE TEMPORARY TABLE IF NOT EXISTS waiting_entry ON COMMIT DELETE ROWS AS SELECT {_ENTRY} FROM ledger_journalentry LIMIT 0;
    CREATE TEMPORARY TABLE IF NOT EXISTS waiting_line ON COMMIT DELETE ROWS AS SELECT {_LINE} FROM ledger_journalline LIMIT 0;
    TRUNCATE waiting_entry, waiting_line
"""  # noqa: S608  (constants)
_TAKE_IN = f"""
    WITH heads AS (INSERT INTO ledger_journalentry ({_ENTRY}) SELECT {_ENTRY} FROM waiting_entry)
    INSERT INTO ledger_journalline ({_LINE}) SELECT {_LINE} FROM waiting_line
"""  # noqa: S608  (constants)
NULL = r"\N"
_ESCAPES = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})


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


class AmountNotPostable(BadInput):
    """An amount is no whole number of 分, or too large for the books."""

    code = "amount_not_postable"
    title = _("Amounts are posted in yuan with at most 2 decimals, below 10¹⁵.")


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

    Raises `NoRule`, `DayClosed`, `ReferenceReused` (posted before with other lines), `BadInput` when nothing is to be posted. It is a
    single statement that either does all or nothing: inside a transaction it needs no savepoint, outside none is opened.
    """
    entry = Entry(business_date, event, tuple(amounts), reference, narrative, reverses)
    return _post(legal_entity_id, entry, str(actor)[:80], now)


def post_few(*, legal_entity_id: UUID, entries: Sequence[Entry], actor: Actor, now: dt.datetime) -> list[UUID]:
    """Post the entries of a deed in one statement, in the caller's transaction; their ids in the same order. Raises as `post`."""
    book, by = rulebook.of(legal_entity_id), str(actor)[:80]
    lines = [_lines(legal_entity_id, entry) for entry in entries]
    if not entries or not all(lines):
        return [_post(legal_entity_id, entry, by, now) for entry in entries]
    put = _put(legal_entity_id, [*zip(entries, lines, strict=True)], book.newest, by, now)
    return [
        found if result == "posted" else _post(legal_entity_id, entry, by, now) for entry, (result, found) in zip(entries, put, strict=True)
    ]


@transaction.atomic
def post_many(*, legal_entity_id: UUID, entries: Iterable[Entry], actor: Actor, now: dt.datetime) -> list[UUID]:
    """Post entries, all or none, and return their ids in the same order. Raises as `post` does; what stands already is not posted again."""
    first_open, by = hold_day(legal_entity_id, not_before=dt.date.min), str(actor)[:80]
    rulebook.refresh(legal_entity_id)
    book, waiting, ids = rulebook.of(legal_entity_id), iter(entries), []
    with ThreadPoolExecutor(max_workers=1) as maker:

        def next_chunk() -> tuple[list[Entry], Future[_Rows | None]]:
            chunk = list(islice(waiting, CHUNK_ENTRIES))
            return chunk, maker.submit(_rows_of, book, legal_entity_id, chunk, first_open, by, now)

        chunk, rows = next_chunk()
        while chunk:
            posting, made = chunk, rows.result()
            chunk, rows = next_chunk()  # written out while the server takes in the one before
            ids += _post_chunk(legal_entity_id, posting, made, by, now)
    return ids


def post_lines(
    *,
    legal_entity_id: UUID,
    business_date: dt.date,
    event: str,
    lines: Sequence[Line],
    reference: str,
    narrative: str = "",
    reverses: UUID | None = None,
    actor: Actor,
    now: dt.datetime,
) -> UUID:
    """Post an entry whose accounts are given and not found by rule. Safe to repeat; raises as `post` does, but no `NoRule`."""
    entry = Entry(business_date, event, (), reference, narrative, reverses)
    for _attempt in range(3):
        book = rulebook.of(legal_entity_id)
        [(result, found)] = _put(legal_entity_id, [(entry, lines)], book.newest, str(actor)[:80], now)
        if result == "rules":
            rulebook.forget(legal_entity_id)
            continue
        if result == "closed":
            raise DayClosed(day=business_date)
        if result == "stands" and not _stands_as(JournalEntry.objects.get(id=found), lines):
            raise ReferenceReused(reference=reference)
        return found
    raise Conflict(_("The posting rules are being changed. Please try again."))


def _post(entity: UUID, entry: Entry, actor: str, now: dt.datetime) -> UUID:
    for _attempt in range(3):
        book = rulebook.of(entity)
        lines = _lines(entity, entry)
        if not lines:
            return _standing(entity, entry) or _refuse_nothing()
        [(result, found)] = _put(entity, [(entry, lines)], book.newest, actor, now)
        if result == "posted":
            return found
        if result == "stands":
            return _standing(entity, entry) or found
        if result == "closed":
            raise DayClosed(day=entry.business_date)
        rulebook.forget(entity)  # a newer version came: once more by its rules
    raise Conflict(_("The posting rules are being changed. Please try again."))


def _put(
    entity: UUID, wanted: Sequence[tuple[Entry, Sequence[Line]]], newest_rule: UUID | None, actor: str, now: dt.datetime
) -> list[tuple[str, UUID]]:
    facts: list[Any] = []
    for entry, lines in wanted:
        total = sum((line.debit for line in lines), start=ZERO)
        facts += [new_id(), entity, entry.business_date, entry.event, entry.reference, entry.narrative, total, actor, entry.reverses, now]
        facts += [newest_rule, json.dumps([_side(line) for line in lines])]
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join([_POST] * len(wanted)), facts)
        answers: list[tuple[str, UUID]] = cursor.fetchall()
    return answers


def _side(line: Line) -> dict[str, str | None]:
    return {
        "account": str(line.account),
        "debit": str(line.debit),
        "credit": str(line.credit),
        "party_ref": line.party_ref,
        "subject_ref": str(line.subject_ref) if line.subject_ref else None,
        "component": line.component,
    }


def _lines(entity: UUID, entry: Entry) -> list[Line]:
    """Lines by the rules in force; none for an entry that stands by rules of its own day. Raises `NoRule`, `AmountNotPostable`."""
    _check_amounts(entry)
    for fresh in (False, True):
        if fresh:
            rulebook.forget(entity)
        try:
            return lines_of(entry.amounts, rulebook.of(entity).rules(entry.event, entry.business_date))
        except KeyError as missing:
            component, party = missing.args[0]
    if _earlier(entity, entry) is not None:
        return []
    raise NoRule(event=entry.event, component=component, party=party)


def _check_amounts(entry: Entry) -> None:
    try:
        whole = all(-MAX_AMOUNT < posting.amount == posting.amount.quantize(CENT) < MAX_AMOUNT for posting in entry.amounts)
    except InvalidOperation:  # NaN, infinity
        whole = False
    if not whole:
        raise AmountNotPostable


def _refuse_nothing() -> UUID:
    raise BadInput(_("There is nothing to post: all amounts are zero."))


def _earlier(entity: UUID, entry: Entry) -> JournalEntry | None:
    return JournalEntry.objects.filter(legal_entity_id=entity, event=entry.event, reference=entry.reference).first()


def _standing(entity: UUID, entry: Entry) -> UUID | None:
    """The entry that stands with this reference; None when there is none. Raises `ReferenceReused`, `NoRule`."""
    earlier = _earlier(entity, entry)
    if earlier is None:
        return None
    try:
        lines = lines_of(entry.amounts, rulebook.of(entity).rules(entry.event, earlier.business_date))
    except KeyError as missing:
        component, party = missing.args[0]
        raise NoRule(event=entry.event, component=component, party=party) from None
    if not _stands_as(earlier, lines):
        raise ReferenceReused(reference=entry.reference)
    return earlier.id


def _stands_as(entry: JournalEntry, lines: Iterable[Line]) -> bool:
    """Whether an entry has exactly these lines: accounts, parties, subjects and amounts."""
    standing = Counter(entry.lines.values_list("account_id", "party_ref", "subject_ref", "debit", "credit"))
    return standing == Counter((line.account, line.party_ref, line.subject_ref, line.debit, line.credit) for line in lines)


@dataclass(frozen=True, slots=True)
class _Rows:
    """A chunk as COPY takes it; `ids` of its entries in their order."""

    ids: list[UUID]
    headers: str
    lines: str


class _Texts(dict[Any, str]):
    """Ids and days of a batch as text, each written out once: the same few accounts stand in all its lines."""

    def __missing__(self, key: Any) -> str:
        written = self[key] = str(key)
        return written


def _rows_of(book: rulebook.Book, entity: UUID, chunk: Sequence[Entry], first_open: dt.date, actor: str, now: dt.datetime) -> _Rows | None:
    """A chunk written out, without asking the database; None when something of it cannot be posted: one by one tells what and why."""
    text, ids, headers, lines = _Texts(), [], [], []
    lender, tail = str(entity), f"{actor.translate(_ESCAPES)}\t{now.isoformat()}\n"
    for entry in chunk:
        _check_amounts(entry)
        try:
            sides = lines_of(entry.amounts, book.rules(entry.event, entry.business_date))
        except KeyError:
            return None
        if not sides or entry.business_date < first_open:
            return None
        ids.append(entry_id := new_id())
        head = f"{entry_id}\t{text[entry.business_date]}\t"
        headers.append(
            f"{head}{lender}\t{entry.event}\t{entry.reference.translate(_ESCAPES)}\t{entry.narrative.translate(_ESCAPES)}\t"
            f"{sum((line.debit for line in sides), start=ZERO)}\t{entry.reverses or NULL}\t{tail}"
        )
        for line in sides:
            subject = text[line.subject_ref] if line.subject_ref else NULL
            party = line.party_ref.translate(_ESCAPES) if line.party_ref else ""
            lines.append(f"{head}{text[line.account]}\t{line.debit}\t{line.credit}\t{party}\t{subject}\t{line.component}\n")
    return _Rows(ids, "".join(headers), "".join(lines))


def _post_chunk(entity: UUID, chunk: Sequence[Entry], rows: _Rows | None, actor: str, now: dt.datetime) -> list[UUID]:
    """All in one statement; one by one where something stands already or cannot be posted."""
    try:
        if rows is not None:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(_WAITING_ROOM)
                _copy_in("COPY waiting_entry FROM STDIN", rows.headers)
                _copy_in("COPY waiting_line FROM STDIN", rows.lines)
                cursor.execute(_TAKE_IN)
            return rows.ids
    except IntegrityError as error:
        if not isinstance(error.__cause__, UniqueViolation):
            raise
    return [_post(entity, entry, actor, now) for entry in chunk]


def _copy_in(statement: str, rows: str) -> None:
    with connection.cursor() as cursor, connection.wrap_database_errors, cursor.copy(statement) as copy:
        copy.write(rows)
