"""Triggers that cost little: in migrations no model class is rebuilt, and in the database they look at a setting without an exception.

pgtrigger reloads a model, and with it every model that points to it, each time a migration adds or removes a trigger, although a
trigger changes no class. With some two hundred triggers that makes a fresh database take minutes instead of seconds. The option is
written into the migration state all the same, so that `makemigrations` sees what changed.

Each trigger asks first whether `pgtrigger.ignore()` switched it off. The library's function for it reads the setting in a block that
catches the error of an unset one: a subtransaction and an error for each row and trigger, some 70 µs (measured), five times the work
of the trigger that keeps the books balanced.
"""

from __future__ import annotations

import re

from django.db.migrations.state import ProjectState
from pgtrigger.compiler import Trigger
from pgtrigger.migrations import AddTrigger, RemoveTrigger

_CAUGHT = re.compile(r"BEGIN\s+SELECT INTO _pgtrigger_ignore\s+CURRENT_SETTING\('pgtrigger.ignore'\);\s+EXCEPTION WHEN OTHERS THEN\s+END;")
_LOOKED_AT = "_pgtrigger_ignore := nullif(current_setting('pgtrigger.ignore', true), '');"


def _note_added(self: AddTrigger, app_label: str, state: ProjectState) -> None:
    options = state.models[app_label, self.model_name.lower()].options
    options["triggers"] = [*options.get("triggers", []), self.trigger]


def _note_removed(self: RemoveTrigger, app_label: str, state: ProjectState) -> None:
    options = state.models[app_label, self.model_name.lower()].options
    options["triggers"] = [trigger for trigger in options.get("triggers", []) if trigger.name != self.name]


def _install_sql(self: Trigger) -> str:
    return _CAUGHT.sub(_LOOKED_AT, str(self.sql))


def install() -> None:
    """Replace pgtrigger's two state operations and its SQL; called once, when the application is ready."""
    AddTrigger.state_forwards = _note_added  # type: ignore[method-assign]
    RemoveTrigger.state_forwards = _note_removed  # type: ignore[method-assign]
    Trigger.install_sql = property(_install_sql)  # type: ignore[method-assign,assignment]
