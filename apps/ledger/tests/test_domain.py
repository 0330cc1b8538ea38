"""Postings become lines: by rule, netted, balanced."""

from decimal import Decimal
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.ledger.domain import Leg, Posting, lines_of

CASH, LOANS, INTEREST, TAX, PARTNER, MEMO, CONTRA = (uuid4() for _ in range(7))
RULES = {
    ("principal", "own"): [Leg(CASH, LOANS)],
    ("interest", "own"): [Leg(CASH, INTEREST)],
    ("interest_vat", "own"): [Leg(CASH, TAX)],
    ("principal", "partner"): [Leg(CASH, PARTNER), Leg(CONTRA, MEMO)],
}


def _sides(lines):
    return {line.account: (line.debit, line.credit) for line in lines}


def test_a_repayment_takes_the_cash_once_and_pays_each_component():
    lines = lines_of([Posting("principal", Decimal("4141.08")), Posting("interest", Decimal("1455.78"))], RULES)
    assert _sides(lines) == {
        CASH: (Decimal("5596.86"), Decimal("0.00")),
        LOANS: (Decimal("0.00"), Decimal("4141.08")),
        INTEREST: (Decimal("0.00"), Decimal("1455.78")),
    }
    assert {line.account: line.component for line in lines} == {CASH: "", LOANS: "principal", INTEREST: "interest"}


def test_an_amount_below_zero_is_posted_the_other_way_round():
    assert _sides(lines_of([Posting("principal", Decimal("-1.00"))], RULES)) == {
        CASH: (Decimal("0.00"), Decimal("1.00")),
        LOANS: (Decimal("1.00"), Decimal("0.00")),
    }


def test_amounts_that_cancel_leave_no_line():
    lines = lines_of([Posting("principal", Decimal("5.00")), Posting("interest", Decimal("-5.00"))], RULES)
    assert CASH not in _sides(lines)
    assert len(lines) == 2


def test_partners_are_kept_apart_and_have_a_memo_beside_the_balance_sheet():
    postings = [Posting("principal", Decimal("3.00"), "partner", ref) for ref in ("bank-a", "bank-b")]
    lines = lines_of(postings, RULES)
    assert sorted((line.party_ref, line.account) for line in lines if line.account == PARTNER) == [("bank-a", PARTNER), ("bank-b", PARTNER)]
    assert len(lines) == 8


def test_a_component_without_a_rule_is_named():
    with pytest.raises(KeyError) as missing:
        lines_of([Posting("coupon", Decimal(1))], RULES)
    assert missing.value.args[0] == ("coupon", "own")


_AMOUNT = st.decimals(min_value=-10_000, max_value=10_000, places=2)
_POSTING = st.builds(
    lambda key, amount, ref: Posting(key[0], amount, key[1], ref), st.sampled_from(sorted(RULES)), _AMOUNT, st.sampled_from(["", "a"])
)


@given(st.lists(_POSTING, max_size=8))
def test_whatever_is_posted_debits_equal_credits(postings):
    lines = lines_of(postings, RULES)
    assert sum(line.debit for line in lines) == sum(line.credit for line in lines)
    assert all((line.debit > 0) != (line.credit > 0) for line in lines)
