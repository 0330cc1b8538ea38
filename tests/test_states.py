"""State machines: the table of the specification, the transitions in Python and the trigger in the database are the same edges.

`data/states.json` is the specification's table: object → state → states that may follow.
"""

import json
from collections.abc import Iterable
from pathlib import Path

import pgtrigger
import pytest
from django.apps import apps
from django.db import models
from django_fsm import FSMField

SPECIFIED = json.loads((Path(__file__).parent / "data" / "states.json").read_text())
Edges = set[tuple[str, str]]


def machines() -> dict[str, tuple[type[models.Model], FSMField]]:
    """Every state field of the project by `context.Model`, with the field's name when it is not `state`."""
    found = {}
    for model in apps.get_models():
        for field in model._meta.local_fields:
            if isinstance(field, FSMField):
                label = model._meta.label if field.name == "state" else f"{model._meta.label}.{field.name}"
                found[label] = (model, field)
    return found


MACHINES = machines()


def edges_of(table: dict[str, list[str]]) -> Edges:
    return {(source, target) for source, targets in table.items() for target in targets}


def edges_in_python(model: type[models.Model], field: FSMField) -> Edges:
    return {(str(each.source), str(each.target)) for each in field.get_all_transitions(model)}


def guards(model: type[models.Model], field: FSMField) -> list[pgtrigger.FSM]:
    return [each for each in model._meta.triggers if isinstance(each, pgtrigger.FSM) and each.field == field.name]


def edges_in_database(model: type[models.Model], field: FSMField) -> Edges:
    return {(str(source), str(target)) for guard in guards(model, field) for source, target in guard.transitions}


def differences(**tables: Iterable[tuple[str, str]]) -> list[str]:
    """Edges that some of the tables have and others lack, in words."""
    sets = {name: set(edges) for name, edges in tables.items()}
    return [
        f"{source} → {target} is missing in {name}"
        for source, target in sorted(set().union(*sets.values()))
        for name, edges in sets.items()
        if (source, target) not in edges
    ]


@pytest.mark.parametrize("label", sorted(MACHINES))
def test_specification_python_and_database_agree(label):
    model, field = MACHINES[label]
    tables = {"Python": edges_in_python(model, field), "the database": edges_in_database(model, field)}
    if label in SPECIFIED:
        tables["the specification"] = edges_of(SPECIFIED[label])
    assert differences(**tables) == []


@pytest.mark.parametrize("label", sorted(MACHINES))
def test_a_state_field_is_guarded_by_one_unconditional_trigger(label):
    model, field = MACHINES[label]
    (guard,) = guards(model, field)
    assert guard.condition is None
    assert field.protected


@pytest.mark.parametrize("label", sorted(MACHINES))
def test_edges_use_exactly_the_words_of_the_states(label):
    model, field = MACHINES[label]
    words = {str(value) for value, _ in field.choices}
    used = {state for edge in edges_in_python(model, field) for state in edge} | {str(field.default)}
    assert used == words


def test_every_specified_object_is_a_model():
    assert set(SPECIFIED) <= set(MACHINES)


def test_a_planted_difference_is_seen():
    edges = edges_of(SPECIFIED["disbursement.Voucher"])
    assert differences(one=edges, other=edges) == []
    assert differences(one=edges, other=edges - {("used", "settled")}) == ["used → settled is missing in other"]
    assert differences(one=edges, other=edges | {("revoked", "issued")}) == ["revoked → issued is missing in one"]
    assert differences(one=edges, two=edges, three=edges - {("issued", "paid")}) == ["issued → paid is missing in three"]


def test_a_machine_without_its_trigger_is_seen():
    model, field = MACHINES["disbursement.Voucher"]
    unguarded = FSMField(default="issued")
    unguarded.name = "other"
    assert guards(model, unguarded) == []
    assert differences(Python=edges_in_python(model, field), database=edges_in_database(model, unguarded)) != []
