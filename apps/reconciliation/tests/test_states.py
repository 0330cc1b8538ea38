"""The states of batches and differences: the spec's table, the Python transitions and the database's edges say the same."""

from __future__ import annotations

from typing import Any

import pytest

from apps.reconciliation import models

SPEC = {
    models.ReconciliationBatch: {
        "received": {"matching", "rejected"},
        "matching": {"balanced", "differing"},
        "balanced": {"closed"},
        "differing": {"closed"},
    },
    models.Difference: {
        "open": {"carried", "proposed"},
        "carried": {"resolved", "open"},
        "proposed": {"approved", "open"},
        "approved": {"resolved"},
    },
}


def python_edges(model: type[Any]) -> dict[str, set[str]]:
    edges: dict[str, set[str]] = {}
    for transition in model._meta.get_field("state").get_all_transitions(model):
        edges.setdefault(str(transition.source), set()).add(str(transition.target))
    return edges


def trigger_edges(model: type[Any]) -> dict[str, set[str]]:
    edges: dict[str, set[str]] = {}
    trigger = next(one for one in model._meta.triggers if one.name == "legal_state")
    for source, target in trigger.transitions:
        edges.setdefault(source, set()).add(target)
    return edges


@pytest.mark.parametrize("model", SPEC)
def test_states_are_those_of_the_specification(model: type[Any]) -> None:
    assert python_edges(model) == SPEC[model]
    assert trigger_edges(model) == SPEC[model]
    named = set(SPEC[model]).union(*SPEC[model].values())
    assert named == set(model.State.values)
