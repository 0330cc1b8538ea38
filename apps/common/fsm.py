"""State fields: guarded by django-fsm in Python and by a trigger in the database. A test proves that the two agree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pgtrigger
from django.db.models import Choices
from django_fsm import FSMField

Edges = Mapping[str, Sequence[str]]


class _StateField(FSMField):
    """In migrations a plain text column: what state fields add is for Python, and each copy of one would slow every migration."""

    def deconstruct(self) -> Any:
        name, _path, args, kwargs = super().deconstruct()
        kwargs.pop("protected", None)
        return name, "django.db.models.CharField", args, kwargs


def StateField(states: type[Choices], default: str, *, db_index: bool = True, **options: Any) -> FSMField:  # noqa: N802  (reads as a field)
    """A protected state field over a `TextChoices`; only `@transition` methods and the database's legal edges change it."""
    return _StateField(choices=states.choices, default=default, protected=True, db_index=db_index, max_length=24, **options)


def legal_edges(field: str, edges: Edges) -> pgtrigger.FSM:
    """The trigger for a model's `Meta.triggers` that refuses any other change of the state field, also by bulk SQL."""
    transitions = [(source, target) for source, targets in edges.items() for target in targets]
    return pgtrigger.FSM(name=f"legal_{field}", field=field, transitions=transitions)
