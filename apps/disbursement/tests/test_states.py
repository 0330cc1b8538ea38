"""The states of payments and vouchers: the spec's table, the Python transitions and the database's edges say the same."""

from __future__ import annotations

from typing import Any

import pytest

from apps.disbursement import models

SPEC = {
    models.Voucher: {"issued": {"used", "paid", "revoked"}, "used": {"settled"}, "paid": {"settled"}},
    models.Disbursement: {
        "created": {"routed", "cancelled"},
        "routed": {"submitted", "failed", "cancelled"},
        "submitted": {"succeeded", "failed", "unknown"},
        "unknown": {"succeeded", "failed"},
        "failed": {"routed", "cancelled"},
        "succeeded": {"reversed"},
    },
    models.RepaymentOrder: {
        "created": {"processing", "cancelled"},
        "processing": {"succeeded", "failed", "unknown", "cancelled"},
        "unknown": {"succeeded", "failed"},
        "succeeded": {"reversed", "refunded"},
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
