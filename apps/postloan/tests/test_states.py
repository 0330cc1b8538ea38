"""The states of cases, papers and releases: the table, the Python transitions and the database's edges say the same."""

from __future__ import annotations

from typing import Any

import pytest

from apps.postloan import models

SPEC = {
    models.CollectionCase: {
        "open": {"working", "closed"},
        "working": {"promised", "outsourced", "litigation", "closed"},
        "promised": {"working", "closed"},
        "outsourced": {"working", "closed"},
        "litigation": {"working", "closed"},
    },
    models.DeliveryPaper: {"pending": {"received"}, "received": {"checked", "pending"}},
    models.TitleRelease: {"pending": {"released"}},
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
