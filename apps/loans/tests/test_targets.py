"""What belongs in the books follows from the replay: laws over random histories."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.common.money import ZERO
from apps.loans.domain.errors import BadTerms
from apps.loans.domain.replay import replay
from apps.loans.domain.terms import Component, Funder
from apps.loans.domain.transactions import Kind, PrepaymentMode, Transaction
from apps.loans.services.targets import Treatment, flows_of, targets_of
from apps.loans.tests.factories import START, TERMS

D = Decimal
TREATMENT = Treatment(
    own_refs=frozenset({"own"}),
    interest_vat_rate=D("0.06"),
    fee_vat_rate=D("0.06"),
    non_accrual_above_dpd=90,
    provision_rate=D("0.01"),
)
PAID_OUT = Transaction(id="d", kind=Kind.DISBURSEMENT, value_date=START, amount=D("120000.00"))
FUNDERS = st.sampled_from([(), (Funder("own", 3000), Funder("bank", 7000)), (Funder("bank", 3333), Funder("own", 3333), Funder("x", 3334))])


@st.composite
def histories(draw):
    """Repayments, prepayments and reversals in the first year."""
    made = [PAID_OUT]
    for number in range(draw(st.integers(0, 6))):
        made.append(
            Transaction(
                id=f"t{number}",
                kind=draw(st.sampled_from([Kind.REPAYMENT, Kind.PREPAYMENT])),
                value_date=START + dt.timedelta(days=draw(st.integers(0, 360))),
                amount=draw(st.decimals(min_value="0.01", max_value="30000", places=2)),
                mode=draw(st.sampled_from(list(PrepaymentMode))),
            )
        )
    for target in draw(st.sets(st.sampled_from([item.id for item in made]), max_size=2)):
        made.append(Transaction(id=f"r{target}", kind=Kind.REVERSAL, value_date=START, reverses=target))
    return made


def _sum(targets, event, *components, own=None):
    return sum(
        (amount for (name, part, ref), amount in targets.items()
         if name == event and part in components and (own is None or own == (ref == ""))),
        start=ZERO,
    )  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(histories(), FUNDERS, st.integers(0, 420))
def test_every_account_follows_from_the_loan(history, funders, days):
    terms = replace(TERMS, funders=funders)
    try:
        state = replay(terms, history, START + dt.timedelta(days=days))
    except BadTerms:
        return
    targets = targets_of(state, TREATMENT)
    flows = flows_of(state)

    principal = _sum(targets, "disbursement", "principal") - _sum(targets, "repayment", "principal")
    assert principal == state.outstanding[Component.PRINCIPAL]
    for event, component, due in (
        ("accrual", "interest", state.outstanding[Component.INTEREST] + state.accrued_interest),
        ("penalty", "penalty", state.outstanding[Component.PENALTY]),
    ):
        held = _sum(targets, event, component, f"{component}_vat") + _sum(targets, "non_accrual", component)
        assert held - _sum(targets, "repayment", component) == due
    received = sum((told.transaction.amount for told in state.transactions if told.transaction.kind in (Kind.REPAYMENT, Kind.PREPAYMENT)
                    and told.reversed_by is None), start=ZERO)  # fmt: skip
    assert _sum(targets, "repayment", *(part.value for part in Component), "credit") == received
    if state.dpd > 90:
        on_balance = _sum(targets, "accrual", "interest", "interest_vat", own=True) - _sum(targets, "repayment", "interest", own=True)
        assert on_balance == 0, "non-accrual interest stands off balance"
    assert all(amount for amount in targets.values())
    assert flows.interest == state.interest_accrued_to(state.as_of)


def test_net_and_tax_are_the_gross():
    state = replay(TERMS, [PAID_OUT], START + dt.timedelta(days=1))
    targets = targets_of(state, TREATMENT)
    assert targets["accrual", "interest", ""] == D("33.50")
    assert targets["accrual", "interest_vat", ""] == D("2.01")


def test_without_partners_everything_is_the_lender_s_own():
    state = replay(TERMS, [PAID_OUT], START + dt.timedelta(days=60))
    assert {ref for _event, _component, ref in targets_of(state, TREATMENT)} == {""}


def test_money_that_went_nowhere_is_an_error():
    state = replay(TERMS, [PAID_OUT], START + dt.timedelta(days=60))
    with pytest.raises(ArithmeticError):
        flows_of(replace(state, credit=D("1.00")))
