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
from apps.loans.domain.state import LoanStatus
from apps.loans.domain.terms import COMPONENTS, Component, Funder
from apps.loans.domain.transactions import Kind, PrepaymentMode, Transaction
from apps.loans.services.targets import Treatment, _part_with_tax, flows_of, targets_of
from apps.loans.tests.factories import START, TERMS

D = Decimal
TREATMENT = Treatment(
    own_refs=frozenset({"own"}),
    interest_vat_rate=D("0.06"),
    fee_vat_rate=D("0.06"),
    is_suspended=False,
    provision_rate=D("0.01"),
)
PAID_OUT = Transaction(id="d", kind=Kind.DISBURSEMENT, value_date=START, amount=D("120000.00"))
FUNDERS = st.sampled_from([(), (Funder("own", 3000), Funder("bank", 7000)), (Funder("bank", 3333), Funder("own", 3333), Funder("x", 3334))])


SOME = st.decimals(min_value="0.01", max_value="30000", places=2)
DETAILS = {
    Kind.REPAYMENT: st.fixed_dictionaries({"amount": SOME}),
    Kind.PREPAYMENT: st.fixed_dictionaries({"amount": SOME, "mode": st.sampled_from(list(PrepaymentMode))}),
    Kind.EARLY_SETTLEMENT: st.fixed_dictionaries({"amount": st.decimals(min_value="100000", max_value="140000", places=2)}),
    Kind.FEE: st.fixed_dictionaries({"amount": st.decimals(min_value="0.01", max_value="500", places=2)}),
    Kind.WAIVER: st.fixed_dictionaries({"amount": st.decimals(min_value="0.01", max_value="900", places=2)}),
    Kind.REFUND: st.fixed_dictionaries({"amount": SOME}),
    Kind.RATE_RESET: st.fixed_dictionaries({"annual_rate": st.decimals(min_value="0.01", max_value="0.2", places=4)}),
    Kind.TERM_CHANGE: st.fixed_dictionaries({"installments": st.integers(12, 36)}),
    Kind.WRITE_OFF: st.just({}),
    Kind.TERMINATION: st.just({}),
    Kind.DUE_DAY_CHANGE: st.fixed_dictionaries({"due_day": st.integers(1, 31)}),
    Kind.RE_AMORTISE: st.just({}),
    Kind.RE_AGE: st.fixed_dictionaries({"installments": st.integers(20, 36)}),
    Kind.CHARGEBACK: st.fixed_dictionaries({"amount": SOME}),
    Kind.ADJUSTMENT: st.fixed_dictionaries(
        {"components": st.dictionaries(st.sampled_from(COMPONENTS), st.one_of(SOME, SOME.map(lambda amount: -amount)), min_size=1)}
    ),
    Kind.RECOVERY: st.fixed_dictionaries({"amount": SOME}),
}


@st.composite
def histories(draw):
    """Everything that happens to loans, in the first year; one in five of it reversed."""
    made = [PAID_OUT]
    for number in range(draw(st.integers(0, 8))):
        kind = draw(st.sampled_from(list(DETAILS)))
        when = START + dt.timedelta(days=draw(st.integers(0, 360)))
        made.append(Transaction(id=f"t{number}", kind=kind, value_date=when, **draw(DETAILS[kind])))
    for target in draw(st.sets(st.sampled_from([item.id for item in made]), max_size=2)):
        made.append(Transaction(id=f"r{target}", kind=Kind.REVERSAL, value_date=START, reverses=target))
    return made


def _sum(targets, event, *components, own=None):
    return sum(
        (amount for (name, part, ref), amount in targets.items()
         if name == event and part in components and (own is None or own == (ref == ""))),
        start=ZERO,
    )  # fmt: skip


def _brought(state, *kinds):
    standing = (told.transaction for told in state.transactions if told.reversed_by is None)
    return sum((item.amount for item in standing if item.kind in kinds), start=ZERO)


@settings(max_examples=2000, deadline=None)
@given(histories(), FUNDERS, st.integers(0, 420))
def test_every_account_follows_from_the_loan(history, funders, days):
    terms = replace(TERMS, funders=funders, compound=days % 2 == 0, prepay_fee_rate=D("0.03") if days % 3 else D(0))
    try:
        state = replay(terms, history, START + dt.timedelta(days=days))
    except BadTerms:
        return
    targets = targets_of(state, replace(TREATMENT, is_suspended=state.dpd > 90))
    flows = flows_of(state)

    principal = _sum(targets, "disbursement", "principal") + _sum(targets, "adjustment", "principal")
    principal -= _sum(targets, "repayment", "principal")
    assert principal == state.outstanding[Component.PRINCIPAL]
    for event, component, due in (
        ("accrual", "interest", state.outstanding[Component.INTEREST] + state.accrued_interest),
        ("penalty", "penalty", state.outstanding[Component.PENALTY]),
        ("penalty", "compound", state.outstanding[Component.COMPOUND]),
        ("fee", "fee", state.outstanding[Component.FEE]),
    ):
        held = _sum(targets, event, component, f"{component}_vat") + _sum(targets, "non_accrual", component)
        forgiven = _sum(targets, "waiver", component, f"{component}_vat")
        if state.status is not LoanStatus.CANCELLED:
            assert held - forgiven - _sum(targets, "repayment", component) == due
    received = _brought(state, Kind.REPAYMENT, Kind.PREPAYMENT, Kind.EARLY_SETTLEMENT, Kind.RECOVERY)
    received -= _brought(state, Kind.CHARGEBACK)
    assert _sum(targets, "repayment", *(part.value for part in Component), "credit") == received
    assert _sum(targets, "repayment", "credit") - _sum(targets, "refund", "credit") == state.credit
    if state.dpd > 90 or flows.is_written_off:
        assert _receivable(targets, "accrual", "interest") == 0, "non-accrual interest stands off balance"
    assert all(amount for amount in targets.values())
    assert flows.interest == state.interest_accrued_to(state.as_of)
    _check_write_off(targets, flows)


def _receivable(targets, event, component):
    """What stands on balance of the lender's share of an income."""
    earned = _sum(targets, event, component, f"{component}_vat", own=True) - _sum(targets, "waiver", component, f"{component}_vat")
    return earned - _sum(targets, "repayment", component, own=True)


def _check_write_off(targets, flows):
    """A loan written off has nothing left on the balance sheet, and has cost what was lost and did not come back."""
    lost = _sum(targets, "write_off", "principal", "fee") - _sum(targets, "recovery", "principal", "fee")
    if not flows.is_written_off:
        assert lost == 0
        return
    own = _sum(targets, "disbursement", "principal", own=True) + _sum(targets, "adjustment", "principal", own=True)
    own -= _sum(targets, "repayment", "principal", own=True)
    assert own == _sum(targets, "write_off", "principal") - _sum(targets, "recovery", "principal"), "principal on balance"
    assert _receivable(targets, "fee", "fee") == _sum(targets, "write_off", "fee") - _sum(targets, "recovery", "fee"), "fees on balance"
    assert _sum(targets, "provision", "principal") == lost
    assert _sum(targets, "reclassification", "overdue", "non_accrual") == 0


@settings(max_examples=2000, deadline=None)
@given(histories(), st.sampled_from([(Funder("own", 3000), Funder("bank", 7000)), (Funder("bank", 3333), Funder("own", 6667))]))
def test_a_settled_loan_leaves_no_cent_anywhere(history, funders):
    terms = replace(TERMS, funders=funders)
    day = START + dt.timedelta(days=400)
    try:
        before = replay(terms, history, day)
    except BadTerms:
        return
    amount = before.payoff.total
    targets = targets_of(
        replay(terms, [*history, Transaction(id="z", kind=Kind.EARLY_SETTLEMENT, value_date=day, amount=amount)], day), TREATMENT
    )
    for event, component in (("accrual", "interest"), ("penalty", "penalty")):
        assert _receivable(targets, event, component) == 0
        partner = _sum(targets, event, component, own=False) - _sum(targets, "repayment", component, own=False)
        assert partner == 0
    assert _sum(targets, "non_accrual", "interest", "penalty") == 0
    assert _sum(targets, "provision", "principal") == _sum(targets, "write_off", "principal", "fee") - _sum(
        targets, "recovery", "principal", "fee"
    )


@settings(max_examples=2000, deadline=None)
@given(st.decimals(min_value="-500000000", max_value="500000000", places=2), st.integers(0, 30))
def test_net_and_tax_are_any_gross(gross, percent):
    rate, answer = D(percent) / 100, {("accrual", "interest", ""): gross}
    _part_with_tax(answer, ("accrual", "interest", ""), rate)
    net, tax = answer["accrual", "interest", ""], answer["accrual", "interest_vat", ""]
    assert net + tax == gross
    assert abs(tax * (1 + rate) - gross * rate) <= D("0.005") * (1 + rate), "the tax is right to the 分"


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
