"""Progress, promise and plans in words: pure functions."""

from __future__ import annotations

import datetime as dt

import pytest

from apps.applications.models import EDGES, State
from apps.applications.selectors import TimelineEntry
from apps.portal import progress

NOW = dt.datetime(2026, 3, 2, 4, 0, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)


def entry(from_state: str, to_state: str, actor: str = "system:x", reason: str = "", at: dt.datetime = NOW) -> TimelineEntry:
    return TimelineEntry(at, "deed", from_state, to_state, actor, "portal", reason)


def test_every_state_has_a_step_news_and_exactly_one_group():
    in_steps = frozenset().union(*(states for _name, states in progress.STEPS))
    assert in_steps | {"withdrawn", "expired", "cancelled"} == set(State.values)
    assert set(progress.NEWS) == set(State.values)
    grouped = [state for code, (_name, states) in progress.GROUPS.items() if code != "all" for state in states]
    assert sorted(grouped) == sorted(State.values)


def test_an_order_can_be_withdrawn_where_its_states_allow_it():
    assert {state for state, targets in EDGES.items() if "withdrawn" in targets} == progress.WITHDRAWABLE


@pytest.mark.parametrize(
    ("state", "reached", "signs"),
    [
        ("offered", "screening", "done done now later later later"),
        ("declined", "screening", "done stopped later later later later"),
        ("withdrawn", "accepted", "done done done stopped later later"),
        ("vouchered", "approved", "done done done done done now"),
        ("completed", "delivered", "done done done done done done"),
    ],
)
def test_steps_stop_where_the_order_ended(state, reached, signs):
    assert " ".join(step.state for step in progress.steps_of(state, reached)) == signs


def sla(now: dt.datetime, *, kept_at: dt.datetime | None = None, state: str = "offered") -> progress.Sla | None:
    return progress.sla_of(submitted_at=NOW, due_at=NOW + HOUR, kept_at=kept_at, state=state, now=now)


def test_the_promise_runs_warns_and_is_missed():
    running = sla(NOW + dt.timedelta(minutes=10))
    assert (running.text, running.tone, running.dash) == ("50:00", "fine", "141.3 169.6")
    assert (sla(NOW + dt.timedelta(minutes=50)).tone, sla(NOW + dt.timedelta(minutes=50)).text) == ("", "10:00")
    late = sla(NOW + dt.timedelta(minutes=63, seconds=12))
    assert (late.text, late.tone) == ("−03:12", "late")
    assert sla(NOW + dt.timedelta(hours=3, seconds=5)).text == "−2:00:05"


def test_the_promise_is_kept_by_the_voucher_and_gone_with_a_refusal():
    kept = sla(NOW + HOUR * 3, kept_at=NOW + dt.timedelta(minutes=57), state="vouchered")
    assert (kept.left_s, kept.used_min, kept.kept, kept.tone) == (None, 57, True, "fine")
    broken = sla(NOW + HOUR * 3, kept_at=NOW + dt.timedelta(minutes=75), state="vouchered")
    assert (broken.kept, broken.tone) == (False, "late")
    assert sla(NOW, state="declined") is None
    assert progress.sla_of(submitted_at=None, due_at=None, kept_at=None, state="draft", now=NOW) is None


def test_news_come_newest_first_with_days_and_without_names_of_staff():
    timeline = (
        entry("", "draft", "dealer:chen", at=NOW - dt.timedelta(days=1)),
        entry("draft", "draft", "dealer:chen", at=NOW - dt.timedelta(days=1)),
        entry("draft", "submitted", "dealer:other", at=NOW),
        entry("submitted", "screening", "dealer:other", at=NOW),
        entry("manual_review", "declined", "staff:reviewer", "hit AF-008", at=NOW),
    )
    news = progress.news_of(timeline, people={"chen": "陈静"}, today=NOW.date())
    assert [(str(line.label), str(line.by), line.day) for line in news] == [
        ("Declined", "our staff", None),
        ("Automatic check began", "", None),
        ("Order submitted", "the shop", None),
        ("Order opened", "陈静", dt.date(2026, 3, 1)),
    ]


def test_only_words_that_a_person_wrote_reach_the_shop():
    assert progress.word_of_reviewer((entry("manual_review", "more_info", "staff:r", "payslip please"),), "more_info") == "payslip please"
    assert progress.word_of_reviewer((entry("screening", "more_info", "system:risk", "PB-001"),), "more_info") == ""


@pytest.mark.parametrize(
    ("state", "facts", "step"),
    [
        ("more_info", {}, "submit"),
        ("offered", {}, "choose"),
        ("accepted", {}, "contract"),
        ("contracting", {}, "contract"),  # the last contract was voided
        ("contracting", {"has_contract": True}, ""),  # being made
        ("contracting", {"has_contract": True, "to_sign": True}, "sign"),
        ("vouchered", {"voucher_usable": True}, "pickup"),
        ("vouchered", {}, ""),
        ("delivered", {"papers_missing": 2}, "papers"),
        ("delivered", {}, ""),
        ("screening", {}, ""),
        ("declined", {}, ""),
    ],
)
def test_one_next_step_or_none(state, facts, step):
    defaults = {"has_contract": False, "to_sign": False, "voucher_usable": False, "papers_missing": 0}
    assert progress.next_step(state, **(defaults | facts)) == step
