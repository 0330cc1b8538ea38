"""The sandbox's people, judged by the shipped decision flow: each plays its part."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import pytest

from apps.integrations.sandbox.parties.bureau import build
from apps.integrations.sandbox.personas import PERSONAS, id_number_for
from apps.risk.domain.engine import Flow
from apps.risk.domain.features import compute_features
from apps.risk.domain.report import read_report
from apps.risk.domain.samples import SAMPLES

NOON = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)
FLOW = Path(__file__).parents[2] / "risk" / "flows" / "car_loan.json"


def report(persona: str) -> dict:
    return build(persona, query_id="q", name="样例", id_number=id_number_for(persona), queried_at=NOON)


@pytest.mark.parametrize("persona", PERSONAS)
def test_every_report_is_readable(persona):
    assert read_report(report(persona), as_of=NOON.date()).no_record == (persona == "thin")


@pytest.mark.parametrize(
    ("persona", "outcome"),
    [
        ("good", "approve"),
        ("thin", "review"),
        ("fraud", "decline"),
        ("indebted", "decline"),
        ("pays_late", "approve"),
        ("never_pays", "approve"),
    ],
)
def test_a_persona_on_an_ordinary_income_gets_its_outcome(persona, outcome):
    flow = Flow(json.loads(FLOW.read_text()))
    inputs = SAMPLES["good"]() | {"bureau": report(persona)}
    assert flow.decide(compute_features(inputs)).outcome == outcome
