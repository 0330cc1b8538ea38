"""Thousands of rows in one statement, for what a business day does to many loans at once.

Rows travel as one JSON text. Triggers, constraints and the audit speak as they do for single rows.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db import connection, models

from apps.common.crypto import EncryptedTextField

Row = Mapping[str, Any]


def any_of(name: str, values: Collection[Any], field: models.Field[Any, Any] | None = None) -> models.Func:
    """A filter like `{name}__in=values`, for thousands: they go as one array. UUIDs unless `field` says otherwise."""
    array = models.Value(list(values), output_field=ArrayField(field or models.UUIDField()))
    return models.Func(models.F(name), array, template="%(expressions)s)", arg_joiner=" = ANY(", output_field=models.BooleanField())


def insert_rows(model: type[models.Model], rows: Sequence[Row], *, same: Row) -> set[Any]:
    """Insert rows; returns the keys of those that are new, for a row that a unique rule knows already is passed over.

    Rows give their key and the fields that differ, by attribute name (`loan_id`); `same` are those equal in all. A field that neither
    names has a default in the database or may be null.
    """
    if not rows:
        return set()
    constant, varying = _columns(model, same), _columns(model, rows[0])
    sql = (
        f'INSERT INTO "{model._meta.db_table}" ({", ".join([*constant, *varying])})'  # noqa: S608  (names of our own tables)
        f" SELECT {', '.join([*(f'%s::{_type(field)}' for field in constant.values()), *(f'new.{name}' for name in varying)])}"
        f' FROM {_table(varying)} ON CONFLICT DO NOTHING RETURNING "{model._meta.pk.column}"'
    )
    with connection.cursor() as cursor:
        cursor.execute(sql, [*_constants(constant, same), _text(varying, rows)])
        return {key for (key,) in cursor.fetchall()}


def update_rows(model: type[models.Model], rows: Sequence[Row], *, same: Row) -> None:
    """Set fields of rows that exist: each of `rows` gives its key and the fields that differ, `same` those equal in all."""
    if not rows:
        return
    constant, varying = _columns(model, same), _columns(model, rows[0])
    key = f'"{model._meta.pk.column}"'
    sets = [
        *(f"{name} = %s::{_type(field)}" for name, field in constant.items()),
        *(f"{name} = new.{name}" for name in varying if name != key),
    ]
    sql = (
        f'UPDATE "{model._meta.db_table}" AS old SET {", ".join(sets)}'  # noqa: S608  (names of our own tables)
        f" FROM {_table(varying)} WHERE old.{key} = new.{key}"
    )
    with connection.cursor() as cursor:
        cursor.execute(sql, [*_constants(constant, same), _text(varying, rows)])


def _columns(model: type[models.Model], row: Row) -> dict[str, models.Field[Any, Any]]:
    fields = {field.attname: field for field in model._meta.concrete_fields}
    return {f'"{fields[name].column}"': fields[name] for name in row}


def _table(columns: Mapping[str, models.Field[Any, Any]]) -> str:
    return f"json_to_recordset(%s) AS new ({', '.join(f'{name} {_type(field)}' for name, field in columns.items())})"


def _type(field: models.Field[Any, Any]) -> str:
    return field.db_type(connection) or "text"


def _constants(columns: Mapping[str, models.Field[Any, Any]], row: Row) -> list[Any]:
    return [_value(field, row[field.attname]) for field in columns.values()]


def _text(columns: Mapping[str, models.Field[Any, Any]], rows: Sequence[Row]) -> str:
    fields = {name.strip('"'): field for name, field in columns.items()}
    sealed = [field for field in fields.values() if isinstance(field, EncryptedTextField)]
    if sealed:
        rows = [{**row, **{field.attname: _value(field, row[field.attname]) for field in sealed}} for row in rows]
    if any(name != field.attname for name, field in fields.items()):
        rows = [{name: row[field.attname] for name, field in fields.items()} for row in rows]
    return json.dumps(rows, default=str)


def _value(field: models.Field[Any, Any], value: Any) -> Any:
    return field.get_prep_value(value) if isinstance(field, EncryptedTextField) else value
