"""Bank hours, routing, positions, the checks before paying, the debit plan, and what is done with a bank's word."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.common.clock import BEIJING
from apps.disbursement.domain import (
    BankHours,
    DebitPlan,
    FunderFacts,
    PaymentFacts,
    Position,
    choose_funder,
    failed_checks,
    payment_checks,
    result_verdict,
    transfer_window,
)

HOURS = BankHours(dt.time(8, 30), dt.time(17, 15), Decimal("1000000.00"))
LARGE, SMALL = Decimal("1000000.01"), Decimal("1000000.00")


def at(day: int, hour: int, minute: int = 0) -> dt.datetime:
    return dt.datetime(2026, 11, day, hour, minute, tzinfo=BEIJING)  # 2 November 2026 is a Monday


def weekday(day: dt.date) -> bool:
    return day.weekday() < 5


@pytest.mark.parametrize("moment", [at(1, 3), at(2, 12), at(7, 23, 59), at(2, 8, 29)])
def test_an_instant_amount_goes_at_any_hour_of_any_day(moment: dt.datetime) -> None:
    window = transfer_window(SMALL, at=moment, hours=HOURS, is_working_day=weekday)
    assert (window.rail, window.open, window.opens_at) == ("instant", True, moment)


@pytest.mark.parametrize(
    ("moment", "opens_at"),
    [
        (at(2, 8, 30), at(2, 8, 30)),
        (at(2, 17, 14), at(2, 17, 14)),
        (at(2, 8, 29), at(2, 8, 30)),
        (at(2, 17, 15), at(3, 8, 30)),
        (at(6, 18), at(9, 8, 30)),
        (at(7, 12), at(9, 8, 30)),
    ],
)
def test_a_large_amount_waits_for_working_hours(moment: dt.datetime, opens_at: dt.datetime) -> None:
    window = transfer_window(LARGE, at=moment, hours=HOURS, is_working_day=weekday)
    assert (window.rail, window.opens_at, window.open) == ("large", opens_at, moment == opens_at)


def test_a_calendar_without_working_days_is_refused() -> None:
    with pytest.raises(ValueError, match="no working day"):
        transfer_window(LARGE, at=at(2, 20), hours=HOURS, is_working_day=lambda day: False)


def test_a_position_says_what_is_left_and_when_to_warn() -> None:
    position = Position(topped_up=Decimal("1000.00"), reserved=Decimal("300.00"), paid=Decimal("500.00"))
    assert position.available == Decimal("200.00")
    assert position.used_share == Decimal("0.8")
    assert position.covers(Decimal("200.00"))
    assert not position.covers(Decimal("200.01"))
    assert not position.runs_low(Decimal("0.9"))
    assert Position(Decimal(0), Decimal(0), Decimal(0)).runs_low(Decimal("0.9"))


def funder(number: int, **facts: object) -> FunderFacts:
    rich = Position(Decimal("1000000.00"), Decimal(0), Decimal(0))
    return FunderFacts(**({"id": UUID(int=number), "code": f"F{number}", "active": True, "position": rich} | facts))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"active": False}, "suspended"),
        ({"products": frozenset({"other"})}, "does not fund this product"),
        ({"min_amount": Decimal(500)}, "amount below its minimum"),
        ({"max_amount": Decimal(50)}, "amount above its maximum"),
        ({"day_quota": Decimal(500), "used_today": Decimal(450)}, "day quota used up"),
        ({"position": Position(Decimal(99), Decimal(0), Decimal(0))}, "position short"),
    ],
)
def test_a_funder_that_does_not_fit_is_named_with_its_reason(facts: dict[str, object], reason: str) -> None:
    route = choose_funder(Decimal(100), "car", [funder(1, **facts)])
    assert route.funder_id is None
    assert route.explanation == (("F1", reason),)


def test_routing_prefers_quota_then_cost_then_success_then_weight() -> None:
    used = funder(1, day_quota=Decimal(1000), used_today=Decimal(800))
    dear, cheap = funder(2, cost_rate=Decimal("0.04")), funder(3, cost_rate=Decimal("0.03"))
    assert choose_funder(Decimal(100), "car", [used, dear, cheap]).funder_id == cheap.id
    shaky, sound = funder(4, success_rate=Decimal("0.8")), funder(5)
    assert choose_funder(Decimal(100), "car", [shaky, sound]).funder_id == sound.id
    light, heavy = funder(6, weight=1), funder(7, weight=2)
    assert choose_funder(Decimal(100), "car", [light, heavy]).funder_id == heavy.id


def test_a_funder_that_declined_is_passed_over() -> None:
    first, second = funder(1), funder(2)
    route = choose_funder(Decimal(100), "car", [first, second], refused=frozenset({first.id}))
    assert route.funder_id == second.id
    assert ("F1", "declined this payment") in route.explanation


SIGNED_AT = at(2, 10)
GOOD = PaymentFacts(
    amount=Decimal("100000.00"),
    contract_signed=True,
    contract_valid=True,
    contract_amount=Decimal("100000.00"),
    signed_at=SIGNED_AT,
    liveness_fresh=False,
    card_valid=True,
    may_borrow=True,
    payee_complete=True,
    at=SIGNED_AT + dt.timedelta(days=7),
)


def test_a_payment_with_everything_in_order_passes() -> None:
    assert failed_checks(payment_checks(GOOD, signed_within=dt.timedelta(days=7))) == []


@pytest.mark.parametrize(
    ("change", "check"),
    [
        ({"contract_signed": False}, "contract_signed"),
        ({"contract_valid": False}, "contract_valid"),
        ({"contract_amount": Decimal("100000.01")}, "amount_agrees"),
        ({"at": SIGNED_AT + dt.timedelta(days=7, seconds=1)}, "person_seen"),
        ({"signed_at": None}, "person_seen"),
        ({"card_valid": False}, "card_valid"),
        ({"may_borrow": False}, "may_borrow"),
        ({"payee_complete": False}, "payee_complete"),
    ],
)
def test_each_check_stops_the_payment(change: dict[str, object], check: str) -> None:
    from dataclasses import replace

    assert failed_checks(payment_checks(replace(GOOD, **change), signed_within=dt.timedelta(days=7))) == [check]


def test_fresh_liveness_stands_in_for_a_recent_signing() -> None:
    from dataclasses import replace

    facts = replace(GOOD, at=SIGNED_AT + dt.timedelta(days=30), liveness_fresh=True)
    assert failed_checks(payment_checks(facts, signed_within=dt.timedelta(days=7))) == []


PLAN = DebitPlan(retry_days=(1, 3, 5), then_every=7)
DUE = dt.date(2026, 11, 2)


def test_the_debit_plan_names_its_days() -> None:
    assert [day for day in range(-2, 21) if PLAN.debits_on(day)] == [0, 1, 3, 5, 12, 19]


@given(after=st.integers(min_value=-5, max_value=400))
def test_the_next_debit_is_the_first_planned_day_that_is_later(after: int) -> None:
    day = PLAN.next_debit(DUE, DUE + dt.timedelta(days=after))
    offset = (day - DUE).days
    assert offset > after
    assert PLAN.debits_on(offset)
    assert not any(PLAN.debits_on(between) for between in range(max(after + 1, 0), offset))


def test_a_plan_with_impossible_days_is_refused() -> None:
    with pytest.raises(ValueError, match="above zero"):
        DebitPlan(retry_days=(0,))


TEN = Decimal("10.00")


@pytest.mark.parametrize(
    ("state", "outcome", "reported", "verdict"),
    [
        ("processing", "succeeded", TEN, "apply"),
        ("unknown", "succeeded", TEN, "apply"),
        ("submitted", "failed", None, "apply"),
        ("processing", "processing", None, "progress"),
        ("succeeded", "processing", None, "progress"),
        ("succeeded", "succeeded", TEN, "duplicate"),
        ("refunded", "succeeded", TEN, "duplicate"),
        ("failed", "failed", TEN, "duplicate"),
        ("cancelled", "failed", None, "duplicate"),
        ("processing", "succeeded", Decimal("10.01"), "wrong_amount"),
        ("processing", "succeeded", None, "wrong_amount"),
        ("succeeded", "succeeded", Decimal("10.01"), "wrong_amount"),
        ("failed", "succeeded", TEN, "contradiction"),
        ("succeeded", "failed", TEN, "contradiction"),
        ("cancelled", "succeeded", TEN, "contradiction"),
        ("created", "succeeded", TEN, "contradiction"),
    ],
)
def test_a_banks_word_is_applied_once_or_only_seen(state: str, outcome: str, reported: Decimal | None, verdict: str) -> None:
    assert result_verdict(state=state, outcome=outcome, ordered=TEN, reported=reported) == verdict
