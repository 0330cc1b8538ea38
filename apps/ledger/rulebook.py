"""The posting rules as a process remembers them: rows are append-only, so what is remembered is right until a newer row comes.

`ledger_post` compares the newest row's id in the statement that posts, so a remembered book is never used when it is out of date.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from apps.ledger.domain import Leg
from apps.ledger.models import PostingRule

MAX_BOOKS = 64
MAX_DAYS = 1_000
_NEWEST_FIRST = ("-version", "-event", "-component", "-party", "-leg")

Rules = Mapping[tuple[str, str], Sequence[Leg]]


@dataclass(frozen=True, slots=True)
class _Row:
    component: str
    party: str
    version: int
    effective_from: dt.date
    leg: Leg


@dataclass(slots=True)
class Book:
    """All versions of one legal entity's rules; `newest` is the id of the last row."""

    newest: UUID | None
    rows: dict[str, list[_Row]]
    _days: dict[tuple[str, dt.date], Rules] = field(default_factory=dict)

    def rules(self, event: str, on: dt.date) -> Rules:
        """Per component and party the legs of the newest version in force on a day."""
        known = self._days.get((event, on))
        if known is None:
            if len(self._days) >= MAX_DAYS:
                self._days.clear()
            known = self._days[event, on] = _in_force(self.rows.get(event, []), on)
        return known


_books: dict[UUID, Book] = {}


def of(legal_entity_id: UUID) -> Book:
    """The book of a legal entity, read once."""
    book = _books.get(legal_entity_id)
    if book is None:
        if len(_books) >= MAX_BOOKS:
            _books.clear()
        book = _books[legal_entity_id] = read(legal_entity_id)
    return book


def forget(legal_entity_id: UUID) -> None:
    """Read it again next time."""
    _books.pop(legal_entity_id, None)


def refresh(legal_entity_id: UUID) -> None:
    """Forget it when a newer row came."""
    newest = PostingRule.objects.filter(legal_entity_id=legal_entity_id).order_by(*_NEWEST_FIRST).values_list("id", flat=True).first()
    if of(legal_entity_id).newest != newest:
        forget(legal_entity_id)


def read(legal_entity_id: UUID) -> Book:
    """The book as it stands in the database now."""
    rows: dict[str, list[_Row]] = {}
    newest: UUID | None = None
    found = PostingRule.objects.filter(legal_entity_id=legal_entity_id).order_by(*_NEWEST_FIRST)
    for row in found.values_list("id", "event", "component", "party", "version", "effective_from", "debit_id", "credit_id"):
        newest = newest or row[0]
        rows.setdefault(row[1], []).append(_Row(*row[2:6], Leg(row[6], row[7])))
    return Book(newest, rows)


def _in_force(rows: Sequence[_Row], on: dt.date) -> Rules:
    versions: dict[tuple[str, str], int] = {}
    for row in rows:
        if row.effective_from <= on:
            versions[row.component, row.party] = max(row.version, versions.get((row.component, row.party), 0))
    legs: dict[tuple[str, str], list[Leg]] = {}
    for row in reversed(rows):  # leg 1 first
        if versions.get((row.component, row.party)) == row.version:
            legs.setdefault((row.component, row.party), []).append(row.leg)
    return legs
