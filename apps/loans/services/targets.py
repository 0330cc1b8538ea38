"""What of a loan belongs in the books on a day: running totals per event, component and party. Pure.

Rules and a worked example: docs/rules/posting-rules.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from apps.common.money import ZERO, round_money
from apps.loans.domain.earnings import incomes_of
from apps.loans.domain.shares import share_of
from apps.loans.domain.state import LoanState, LoanStatus, RowStatus
from apps.loans.domain.terms import COMPONENTS, Component
from apps.loans.domain.transactions import Kind

Key = tuple[str, str, str]
OWN_REF: Final = ""
_BOOKED_BEFORE: Final = frozenset({"disbursement", "accrual", "penalty", "fee", "repayment", "provision"})
MONEY_IN: Final = frozenset({Kind.REPAYMENT, Kind.PREPAYMENT, Kind.EARLY_SETTLEMENT, Kind.RECOVERY})


@dataclass(frozen=True, slots=True)
class Treatment:
    """How the lender's books treat a loan. `own_refs` are the names under which the lender itself appears among the funders.

    `is_suspended`: its interest is income as far as it is collected only (non-accrual).

    `opening` is what of a loan taken over had been booked elsewhere before (`opening_of`).
    """

    own_refs: frozenset[str]
    interest_vat_rate: Decimal
    fee_vat_rate: Decimal
    is_suspended: bool
    provision_rate: Decimal
    opening: Mapping[Key, Decimal] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Flows:
    """Running totals of the whole loan in yuan, all parties together.

    `adjusted` is what adjustments made of the principal; those of the rest are in it. `paid` has chargebacks taken off; `paid_before` is
    what was paid before the write-off, all of `paid` for a loan that was not written off.
    """

    disbursed: Decimal
    adjusted: Decimal
    interest: Decimal
    penalty: Decimal
    compound: Decimal
    fee: Decimal
    paid: Mapping[Component, Decimal]
    paid_before: Mapping[Component, Decimal]
    waived: Mapping[Component, Decimal]
    credit: Decimal
    refunded: Decimal
    overdue_principal: Decimal
    is_written_off: bool

    @property
    def earned(self) -> Iterable[tuple[str, Component, Decimal]]:
        """Event, component and running total of everything the borrower is charged."""
        yield "accrual", Component.INTEREST, self.interest
        yield "penalty", Component.PENALTY, self.penalty
        yield "penalty", Component.COMPOUND, self.compound
        yield "fee", Component.FEE, self.fee


def flows_of(state: LoanState) -> Flows:
    """The running totals of a replay. Raises `ArithmeticError` when money that came is neither allocated, credit nor refunded."""
    standing = [told.transaction for told in state.transactions if told.reversed_by is None]
    received = _sum(item.amount for item in standing if item.kind in MONEY_IN)
    received -= _sum(item.amount for item in standing if item.kind is Kind.CHARGEBACK)
    refunded = _sum(item.amount for item in standing if item.kind is Kind.REFUND)
    moved = _moved(state)
    if received != _sum(moved.paid.values()) + state.credit + refunded:
        raise ArithmeticError(
            f"received {received}, but {_sum(moved.paid.values())} allocated, {state.credit} in credit and {refunded} refunded"
        )
    cancelled = state.status is LoanStatus.CANCELLED
    # Interest that becomes principal is booked as what it is: lent once more, and the interest paid with it.
    moved.paid[Component.INTEREST] += state.capitalised
    return Flows(
        disbursed=moved.disbursed + state.capitalised,
        adjusted=moved.adjusted,
        interest=state.interest_accrued_to(state.as_of),
        penalty=state.penalty_accrued_to(state.as_of),
        compound=state.compound_accrued_to(state.as_of),
        fee=ZERO if cancelled else moved.fee,
        paid=moved.paid,
        paid_before=moved.paid if moved.paid_before is None else moved.paid_before,
        waived=moved.waived,
        credit=state.credit,
        refunded=refunded,
        overdue_principal=_sum(row.owed[Component.PRINCIPAL] for row in state.rows if row.status is RowStatus.OVERDUE),
        is_written_off=moved.paid_before is not None,
    )


@dataclass(slots=True)
class _Moved:
    """What the allocations of a replay, in their order, say of where money went."""

    disbursed: Decimal = ZERO
    adjusted: Decimal = ZERO
    fee: Decimal = ZERO
    paid: dict[Component, Decimal] = field(default_factory=lambda: dict.fromkeys(COMPONENTS, ZERO))
    waived: dict[Component, Decimal] = field(default_factory=lambda: dict.fromkeys(COMPONENTS, ZERO))
    paid_before: dict[Component, Decimal] | None = None


def _moved(state: LoanState) -> _Moved:
    kinds = {told.transaction.id: told.transaction.kind for told in state.transactions}
    moved = _Moved()
    for part in state.allocations:
        kind, component = kinds.get(part.transaction_id), part.component
        if kind in (Kind.DISBURSEMENT, Kind.CAPITALISED_INCOME):
            moved.disbursed += part.amount
        elif kind is Kind.FEE:
            moved.fee += part.amount
        elif kind is Kind.WAIVER:
            moved.waived[component] += part.amount
        elif kind is Kind.WRITE_OFF:
            moved.paid_before = moved.paid_before or dict(moved.paid)
        elif kind is Kind.ADJUSTMENT:
            moved.adjusted += part.amount if component is Component.PRINCIPAL else ZERO
            moved.fee += part.amount if component is Component.FEE else ZERO
        elif kind in MONEY_IN or kind is Kind.CHARGEBACK:
            moved.paid[component] += part.amount
            if component is Component.FEE and part.installment_no is None:
                moved.fee += part.amount  # a prepayment's fee is charged and paid in one
    return moved


def targets_of(state: LoanState, treatment: Treatment, holder: str = OWN_REF) -> dict[Key, Decimal]:
    """(event, component, party_ref) → the running total in yuan that belongs in the books on `state.as_of`; zeros are left out.

    With a `holder` the lender's own share is that party's from the first day on, as a partner's share is.
    """
    flows = flows_of(state)
    split = _Splitter(state, treatment, holder)
    suspended = flows.is_written_off or treatment.is_suspended
    answer: dict[Key, Decimal] = {}

    split.into(answer, "disbursement", Component.PRINCIPAL, flows.disbursed)
    split.into(answer, "adjustment", Component.PRINCIPAL, flows.adjusted, after=flows.disbursed)
    for component in COMPONENTS:
        split.into(answer, "repayment", component, flows.paid[component], after=flows.waived[component])
    answer["repayment", "credit", OWN_REF] = flows.credit + flows.refunded
    answer["refund", "credit", OWN_REF] = flows.refunded
    for event, component, earned in flows.earned:
        rate = treatment.fee_vat_rate if component is Component.FEE else treatment.interest_vat_rate
        _earn(answer, split, event, component, earned, flows.waived[component])
        if suspended and component is not Component.FEE:
            _suspend(answer, event, component)
        _part_with_tax(answer, (event, component.value, OWN_REF), rate)
        _part_with_tax(answer, ("waiver", component.value, OWN_REF), rate)
    written_off = _write_off(answer, split, flows) if flows.is_written_off else ZERO

    principal = ZERO
    if not flows.is_written_off:
        principal = split.own(flows.disbursed + flows.adjusted) - _own(answer, "repayment", Component.PRINCIPAL)
    if suspended:
        answer["reclassification", "non_accrual", OWN_REF] = principal
    else:
        answer["reclassification", "overdue", OWN_REF] = min(split.own(flows.overdue_principal), principal)
    answer["provision", "principal", OWN_REF] = round_money(principal * treatment.provision_rate) + written_off
    _in_advance(answer, state, treatment)
    if state.opened_on is not None:
        _take_over(answer, treatment.opening)
    return {key: amount for key, amount in answer.items() if amount}


def _in_advance(answer: dict[Key, Decimal], state: LoanState, treatment: Treatment) -> None:
    """Income in advance, the lender's alone: what came of it, what is earned of it with its tax, what goes back to its payer."""
    for income in incomes_of(state):
        name = "subsidy" if income.kind is Kind.BUY_DOWN else "fee"
        for event, amount in (("deferred", income.amount), ("deferred_earned", income.earned), ("deferred_returned", income.returned)):
            key = (event, name, OWN_REF)
            answer[key] = answer.get(key, ZERO) + amount
    for name, rate in (("fee", treatment.fee_vat_rate), ("subsidy", treatment.interest_vat_rate)):
        if ("deferred_earned", name, OWN_REF) in answer:
            _part_with_tax(answer, ("deferred_earned", name, OWN_REF), rate)


def opening_of(targets: Mapping[Key, Decimal]) -> dict[Key, Decimal]:
    """What of these running totals the books of the former system hold when a loan is taken over with them."""
    return {key: amount for key, amount in targets.items() if key[0] in _BOOKED_BEFORE}


def _take_over(answer: dict[Key, Decimal], opening: Mapping[Key, Decimal]) -> None:
    """What was booked elsewhere comes in as balances, by an event of its own, and not again as income, money or cost."""
    for (event, component, party_ref), amount in opening.items():
        key = (event, component, party_ref)
        answer[key] = answer.get(key, ZERO) - amount
        name = "provision" if event == "provision" else component.removesuffix("_vat")
        balance = ("take_over", name, party_ref)
        sign = -1 if event == "repayment" and component != "credit" else 1
        answer[balance] = answer.get(balance, ZERO) + sign * amount


def _earn(answer: dict[Key, Decimal], split: _Splitter, event: str, component: Component, earned: Decimal, waived: Decimal) -> None:
    """What the borrower was charged. A waiver takes the lender's part back by an event of its own; a partner's is owed that much less."""
    split.into(answer, event, component, earned)
    for party_ref, part in split.parts(waived):
        if party_ref == OWN_REF:
            answer["waiver", component.value, OWN_REF] = answer.get(("waiver", component.value, OWN_REF), ZERO) + part
        else:
            answer[event, component.value, party_ref] -= part


def _suspend(answer: dict[Key, Decimal], event: str, component: Component) -> None:
    """Non-accrual: an income stands in the books only as far as it was collected (or waived, which takes it out again)."""
    key = (event, component.value, OWN_REF)
    settled = _own(answer, "repayment", component) + _own(answer, "waiver", component)
    answer["non_accrual", component.value, OWN_REF] = answer.get(key, ZERO) - settled
    answer[key] = settled


def _write_off(answer: dict[Key, Decimal], split: _Splitter, flows: Flows) -> Decimal:
    """Unpaid principal and fees leave the balance sheet against the provision; what is paid later comes back into it.

    Returns the claim lost so far: the impairment that it has cost.
    """
    lost = ZERO
    for component, charged in ((Component.PRINCIPAL, flows.disbursed + flows.adjusted), (Component.FEE, flows.fee)):
        waived = flows.waived[component]
        settled_before = split.own(flows.paid_before[component] + waived)
        written_off = split.own(charged) - settled_before
        recovered = split.own(flows.paid[component] + waived) - settled_before
        answer["write_off", component.value, OWN_REF] = written_off
        answer["recovery", component.value, OWN_REF] = recovered
        lost += written_off - recovered
    return lost


class _Splitter:
    """Splits running totals by the funders' shares; everything of the lender's own goes under `holder`."""

    def __init__(self, state: LoanState, treatment: Treatment, holder: str) -> None:
        self._funders = state.terms.funders
        self._own_refs = treatment.own_refs | {OWN_REF}
        self._holder = holder

    def into(self, answer: dict[Key, Decimal], event: str, component: Component, whole: Decimal, *, after: Decimal = ZERO) -> None:
        """Add each party's part of `whole`, counted on top of `after`: so that the parts of both together are shares, too."""
        for sign, total in ((1, after + whole), (-1, after)):
            for party_ref, part in self.parts(total):
                key = (event, component.value, party_ref)
                answer[key] = answer.get(key, ZERO) + sign * part

    def own(self, whole: Decimal) -> Decimal:
        return _sum(part for party_ref, part in self.parts(whole) if party_ref == OWN_REF)

    def parts(self, whole: Decimal) -> Iterable[tuple[str, Decimal]]:
        for party_ref, part in share_of(whole, self._funders).items():
            yield (self._holder if party_ref in self._own_refs else party_ref), part


def _sum(amounts: Iterable[Decimal | None]) -> Decimal:
    return sum((amount for amount in amounts if amount), start=ZERO)


def _own(answer: Mapping[Key, Decimal], event: str, component: Component) -> Decimal:
    return answer.get((event, component.value, OWN_REF), ZERO)


def _part_with_tax(answer: dict[Key, Decimal], key: Key, rate: Decimal) -> None:
    """Part an income that includes VAT into net and tax; together they are the gross to the 分."""
    gross = answer.get(key, ZERO)
    tax = round_money(gross * rate / (1 + rate))
    event, component, party_ref = key
    answer[key] = gross - tax
    answer[event, f"{component}_vat", party_ref] = tax
