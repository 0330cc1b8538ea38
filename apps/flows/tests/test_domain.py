"""What a flow's definition may say, and where its outcomes lead."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.flows import domain
from apps.flows.services.versions import DEFINITIONS
from apps.flows.tests.factories import approval, work
from apps.organisations.domain import ROLES

PERMISSIONS = frozenset({"applications.review", "disbursement.review"})


def definition(*activities) -> domain.Definition:
    parsed, errors = domain.parse({"activities": list(activities)})
    assert errors == []
    return parsed


def errors_of(*activities) -> str:
    return " ".join(domain.check(definition(*activities), permissions=PERMISSIONS))


@pytest.mark.parametrize("path", sorted(DEFINITIONS.glob("*.json")), ids=lambda path: path.stem)
def test_shipped_definitions_are_valid(path):
    parsed, errors = domain.parse(json.loads(path.read_text(encoding="utf-8")))
    assert errors == []
    assert domain.check(parsed, permissions=frozenset().union(*ROLES.values())) == []


@pytest.mark.parametrize(
    "document", [None, [], {}, {"activities": []}, {"activities": [{}]}, {"activities": ["x"]}, {"activities": [{"key": "a"}]}]
)
def test_a_document_of_another_shape_is_refused(document):
    assert domain.parse(document)[1]


def test_an_unknown_field_is_refused():
    assert "colour" in domain.parse({"activities": [approval("a", colour="red")]})[1][0]


@pytest.mark.parametrize(
    ("activity", "said"),
    [
        (approval("Not a key"), "lower-case"),
        (approval("a", kind="party"), "kind"),
        (approval("a", permission="moon.walk"), "No role"),
        (approval("a", permission=""), "need a permission"),
        (approval("a", on={"approve": "next"}), "reject"),
        (approval("a", on={"approve": "next", "reject": "nowhere"}), "nowhere"),
        (approval("a", on={"approve": "next", "reject": "wait"}), "wait"),
        (approval("a", on={"approve": "next", "reject": "end", "timeout": "end"}), "without a time"),
        (approval("a", sla_minutes=0), "minutes"),
        (approval("a", when="amount >"), "cannot be read"),
        (work("a", on={}), "done"),
    ],
)
def test_errors_are_named(activity, said):
    assert said in errors_of(activity)


def test_a_key_used_twice_is_refused():
    assert "twice" in errors_of(approval("a"), approval("a"))


def test_a_flow_that_turns_in_circles_for_ever_is_refused():
    circle = approval("a", on={"approve": "b", "reject": "b"})
    assert "no path leads from here to the end" in errors_of(circle, approval("b", on={"approve": "a", "reject": "a"}))


def test_a_return_is_no_circle():
    assert errors_of(work("a"), approval("b", on={"approve": "next", "reject": "end", "return": "a"})) == ""


def test_an_activity_nobody_reaches_is_refused():
    assert "no path leads here" in errors_of(approval("a", on={"approve": "end", "reject": "end"}), approval("b"))


class TestSteps:
    flow = definition(
        work("screening"),
        approval("review", when="amount > 100000", on={"approve": "next", "reject": "end", "return": "screening"}),
        approval("second"),
    )

    def after(self, key, outcome, **facts):
        activity = domain.step_after(self.flow, facts, key=key, outcome=outcome)
        return activity.key if activity else None

    def test_the_first_activity_is_entered_first(self):
        assert domain.step_after(self.flow, {}).key == "screening"

    def test_an_activity_whose_condition_does_not_hold_is_passed_over(self):
        assert self.after("screening", "done", amount=5) == "second"
        assert self.after("screening", "done", amount=500_000) == "review"

    @pytest.mark.parametrize("facts", [{}, {"amount": "much"}, {"amount": None}])
    def test_a_condition_that_cannot_be_evaluated_enters_the_activity(self, facts):
        assert self.after("screening", "done", **facts) == "review"

    def test_outcomes_lead_to_the_end_back_or_on(self):
        assert self.after("review", "reject") is None
        assert self.after("review", "return") == "screening"
        assert self.after("review", "approve") == "second"
        assert self.after("second", "approve") is None

    def test_an_unknown_outcome_leads_nowhere(self):
        with pytest.raises(KeyError):
            self.after("review", "shrug")


targets = st.sampled_from(["next", "end", "a", "b", "c"])
random_flows = st.lists(st.builds(lambda x, y: {"approve": x, "reject": y}, targets, targets), min_size=3, max_size=3)


@given(random_flows)
def test_from_every_activity_of_a_valid_flow_the_end_can_be_walked_to(outcomes):
    flow = definition(*(approval(key, on=on) for key, on in zip("abc", outcomes, strict=True)))
    if domain.check(flow, permissions=PERMISSIONS):
        return
    for start in "abc":
        seen, at = set(), {start}
        while at - seen:
            key = (at - seen).pop()
            seen.add(key)
            for outcome in ("approve", "reject"):
                following = domain.step_after(flow, {}, key=key, outcome=outcome)
                at.add(following.key if following else "END")
            if "END" in at:
                break
        assert "END" in at
