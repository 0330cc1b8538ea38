"""Migrations of triggers without rebuilding model classes.

pgtrigger reloads a model, and with it every model that points to it, each time a migration adds or removes a trigger, although a
trigger changes no class. With some two hundred triggers that makes a fresh database take minutes instead of seconds. The option is
written into the migration state all the same, so that `makemigrations` sees what changed.
"""

from __future__ import annotations

from django.db.migrations.state import ProjectState
from pgtrigger.migrations import AddTrigger, RemoveTrigger


def _note_added(self: AddTrigger, app_label: str, state: ProjectState) -> None:
    options = state.models[app_label, self.model_name.lower()].options
    options["triggers"] = [*options.get("triggers", []), self.trigger]


def _note_removed(self: RemoveTrigger, app_label: str, state: ProjectState) -> None:
    options = state.models[app_label, self.model_name.lower()].options
    options["triggers"] = [trigger for trigger in options.get("triggers", []) if trigger.name != self.name]


def install() -> None:
    """Replace pgtrigger's two state operations; called once, when the application is ready."""
    AddTrigger.state_forwards = _note_added  # type: ignore[method-assign]
    RemoveTrigger.state_forwards = _note_removed  # type: ignore[method-assign]
