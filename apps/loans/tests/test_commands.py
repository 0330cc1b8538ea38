"""`manage.py quote` and `manage.py replay`: thin edges, one line per error, fixed exit codes."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from apps.loans.tests.builders import CAR_LOAN

SEED = [
    "--principal=100", "--annual-rate=9.125", "--installments=3", "--method=equal_installment", "--day-count=act/365",
    "--start=2022-05-10", "--first-due=2022-06-20",
]  # fmt: skip


def run(*args: str) -> str:
    out = StringIO()
    call_command(*args, stdout=out)
    return out.getvalue()


def refused(*args: str) -> CommandError:
    with pytest.raises(CommandError) as caught:
        run(*args)
    assert "\n" not in str(caught.value)
    return caught.value


def written(folder: Path, content: Any) -> str:
    path = folder / "input.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return f"--file={path}"


def test_quote_answers_in_json() -> None:
    answer = json.loads(run("quote", *SEED, "--format=json"))

    assert [row["total"] for row in answer["schedule"]] == ["33.93"] * 3
    assert answer["total_interest"] == "1.79"


def test_quote_shows_a_table_to_people() -> None:
    shown = run("quote", *SEED)

    assert "33.93" in shown
    assert "2022-08-20" in shown


def test_quote_refuses_bad_input_with_2_and_a_rate_above_the_cap_with_1() -> None:
    assert refused("quote", *SEED, "--due-day=31").returncode == 2
    assert refused("quote", *SEED[1:]).returncode == 2
    assert refused("quote", *SEED, "--fee-upfront=20").returncode == 1


def test_quote_answers_a_file_of_requests_one_by_one(tmp_path: Path) -> None:
    requests = [CAR_LOAN | {"id": "good"}, CAR_LOAN | {"id": "bad", "installments": 0}, "nonsense"]
    out = StringIO()

    with pytest.raises(CommandError, match="2 of 3") as caught:
        call_command("quote", written(tmp_path, requests), "--format=json", stdout=out)

    answers = json.loads(out.getvalue())
    assert caught.value.returncode == 1
    assert (answers[0]["id"], answers[0]["installment"]) == ("good", "5596.86")
    assert answers[1]["id"] == "bad"
    assert answers[1]["error"].startswith("installments")
    assert "error" in answers[2]


def test_numbers_in_files_are_read_without_binary_floats(tmp_path: Path) -> None:
    requests = [CAR_LOAN | {"id": 1, "annual_rate": 10.8, "principal": 120000.00}]

    assert json.loads(run("quote", written(tmp_path, requests)))[0]["installment"] == "5596.86"


@pytest.mark.parametrize("content", ["{", "[NaN]", "{}", ""])
def test_a_file_that_is_no_list_of_requests_is_bad_input(tmp_path: Path, content: str) -> None:
    assert refused("quote", written(tmp_path, content)).returncode == 2


def test_a_missing_file_is_bad_input() -> None:
    assert refused("quote", "--file=/nowhere.json").returncode == 2
    assert refused("replay", "--file=/nowhere.json", "--as-of=2025-01-01").returncode == 2


LOAN = {
    "id": "L1",
    "terms": CAR_LOAN,
    "transactions": [{"id": "a", "kind": "repayment", "value_date": "2025-02-20", "booked_at": "2025-02-20T10:00:00Z", "amount": 5596.86}],
}


def test_replay_answers_in_the_shape_it_was_asked(tmp_path: Path) -> None:
    one = json.loads(run("replay", written(tmp_path, LOAN), "--as-of=2025-02-20", "--format=json"))
    several = json.loads(run("replay", written(tmp_path, [LOAN, LOAN]), "--as-of=2025-02-20", "--format=json"))

    assert (one["id"], one["outstanding"]["principal"]) == ("L1", "115858.92")
    assert several == [one, one]
    assert "115858.92" in run("replay", written(tmp_path, LOAN), "--as-of=2025-02-20")


@pytest.mark.parametrize(
    ("change", "as_of"),
    [({}, "2025-13-01"), ({"terms": None}, "2025-03-01"), ({"transactions": {}}, "2025-03-01"), ({"x": 1}, "2025-03-01"),
     ({"transactions": [{"id": "a", "kind": "re_age", "value_date": "2025-02-20"}]}, "2025-03-01")],
)  # fmt: skip
def test_replay_refuses_bad_input_with_2_and_writes_nothing(tmp_path: Path, change: dict[str, Any], as_of: str) -> None:
    out = StringIO()
    with pytest.raises(CommandError) as caught:
        call_command("replay", written(tmp_path, [LOAN, LOAN | change]), f"--as-of={as_of}", stdout=out)

    assert (caught.value.returncode, out.getvalue()) == (2, "")
