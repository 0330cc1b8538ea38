"""Every change of a row recorded by database triggers, also those of bulk SQL, with actor, request and reason.

Decorate a model with `@audited()`. Append-only tables and projections are exempt: their rows are their history.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import pghistory
import pgtrigger

from apps.common.actors import Actor

PER_STATEMENT: Final = pgtrigger.Statement


def audited(**options: Any) -> Any:
    """Class decorator: record every insert, update and delete of the model's rows in its event table.

    `level=PER_STATEMENT` writes the events of all rows of a statement at once: for tables that the business day fills by the thousand.
    """
    return pghistory.track(pghistory.InsertEvent(), pghistory.UpdateEvent(), pghistory.DeleteEvent(), **options)


@contextmanager
def recorded_as(actor: Actor, *, reason: str = "", **facts: Any) -> Iterator[None]:
    """Attach actor, reason and facts to all changes made inside; edges (requests, tasks, commands) open it."""
    context = {"actor": str(actor), **facts}
    if actor.user_id:
        context["user"] = str(actor.user_id)
    if reason:
        context["reason"] = reason
    with pghistory.context(**context):
        yield
