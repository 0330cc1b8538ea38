"""The strict reading of bureau reports: whatever is not certainly read is never approved."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.risk.domain.engine import Flow
from apps.risk.domain.features import compute_features
from apps.risk.domain.report import BUSINESS, FIVE_CLASSES, STATUSES, UnreadableReport, read_report
from apps.risk.domain.samples import AS_OF, SAMPLES

FLOW = Flow(json.loads((Path(__file__).parent.parent / "flows" / "car_loan.json").read_text(encoding="utf-8")))
DAY = dt.date.fromisoformat(AS_OF)
LOAN, CARD = 0, 1  # places in the good sample's accounts
SETTLED = {"status": "3", "balance": 0, "monthly_payment": 0, "history_24": "N" * 23 + "C"}


def report(**change: Any) -> dict[str, Any]:
    body: dict[str, Any] = SAMPLES["good"]()["bureau"]
    return body | change


def account(place: int = LOAN, **change: Any) -> dict[str, Any]:
    """The good report with one account changed."""
    body = report()
    body["accounts"][place] |= change
    return body


def outcome(body: Any) -> str:
    return FLOW.decide(compute_features(SAMPLES["good"]() | {"bureau": body})).outcome


def unreadable(body: Any) -> bool:
    try:
        read_report(body, as_of=DAY)
    except UnreadableReport:
        return True
    return False


class TestReading:
    def test_the_good_report_is_read_and_approved(self) -> None:
        assert not unreadable(report())
        assert outcome(report()) == "approve"

    @pytest.mark.parametrize(
        "change",
        [
            {"accounts": None},
            {"accounts": [], "no_record": False},
            {"no_record": True},
            {"queries": {"loan_1m": 1}},
            {"public": [{"kind": "gossip", "amount": 1, "date": "2026-01-01"}]},
            {"public": [{"kind": "penalty", "amount": 1, "date": "2026-11-21"}]},
            {"query_time": "yesterday"},
            {"query_time": "2019-11-20T13:44:00+08:00"},
            {"query_time": "2026-11-21T00:00:00+08:00"},
            {"query_time": "2026-11-20T13:44:00"},
            {"person": {"name": "", "id_number": "1"}},
            {"alert": "no"},
        ],
    )
    def test_anything_unlike_the_second_generation_is_unreadable(self, change: dict[str, Any]) -> None:
        assert unreadable(report(**change))
        assert outcome(report(**change)) == "review"

    @pytest.mark.parametrize("status", ["04", "４", "٤", "99", "0", "", "1 ", "31", 1, None])
    def test_a_loan_s_status_is_one_of_its_codes(self, status: Any) -> None:
        assert unreadable(account(status=status))

    @pytest.mark.parametrize("business", ["ZZ", "81", "A1", "９１", "", 11])
    def test_a_loan_s_business_is_one_of_its_codes(self, business: Any) -> None:
        assert unreadable(account(business=business))

    @pytest.mark.parametrize(
        "change",
        [
            {"status": "2"},  # overdue, with nothing overdue
            {"status": "3"},  # settled, and owes
            {"history_24": ""},
            {"history_24": "/" * 24},
            {"history_24": "N" * 23},
            {"history_24": "/" + "N" * 23},
            {"history_24": "N" * 10 + "/" + "N" * 13},
            {"history_24": "N" * 12 + "C" + "N" * 11},
            {"history_24": "N" * 23 + "C"},
            {"history_24": "Ｎ" * 24},
            {"history_24": "N" * 25},
            {"opened_on": "2031-01-01"},
            {"opened_on": "1992-03-06"},  # the day before the person's birth
            {"opened_on": "20190512"},
            {"opened_on": "２019-05-12"},
        ],
    )
    def test_a_loan_agrees_with_itself(self, change: dict[str, Any]) -> None:
        assert unreadable(account(**change))

    @pytest.mark.parametrize(
        "change",
        [
            SETTLED,
            {"opened_on": "2026-10-28", "history_24": "N"},
            {"opened_on": "2026-11-19", "history_24": ""},
            {"opened_on": "2026-01-05", "history_24": "/" * 14 + "N" * 10},
            {"opened_on": "2026-01-05", "history_24": "N" * 9},  # the last month is not reported yet
            {"history_24": "*M#A" * 6},
        ],
    )
    def test_what_is_sound_is_read(self, change: dict[str, Any]) -> None:
        assert not unreadable(account(**change))

    def test_a_card_that_was_never_activated_has_no_history(self) -> None:
        assert not unreadable(account(CARD, status="6", balance=0, history_24=""))
        assert unreadable(account(CARD, status="6", history_24=""))

    def test_the_age_of_a_report_is_limited(self) -> None:
        read_report(report(), as_of=DAY + dt.timedelta(days=30))
        with pytest.raises(UnreadableReport):
            read_report(report(), as_of=DAY + dt.timedelta(days=31))

    def test_unknown_fields_do_no_harm(self) -> None:
        assert read_report(report(later=1), as_of=DAY).no_record is False


class TestJudging:
    @pytest.mark.parametrize("status", sorted(STATUSES["D1"] - {"1"}))
    def test_a_loan_that_owes_and_is_not_normal_is_never_approved(self, status: str) -> None:
        assert outcome(account(status=status)) != "approve"
        assert outcome(account(status=status, overdue_amount=1)) != "approve"

    @pytest.mark.parametrize("status", sorted(STATUSES["R2"] - {"1", "6"}))
    def test_a_card_that_owes_and_is_not_normal_is_never_approved(self, status: str) -> None:
        assert outcome(account(CARD, status=status)) != "approve"

    @pytest.mark.parametrize("five_class", sorted(FIVE_CLASSES - {"1"}))
    def test_a_class_below_normal_is_never_approved(self, five_class: str) -> None:
        assert outcome(account(five_class=five_class)) != "approve"
        assert five_class == "9" or outcome(account(CARD, five_class=five_class)) != "approve"

    def test_a_case_in_collection_is_declined(self) -> None:
        body = report()
        body["accounts"].append(body["accounts"][LOAN] | {"type": "C1", "status": "1", "business": "A1"})
        assert outcome(body) == "decline"

    def test_loans_that_report_no_instalment_are_estimated(self) -> None:
        body = report()
        body["accounts"] += [body["accounts"][LOAN] | {"business": "21", "balance": 50_000_000, "monthly_payment": 0}] * 8
        assert compute_features(SAMPLES["good"]() | {"bureau": body})["monthly_obligations"] == 238_000 + 91_400 + 8 * 2_083_334
        assert outcome(body) == "decline"

    def test_a_settled_loan_takes_nothing(self) -> None:
        assert compute_features(SAMPLES["good"]() | {"bureau": account(**SETTLED)})["monthly_obligations"] == 91_400


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if isinstance(value, dict | list):
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        return [place for key, item in pairs for place in _places(item, (*path, key))] + ([path] if path else [])
    return [path]


# What one report says and another need not; `id_type` is not read.
_FREE = {"report_no", "name", "id_number"}
_OPTIONAL = {"monthly_payment", "id_type"}
_FOREIGN = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="N1234567M*#/ACBDZG"), max_size=70)


def _retyped(value: Any) -> st.SearchStrategy[Any]:
    """What is of another type than the value, or beyond its bounds."""
    others = [st.none(), st.floats(), st.integers(max_value=-1), st.integers(min_value=10**14), st.just(str(value) + "9" * 70)]
    if not isinstance(value, bool):
        others.append(st.booleans())
    if not isinstance(value, list):
        others.append(st.lists(st.integers(), max_size=2))
    if not isinstance(value, dict):
        others.append(st.dictionaries(st.text(max_size=3), st.integers(), max_size=2))
    if not isinstance(value, str):
        others.append(st.text(max_size=5))
    return st.one_of(others)


def _another(field: str, value: str, kind: str) -> st.SearchStrategy[Any]:
    """A text in another's place: no code of this field."""
    codes = {"status": STATUSES.get(kind), "business": BUSINESS.get(kind), "five_class": FIVE_CLASSES, "type": frozenset(STATUSES)}
    if codes.get(field):
        return _FOREIGN.map(str) | st.sampled_from([value + " ", "0" + value, value + value, chr(0xFF10 + ord(value[0]) % 16), ""])
    return _FOREIGN


class TestDamage:
    """The whole report, each place of it: dropped, retyped, overlong, another code, dates moved."""

    @given(data=st.data())
    @settings(max_examples=500, deadline=None)
    def test_no_damage_to_a_report_is_approved(self, data: st.DataObject) -> None:
        body = report(public=[{"kind": "penalty", "amount": 1, "date": "2026-01-01"}])
        assert outcome(body) == "approve"
        path = data.draw(st.sampled_from([place for place in _places(body) if place[-1] not in _OPTIONAL]))
        holder = body
        for key in path[:-1]:
            holder = holder[key]
        field, value = path[-1], holder[path[-1]]
        deeds = ["retype", "text"] if isinstance(value, str) and field not in _FREE else ["retype"]
        deed = data.draw(st.sampled_from([*deeds, "drop"] if isinstance(holder, dict) else deeds))
        if deed == "drop":
            del holder[field]
        elif deed == "retype":
            holder[field] = data.draw(_retyped(value))
        else:
            holder[field] = data.draw(_another(field, value, holder.get("type", "")))
        assert outcome(body) != "approve"

    @given(days=st.integers(min_value=-40_000, max_value=40_000))
    @settings(max_examples=200, deadline=None)
    def test_a_query_outside_the_last_days_is_not_approved(self, days: int) -> None:
        moved = dt.datetime(2026, 11, 20, 13, 44, tzinfo=dt.timezone(dt.timedelta(hours=8))) + dt.timedelta(days=days)
        assert (outcome(report(query_time=moved.isoformat())) == "approve") == (-30 <= days <= 0)

    @given(place=st.sampled_from([LOAN, CARD]), days=st.integers(min_value=1, max_value=40_000))
    @settings(max_examples=100, deadline=None)
    def test_an_account_opened_after_the_query_is_not_approved(self, place: int, days: int) -> None:
        opened_on = (DAY + dt.timedelta(days=days)).isoformat()
        assert outcome(account(place, opened_on=opened_on)) != "approve"

    @given(place=st.sampled_from([LOAN, CARD]), history=st.text("N1234567M*#/ACBDZG", max_size=24))
    @settings(max_examples=200, deadline=None)
    def test_a_history_is_whole_and_in_order_or_not_approved(self, place: int, history: str) -> None:
        if len(history) < 24 or set(history) & set("/CBDZG34567"):
            assert outcome(account(place, history_24=history)) != "approve"
