"""Dataclasses back from their JSON. Pure."""

from __future__ import annotations

import datetime as dt
from dataclasses import fields, is_dataclass
from decimal import Decimal
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints
from uuid import UUID


def revive(hint: Any, value: Any) -> Any:
    """The value of a type from what JSON kept of it: numbers, ids and days stand as text."""
    if value is None:
        return None
    if isinstance(hint, UnionType):
        return revive(next(choice for choice in get_args(hint) if choice is not NoneType), value)
    if get_origin(hint) is tuple:
        return tuple(revive(get_args(hint)[0], item) for item in value)
    if is_dataclass(hint) and isinstance(hint, type):
        hints = get_type_hints(hint)
        return hint(**{part.name: revive(hints[part.name], value[part.name]) for part in fields(hint) if part.name in value})
    if hint is dt.date:
        return dt.date.fromisoformat(value)
    return hint(value) if hint in (Decimal, UUID) else value
