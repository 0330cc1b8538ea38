"""`manage.py quote`, `replay` and `statement`: thin edges, one line per error, fixed exit codes, nothing written on bad input."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from apps.loans.tests.builders import CAR_LOAN

SEED = {
    "principal": "100", "annual-rate": "9.125", "installments": "3", "method": "equal_installment", "day-count": "act/365",
    "start": "2022-05-10", "first-due": "2022-06-20",
}  # fmt: skip


def options(**changes: str | None) -> list[str]:
    """The seed quote as options; None leaves one out."""
    named = SEED | {name.replace("_", "-"): value for name, value in changes.items()}
    return [f"--{name}={value}" for name, value in named.items() if value is not None]


def run(*args: str) -> tuple[int, str, str]:
    """Exit code, standard output, and the line that ended the command."""
    out, err = StringIO(), StringIO()
    try:
        call_command(*args, stdout=out, stderr=err)
    except CommandError as error:
        return error.returncode, out.getvalue(), str(error)
    except SystemExit as end:
        return int(end.code or 0), out.getvalue(), err.getvalue().strip()
    return 0, out.getvalue(), err.getvalue().strip()


def answer(*args: str) -> Any:
    code, out, line = run(*args, "--format=json")
    assert (code, line) == (0, "")
    return json.loads(out)


def assert_refused(args: Iterable[str], *, says: str = "") -> None:
    """Bad input: exit 2, one line that names the culprit, nothing written."""
    code, out, line = run(*args)
    assert (code, out) == (2, "")
    assert line
    assert "\n" not in line
    assert len(line) <= 300
    assert says in line


def written(folder: Path, content: Any) -> str:
    path = folder / "input.json"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return f"--file={path}"


# Bad values of a quote's options: the same ones are bad in a file of requests and in the terms of a replay.
BAD_TERMS = [
    ("principal", "-100"), ("principal", "0"), ("principal", "NaN"), ("principal", "Infinity"), ("principal", "1e5"),
    ("principal", "1,000"),
    ("principal", "100.0000000000001"), ("principal", "10000000000.01"), ("principal", "99999999999999999999"), ("principal", ""),
    ("principal", "一百"), ("principal", "１００"), ("principal", "0x10"),
    ("annual_rate", "-1"), ("annual_rate", "NaN"), ("annual_rate", "inf"), ("annual_rate", "9.1250000000001"), ("annual_rate", "1000.1"),
    ("installments", "0"), ("installments", "-3"), ("installments", "1201"), ("installments", "3.5"), ("installments", "three"),
    ("installments", "9" * 21),
    ("method", "magic"), ("method", ""), ("method", "EQUAL_INSTALLMENT"),
    ("day_count", "act/366"), ("day_count", "30/365"),
    ("start", "2022-02-29"), ("start", "2022-13-01"), ("start", "10.05.2022"), ("start", "2022-5-1"), ("start", "0001-01-01"),
    ("first_due", "2022-05-10"), ("first_due", "2022-05-09"), ("first_due", "2023-02-29"), ("first_due", "9999-12-31"),
    ("due_day", "31"), ("due_day", "0"), ("due_day", "32"), ("due_day", "-1"),
    ("frequency", "year"), ("every", "0"), ("every", "367"), ("every", "1.5"),
    ("fee_upfront", "100"), ("fee_upfront", "-1"), ("balloon", "50"), ("shares", "0.5,0.5"), ("shares", "a,b"),
    ("multiple", "0"), ("multiple", "-1"), ("multiple", "0.001"), ("rounding", "down"), ("rate_cap", "NaN"), ("rate_cap", "-1"),
]  # fmt: skip
ids = [f"{name}={value[:24] or 'empty'}" for name, value in BAD_TERMS]


@pytest.mark.parametrize(("name", "value"), BAD_TERMS, ids=ids)
def test_quote_refuses_a_bad_option(name: str, value: str) -> None:
    assert_refused(["quote", *options(**{name: value})])


@pytest.mark.parametrize(("name", "value"), BAD_TERMS, ids=ids)
def test_replay_refuses_bad_terms(tmp_path: Path, name: str, value: str) -> None:
    loan = {"id": "L1", "terms": {**CAR_LOAN, "principal": "100"} | {name: value}, "transactions": []}
    if name == "first_due":
        loan["terms"] |= {"start": "2022-05-10"}
    assert_refused(["replay", written(tmp_path, loan), "--as-of=2025-03-01", "--format=json"], says="L1")


def test_a_file_of_bad_requests_answers_each_with_its_error(tmp_path: Path) -> None:
    seed = {name.replace("-", "_"): value for name, value in SEED.items()}
    requests = [seed | {"id": no, name: value} for no, (name, value) in enumerate(BAD_TERMS)]
    code, out, line = run("quote", written(tmp_path, [*requests, seed | {"id": "good"}]), "--format=json")
    answers = json.loads(out)

    assert code == 1
    assert line.startswith(f"{len(requests)} of {len(requests) + 1} requests failed")
    assert [set(one) for one in answers[:-1]] == [{"id", "error"}] * len(requests)
    assert [one["id"] for one in answers] == [*range(len(requests)), "good"]
    assert all("\n" not in one["error"] for one in answers[:-1])
    assert answers[-1]["installment"] == "33.93"


@pytest.mark.parametrize("name", ["principal", "annual_rate", "installments", "method", "day_count", "start", "first_due"])
def test_quote_names_what_is_missing(name: str) -> None:
    assert_refused(["quote", *options(**{name: None})], says=name)


def test_quote_answers_in_json() -> None:
    told = answer("quote", *options())

    assert [row["total"] for row in told["schedule"]] == ["33.93"] * 3
    assert told["total_interest"] == "1.79"
    assert list(told) == ["installment", "total_interest", "fees", "total_cost", "apr_irr", "effective_rate", "schedule"]
    assert list(told["schedule"][0]) == ["no", "due_date", "days", "principal", "interest", "total", "balance"]


def test_quote_shows_a_table_to_people() -> None:
    code, shown, _line = run("quote", *options())

    assert code == 0
    assert "33.93" in shown
    assert "2022-08-20" in shown


@pytest.mark.parametrize(("count", "rows"), [("1", 1), ("600", 600), ("1200", 1200)])
def test_quote_takes_from_1_to_1200_instalments(count: str, rows: int) -> None:
    told = answer("quote", *options(principal="10000000000", installments=count, annual_rate="3"))

    assert len(told["schedule"]) == rows
    assert told["schedule"][-1]["balance"] == "0.00"


def test_quote_takes_29_february_in_a_leap_year() -> None:
    told = answer("quote", *options(start="2024-02-29", first_due="2024-03-31", due_day="31"))

    assert [row["due_date"] for row in told["schedule"]] == ["2024-03-31", "2024-04-30", "2024-05-31"]


def test_a_rate_above_the_cap_is_refused_with_both_numbers_and_exit_1() -> None:
    code, out, line = run("quote", *options(fee_upfront="20"))

    assert (code, out) == (1, "")
    assert "24.00 %" in line
    assert "\n" not in line


def test_quote_answers_a_file_of_requests_one_by_one(tmp_path: Path) -> None:
    requests = [CAR_LOAN | {"id": "good"}, CAR_LOAN | {"id": "bad", "installments": 0}, "nonsense", CAR_LOAN | {"id": "typo", "rate": 1}]
    code, out, line = run("quote", written(tmp_path, requests), "--format=json")

    answers = json.loads(out)
    assert code == 1
    assert line.startswith("3 of 4")
    assert (answers[0]["id"], answers[0]["installment"]) == ("good", "5596.86")
    assert answers[1]["error"].startswith("installments")
    assert (answers[2]["id"], "error" in answers[2]) == (None, True)
    assert answers[3]["error"].startswith("rate")


def test_files_of_good_requests_end_with_0(tmp_path: Path) -> None:
    assert answer("quote", written(tmp_path, [])) == []
    # Numbers in files are read without binary floats.
    requests = [CAR_LOAN | {"id": 1, "annual_rate": 10.8, "principal": 120000.00}]
    assert answer("quote", written(tmp_path, requests))[0]["installment"] == "5596.86"


def test_requests_come_on_standard_input_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(json.dumps([CAR_LOAN | {"id": "a"}]).encode())))
    assert answer("quote", "--file=-")[0]["installment"] == "5596.86"


LOAN = {
    "id": "L1",
    "terms": CAR_LOAN,
    "transactions": [{"id": "a", "kind": "repayment", "value_date": "2025-02-20", "booked_at": "2025-02-20T10:00:00Z", "amount": 5596.86}],
}
BAD_FILES = {
    "empty": "", "blank": " \n", "half": "{", "not JSON": "principal: 100", "not a number": '[{"id": 1, "principal": NaN}]',
    "infinite": '[{"id": 1, "principal": -Infinity}]', "too large a number": '[{"id": 1, "principal": 1e999999999}]',
    "too small a number": '[{"id": 1, "principal": 1e-999999999}]', "given twice": '[{"id": 1, "id": 2}]',
    "not UTF-8": b'["\xff\xfe"]', "UTF-16": "[]".encode("utf-16"), "half a character": '[{"id": "\\ud800"}]',
    "nested": "[" * 100_000 + "]" * 100_000, "nested a little": "[" * 60 + "]" * 60, "two values": "[] []", "text": '"quote"',
    "null": "null",
    "endless number": '[{"id": ' + "9" * 5000 + "}]", "trailing comma": "[1,]", "nul": "[\x00]",
}  # fmt: skip


@pytest.mark.parametrize("content", BAD_FILES.values(), ids=BAD_FILES.keys())
def test_a_file_that_cannot_be_read_is_bad_input(tmp_path: Path, content: Any) -> None:
    assert_refused(["quote", written(tmp_path, content), "--format=json"], says="input.json")
    assert_refused(["replay", written(tmp_path, content), "--as-of=2025-03-01", "--format=json"])


def test_quote_wants_a_list_in_the_file(tmp_path: Path) -> None:
    assert_refused(["quote", written(tmp_path, CAR_LOAN | {"id": "a"})], says="list")


@pytest.mark.parametrize("path", ["/nowhere.json", "/", "/proc/1/nothing/here", ""])
def test_a_path_without_a_file_is_bad_input(path: str) -> None:
    assert_refused(["quote", f"--file={path}"])
    assert_refused(["replay", f"--file={path}", "--as-of=2025-01-01"])


def test_what_contradicts_itself_or_is_unknown_is_bad_input(tmp_path: Path) -> None:
    file = written(tmp_path, [])
    assert_refused(["quote", file, "--principal=100"], says="--file")
    assert_refused(["quote", file, "--even-out"], says="--file")
    assert_refused(["quote", *options(), "--colour=blue"], says="--colour")
    assert_refused(["quote", *options(), "--format=xml"], says="xml")
    assert_refused(["quote", *options(), "stray"], says="stray")
    assert_refused(["replay", file], says="--as-of")
    assert_refused(["replay", "--as-of=2025-01-01"], says="--file")
    assert_refused(["replay", file, "--as-of=2025-01-01", "--loan=1"], says="--loan")


def test_replay_answers_in_the_shape_it_was_asked(tmp_path: Path) -> None:
    one = answer("replay", written(tmp_path, LOAN), "--as-of=2025-02-20")
    several = answer("replay", written(tmp_path, [LOAN, LOAN]), "--as-of=2025-02-20")

    assert (one["id"], one["outstanding"]["principal"]) == ("L1", "115858.92")
    assert several == [one, one]
    assert list(one) == [
        "id", "status", "as_of", "dpd", "outstanding", "accrued_interest", "payoff", "credit", "schedule", "transactions",
    ]  # fmt: skip
    assert list(one["schedule"][0]) == ["no", "due_date", "principal", "interest", "fee", "penalty", "paid", "status"]
    assert list(one["transactions"][0]) == ["id", "kind", "value_date", "amount", "allocated", "reversed_by"]
    assert "115858.92" in run("replay", written(tmp_path, LOAN), "--as-of=2025-02-20")[1]
    assert answer("replay", written(tmp_path, []), "--as-of=2025-02-20") == []


def test_replay_knows_the_working_days(tmp_path: Path) -> None:
    """2025-05-01 to 05-05 are the announced holidays of May, 06-01 and 06-02 those of the dragon boats."""
    terms = CAR_LOAN | {"start": "2025-04-01", "first_due": "2025-05-01", "due_day": 1, "move_to_working_day": True}
    told = answer("replay", written(tmp_path, {"id": "L1", "terms": terms}), "--as-of=2025-04-10")
    assert [row["due_date"] for row in told["schedule"][:3]] == ["2025-05-06", "2025-06-03", "2025-07-01"]


def paying(**changes: Any) -> dict[str, Any]:
    return {"id": "a", "kind": "repayment", "value_date": "2025-02-20", "amount": "100"} | changes


BAD_LOANS: list[Any] = [
    None, 1, "loan", [[]], {}, {"id": "L1"}, {"terms": CAR_LOAN, "x": 1}, {"a\nb": 1, "terms": CAR_LOAN},
    {"terms": None}, {"terms": []}, {"terms": CAR_LOAN, "transactions": {}}, {"terms": CAR_LOAN, "transactions": [1]},
    {"terms": CAR_LOAN, "transactions": "none"},
    *({"terms": CAR_LOAN, "transactions": [paying(**change)]} for change in (
        {"amount": "-1"}, {"amount": "0"}, {"amount": "NaN"}, {"amount": "1.0000000000001"}, {"amount": "10000000000.01"}, {"amount": None},
        {"amount": True}, {"amount": []}, {"value_date": "2025-02-29"}, {"value_date": "2025-01-09"}, {"value_date": None},
        {"value_date": 20250220}, {"kind": "gift"}, {"kind": None}, {"id": None}, {"id": ""}, {"id": []}, {"id": "x" * 201},
        {"booked_at": "today"}, {"booked_at": 1}, {"reverses": "a"}, {"reverses": "zz"}, {"kind": "reversal", "reverses": "zz"},
        {"kind": "reversal", "amount": None}, {"kind": "rate_reset", "amount": None}, {"kind": "term_change", "installments": 0},
        {"kind": "term_change", "installments": 1201}, {"kind": "prepayment", "mode": "later"}, {"kind": "waiver", "components": ["all"]},
        {"kind": "waiver", "components": {"interest": "-1"}}, {"what": 1},
    )),
    {"terms": CAR_LOAN, "transactions": [paying(), paying(amount="200")]},
    {"terms": CAR_LOAN, "transactions": [paying(), {"id": "b", "kind": "reversal", "value_date": "2025-02-21", "reverses": "b"}]},
    {"terms": CAR_LOAN, "transactions": [paying(id=str(no)) for no in range(10_001)]},
    {"terms": CAR_LOAN | {"funders": [{"party_ref": "a", "parts": 9999}]}}, {"terms": CAR_LOAN | {"funders": [{"party_ref": "a"}]}},
    {"terms": CAR_LOAN | {"grace_days": -1}}, {"terms": CAR_LOAN | {"waterfall": ["interest"]}}, {"terms": CAR_LOAN | {"compound": "yes"}},
    {"terms": CAR_LOAN | {"penalty_uplift": "NaN"}},
]  # fmt: skip


@pytest.mark.parametrize("loan", BAD_LOANS, ids=[str(no) for no in range(len(BAD_LOANS))])
def test_one_bad_loan_among_good_ones_ends_a_replay_with_nothing_written(tmp_path: Path, loan: Any) -> None:
    assert_refused(["replay", written(tmp_path, [LOAN, loan]), "--as-of=2025-03-01", "--format=json"])


@pytest.mark.parametrize("as_of", ["2025-13-01", "2025-02-29", "today", "", "2025-2-1", "20250201", "2025-02-01T00:00"])
def test_replay_wants_a_day(tmp_path: Path, as_of: str) -> None:
    assert_refused(["replay", written(tmp_path, LOAN), f"--as-of={as_of}"], says="--as-of")
