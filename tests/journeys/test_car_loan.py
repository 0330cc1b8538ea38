"""The main job, end to end on real processes: the same story that `make demo` tells."""

from decimal import Decimal
from pathlib import Path

import pytest

from tests.journeys.story import CarLoanStory

pytestmark = pytest.mark.journey


def test_one_car_loan_from_the_shop_floor_to_the_settlement_certificate(stack, tmp_path: Path):
    report = CarLoanStory(stack, tmp_path).run()

    assert report["ok"]
    assert report["loan"]["status"] == "settled"
    assert Decimal(report["loan"]["paid_total"]) > Decimal(report["loan"]["principal"])
    assert report["books"]["balanced"]
    assert report["books"]["entries"] > 0
    for artefact in ("contract", "voucher", "settlement"):
        assert Path(report["artefacts"][artefact]).read_bytes().startswith(b"%PDF")
    states = [step["state"] for step in report["steps"]]
    for state in (
        "declined",
        "manual_review",
        "offered",
        "accepted",
        "disbursement_review",
        "vouchered",
        "completed",
        "overdue",
        "settled",
    ):
        assert state in states
