"""Rows of several projections written in one statement: inserted, or set to what is given where they stand already."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Final

from django.db import connection, models

from apps.loans.models import Instalment, LoanAmount, LoanBalance, LoanRun, LoanTransaction

Row = Mapping[str, Any]
# In the order in which they are written; the columns that say which row it is.
_KEYS: Final[dict[type[models.Model], tuple[str, ...]]] = {
    LoanTransaction: ("id",),
    LoanBalance: ("loan_id",),
    LoanRun: ("loan_id",),
    LoanAmount: ("loan_id", "event", "component", "party_ref"),
    Instalment: ("loan_id", "no"),
}


def upsert(rows: Mapping[type[models.Model], Sequence[Row]]) -> None:
    """Write rows, given with all their columns by name, in one statement; rows travel as one JSON text per table."""
    wanted = [model for model in _KEYS if rows.get(model)]
    if not wanted:
        return
    with connection.cursor() as cursor:
        cursor.execute(_statement(tuple(wanted)), [json.dumps(rows[model], default=str) for model in wanted])


def row_of(instance: models.Model) -> dict[str, Any]:
    """All columns of an instance."""
    return {field.attname: getattr(instance, field.attname) for field in instance._meta.concrete_fields}


@cache
def _statement(wanted: tuple[type[models.Model], ...]) -> str:
    parts = []
    for number, model in enumerate(wanted):
        table, keys = model._meta.db_table, _KEYS[model]
        columns = [field.attname for field in model._meta.concrete_fields if not isinstance(field, models.BigAutoField)]
        sets = ", ".join(f"{column} = EXCLUDED.{column}" for column in columns if column not in keys)
        conflict = "" if model is LoanTransaction else f" ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {sets}"
        names = ", ".join(columns)
        parts.append(
            f"w{number} AS (INSERT INTO {table} ({names}) SELECT {names} FROM json_populate_recordset(NULL::{table}, %s){conflict})"  # noqa: S608  (names of our own tables)
        )
    return f"WITH {', '.join(parts)} SELECT"
