"""When somebody may be contacted, and which papers a delivery needs."""

from __future__ import annotations

import datetime as dt

import pytest

from apps.postloan.domain import ContactFacts, grade_of, may_contact, papers_needed

TEN = dt.time(10, 0)


@pytest.mark.parametrize(
    ("facts", "rule"),
    [
        ({"local_time": dt.time(8, 0)}, ""),
        ({"local_time": dt.time(21, 59, 59)}, ""),
        ({"local_time": dt.time(22, 0)}, "quiet_hours"),
        ({"local_time": dt.time(7, 59, 59)}, "quiet_hours"),
        ({"local_time": dt.time(0, 0)}, "quiet_hours"),
        ({"local_time": dt.time(23, 0), "consented_hours": True}, ""),
        ({"local_time": TEN, "stopped": True}, "stopped"),
        ({"local_time": TEN, "effective_today": 2}, ""),
        ({"local_time": TEN, "effective_today": 3}, "effective_calls"),
        ({"local_time": TEN, "unanswered_today": 6}, "unanswered_dials"),
        ({"local_time": TEN, "third_party": True}, "third_party_not_yet"),
        ({"local_time": TEN, "third_party": True, "debtor_number_invalid": True}, ""),
        ({"local_time": TEN, "third_party": True, "debtor_tries": 3}, ""),
        ({"local_time": TEN, "third_party": True, "days_trying": 3}, ""),
        ({"local_time": TEN, "third_party": True, "debtor_tries": 3, "third_party_stopped": True}, "third_party_stopped"),
        ({"local_time": dt.time(23, 0), "third_party": True, "debtor_tries": 3}, "quiet_hours"),
    ],
)
def test_contact_is_allowed_only_by_rule(facts: dict[str, object], rule: str) -> None:
    answer = may_contact(ContactFacts(**facts))  # type: ignore[arg-type]
    assert (answer.allowed, answer.rule) == (rule == "", rule)


def test_a_leaseback_needs_its_mortgage_registered_and_a_direct_lease_does_not() -> None:
    direct, leaseback = ({paper.kind for paper in papers_needed(kind)} for kind in ("direct", "leaseback"))
    assert "registration_certificate" in direct & leaseback
    assert leaseback - direct == {"mortgage_registration"}
    assert papers_needed("") == ()


@pytest.mark.parametrize(
    ("days", "grade"), [(1, "message"), (2, "message"), (3, "voice"), (5, "staff"), (59, "staff"), (60, "outsourcing"), (90, "litigation")]
)
def test_the_strategy_follows_the_days_past_due(days: int, grade: str) -> None:
    assert grade_of(days) == grade
