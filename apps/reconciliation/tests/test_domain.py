"""Payments against statement lines: what is matched, what is a difference."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from apps.reconciliation.domain import BankEntry, OurPayment, match, totals_of

NOON = dt.datetime(2026, 11, 2, 4, tzinfo=dt.UTC)
DAY = dt.timedelta(hours=24)


def ours(order_no: str, amount: str = "10.00", *, state: str = "succeeded", hours: int = 0, bank_ref: str = "") -> OurPayment:
    return OurPayment("debit", order_no, "in", Decimal(amount), state, NOON + dt.timedelta(hours=hours), bank_ref)


def theirs(serial: str, order_no: str = "", amount: str = "10.00", *, direction: str = "in", hours: int = 0) -> BankEntry:
    return BankEntry(serial, order_no, direction, Decimal(amount), NOON + dt.timedelta(hours=hours))


def results(payments: list[OurPayment], entries: list[BankEntry]) -> list[tuple[str, str, str]]:
    return sorted(
        (pair.result, pair.ours.order_no if pair.ours else "", pair.theirs.serial if pair.theirs else "")
        for pair in match(payments, entries, window=DAY)
    )


def test_a_line_finds_its_payment_by_our_number_or_by_the_banks() -> None:
    assert results([ours("R1"), ours("R2", bank_ref="s2")], [theirs("s1", "R1"), theirs("s2")]) == [
        ("matched", "R1", "s1"),
        ("matched", "R2", "s2"),
    ]


def test_every_kind_of_difference_is_told_apart() -> None:
    payments = [ours("R1"), ours("R2"), ours("R3", state="failed"), ours("R4")]
    entries = [theirs("s1", "R1", "10.01"), theirs("s3", "R3"), theirs("s4", "R4"), theirs("s5", "R4"), theirs("s6", "X9")]
    assert results(payments, entries) == [
        ("amount_differs", "R1", "s1"),
        ("duplicate", "R4", "s5"),
        ("long", "", "s6"),
        ("matched", "R4", "s4"),
        ("short", "R2", ""),
        ("state_differs", "R3", "s3"),
    ]


def test_a_payment_whose_money_has_not_moved_is_not_missed() -> None:
    assert results([ours("R1", state="processing")], []) == []


def test_a_line_in_the_wrong_direction_differs() -> None:
    assert results([ours("R1")], [theirs("s1", "R1", direction="out")]) == [("amount_differs", "R1", "s1")]


def test_lines_without_number_take_the_nearest_payment_of_their_amount_within_the_window() -> None:
    payments = [ours("R1", hours=1), ours("R2", hours=9), ours("R3", "11.00")]
    entries = [theirs("s1", hours=8), theirs("s2", amount="11.00", hours=30)]
    assert results(payments, entries) == [("long", "", "s2"), ("matched", "R2", "s1"), ("short", "R1", ""), ("short", "R3", "")]


def test_a_line_that_names_another_number_is_never_guessed_at() -> None:
    assert results([ours("R1")], [theirs("s1", "R9")]) == [("long", "", "s1"), ("short", "R1", "")]


def test_the_totals_of_a_statement() -> None:
    totals = totals_of([theirs("s1", amount="10.10"), theirs("s2", amount="0.90"), theirs("s3", amount="7.00", direction="out")])
    assert (totals.total_in, totals.total_out) == (Decimal("11.00"), Decimal("7.00"))


_amounts = st.sampled_from(["10.00", "11.00"])
_payments = st.lists(
    st.builds(
        lambda number, amount, state, hours: ours(f"R{number}", amount, state=state, hours=hours),
        st.integers(0, 30),
        _amounts,
        st.sampled_from(["succeeded", "failed", "unknown"]),
        st.integers(-30, 30),
    ),
    unique_by=lambda one: one.order_no,
    max_size=15,
)
_entries = st.lists(
    st.builds(
        lambda serial, number, amount, hours: theirs(f"s{serial}", f"R{number}" if number is not None else "", amount, hours=hours),
        st.integers(0, 60),
        st.none() | st.integers(0, 30),
        _amounts,
        st.integers(-30, 30),
    ),
    unique_by=lambda one: one.serial,
    max_size=15,
)


@given(_payments, _entries)
def test_every_line_and_every_moved_payment_comes_out_once(payments: list[OurPayment], entries: list[BankEntry]) -> None:
    pairs = match(payments, entries, window=DAY)
    assert Counter(pair.theirs.serial for pair in pairs if pair.theirs) == Counter(entry.serial for entry in entries)
    seen = Counter(pair.ours.order_no for pair in pairs if pair.ours and pair.result != "duplicate")
    assert max(seen.values(), default=1) == 1
    assert {one.order_no for one in payments if one.state == "succeeded"} <= set(seen)
    for pair in pairs:
        if pair.result == "matched":
            assert pair.ours
            assert pair.theirs
            assert (pair.ours.amount, pair.ours.direction) == (pair.theirs.amount, pair.theirs.direction)
