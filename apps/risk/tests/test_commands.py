"""`manage.py decide` from a file, without the web."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from apps.organisations.tests.factories import LegalEntityFactory
from apps.risk import services
from apps.risk.domain.samples import OUTCOMES
from apps.risk.models import Decision, DecisionFlowVersion
from apps.risk.tests.factories import NOW, SYSTEM, order_facts, person, ready_entity

pytestmark = pytest.mark.django_db


def run(*args: str) -> Any:
    out = StringIO()
    call_command("decide", *args, "--format", "json", stdout=out, stderr=StringIO())
    lines = out.getvalue().strip().splitlines()
    assert len(lines) == 1
    return json.loads(lines[0])


@pytest.mark.parametrize(("sample", "outcome"), OUTCOMES.items())
@pytest.mark.parametrize("installed", [True, False])
def test_a_sample_decides_as_named_with_and_without_an_installation(tmp_path: Path, sample: str, outcome: str, installed: bool) -> None:
    if installed:
        ready_entity(LegalEntityFactory().id)
    values = run("--flow", "car_loan", "--sample", sample)
    if installed:
        assert sorted(values) == DecisionFlowVersion.objects.get().reads
    file = tmp_path / "input.json"
    file.write_text(json.dumps(values))
    answer = run("--flow", "car_loan", "--input", str(file))
    assert answer["outcome"] == outcome
    assert answer["missing"] == []


def test_a_field_less_is_told_and_never_approves(tmp_path: Path) -> None:
    values = run("--flow", "car_loan", "--sample", "good")
    for field in values:
        file = tmp_path / "input.json"
        file.write_text(json.dumps({name: value for name, value in values.items() if name != field}))
        answer = run("--flow", "car_loan", "--input", str(file))
        assert answer["outcome"] != "approve"
        assert [gap["field"] for gap in answer["missing"]] == [field]


@pytest.mark.parametrize("text", ['"age":NaN', '"age":34,"age":34', '"age":3.4e1', '"age":"34"', '"age":null', '"age":1e999'])
def test_a_number_that_is_none_never_approves(tmp_path: Path, text: str) -> None:
    values = run("--flow", "car_loan", "--sample", "good")
    values.pop("age")
    file = tmp_path / "input.json"
    file.write_text(json.dumps(values)[:-1] + f",{text}}}")
    assert run("--flow", "car_loan", "--input", str(file))["outcome"] == "review"


@pytest.mark.parametrize("content", ["", "[]", "{", "[" * 100_000, '"x"', "\xff"])
def test_a_file_that_is_none_is_bad_input(tmp_path: Path, content: str) -> None:
    file = tmp_path / "input.json"
    file.write_bytes(content.encode("latin-1"))
    with pytest.raises(CommandError) as refused:
        run("--flow", "car_loan", "--input", str(file))
    assert refused.value.returncode == 2


@pytest.mark.parametrize("flow", ["nothing", "../flows/car_loan", ""])
def test_an_unknown_flow_is_bad_input(flow: str) -> None:
    with pytest.raises(CommandError) as refused:
        run("--flow", flow, "--sample", "good")
    assert refused.value.returncode == 2


def test_entities_that_decide_alike_need_not_be_named(tmp_path: Path) -> None:
    for code in ("A", "B"):
        ready_entity(LegalEntityFactory(code=code).id)
    assert run("--flow", "car_loan", "--sample", "good") == run("--flow", "car_loan", "--entity", "B", "--sample", "good")
    DecisionFlowVersion.objects.filter(legal_entity__code="B").update(digest="another")
    with pytest.raises(CommandError, match="--entity"):
        run("--flow", "car_loan", "--sample", "good")
    DecisionFlowVersion.objects.filter(legal_entity__code="B").update(state="retired")
    assert run("--flow", "car_loan", "--sample", "good")["age"] == 34


def test_a_stored_decision_is_computed_again(sandbox: Any) -> None:
    entity = LegalEntityFactory()
    ready_entity(entity.id)
    request_id = services.request_decision(
        flow_code="car_loan",
        legal_entity_id=entity.id,
        subject_ref=person(entity).id,
        subject=order_facts(),
        reference="r",
        actor=SYSTEM,
        now=NOW,
    )
    services.make_decision(request_id=request_id, now=NOW)
    decision = Decision.objects.get()
    answer = run("--replay", str(decision.id))
    assert (answer["outcome"], answer["same"]) == (decision.outcome, True)
    for nothing in ("x", str(entity.id)):
        with pytest.raises(CommandError):
            run("--replay", nothing)
