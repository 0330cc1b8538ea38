"""What of a loan belongs in the books on a day: running totals per event, component and party. Pure.

Rules and a worked example: docs/rules/posting-rules.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from apps.common.money import ZERO, round_money
from apps.loans.domain.shares import share_of
from apps.loans.domain.state import LoanState, LoanStatus, RowStatus
from apps.loans.domain.terms import COMPONENTS, Component
from apps.loans.domain.transactions import Kind

Key = tuple[str, str, str]
OWN_REF: Final = ""
_MONEY_IN: Final = frozenset({Kind.REPAYMENT, Kind.PREPAYMENT, Kind.EARLY_SETTLEMENT})


@dataclass(frozen=True, slots=True)
class Treatment:
    """How the lender's books treat a loan. `own_refs` are the names under which the lender itself appears among the funders."""

    own_refs: frozenset[str]
    interest_vat_rate: Decimal
    fee_vat_rate: Decimal
    non_accrual_above_dpd: int
    provision_rate: Decimal


@dataclass(frozen=True, slots=True)
class Flows:
    """Running totals of the whole loan in yuan, all parties together."""

    disbursed: Decimal
    interest: Decimal
    penalty: Decimal
    compound: Decimal
    fee: Decimal
    paid: Mapping[Component, Decimal]
    credit: Decimal
    overdue_principal: Decimal


def flows_of(state: LoanState) -> Flows:
    """The running totals of a replay. Raises `ArithmeticError` when money paid is neither allocated nor credit."""
    fee, received, disbursed = ZERO, ZERO, ZERO
    paid = dict.fromkeys(COMPONENTS, ZERO)
    payments = set()
    for told in state.transactions:
        kind = told.transaction.kind
        if told.reversed_by is not None:
            continue
        if kind is Kind.DISBURSEMENT:
            disbursed += told.allocated[Component.PRINCIPAL]
        elif kind is Kind.FEE:
            fee += told.allocated[Component.FEE]
        elif kind in _MONEY_IN:
            payments.add(told.transaction.id)
            received += told.transaction.amount or ZERO
            for component in COMPONENTS:
                paid[component] += told.allocated[component]
    fee += sum(
        (
            part.amount
            for part in state.allocations
            if part.transaction_id in payments and part.component is Component.FEE and part.installment_no is None
        ),
        start=ZERO,
    )
    if received != sum(paid.values()) + state.credit:
        raise ArithmeticError(f"received {received}, but {sum(paid.values())} allocated and {state.credit} in credit")
    overdue = (row.owed[Component.PRINCIPAL] for row in state.rows if row.status is RowStatus.OVERDUE)
    return Flows(
        disbursed=disbursed,
        interest=state.interest_accrued_to(state.as_of),
        penalty=state.penalty_accrued_to(state.as_of),
        compound=state.compound_accrued_to(state.as_of),
        fee=fee,
        paid=paid,
        credit=state.credit,
        overdue_principal=sum(overdue, start=ZERO),
    )


def targets_of(state: LoanState, treatment: Treatment) -> dict[Key, Decimal]:
    """(event, component, party_ref) → the running total in yuan that belongs in the books on `state.as_of`; zeros are left out."""
    flows = flows_of(state)
    split = _Splitter(state, treatment)
    suspended = state.dpd > treatment.non_accrual_above_dpd
    cancelled = state.status is LoanStatus.CANCELLED
    answer: dict[Key, Decimal] = {}

    split.into(answer, "disbursement", Component.PRINCIPAL, flows.disbursed)
    for component in COMPONENTS:
        split.into(answer, "repayment", component, flows.paid[component])
    answer["repayment", "credit", OWN_REF] = flows.credit
    for event, component, earned in (
        ("accrual", Component.INTEREST, flows.interest),
        ("penalty", Component.PENALTY, flows.penalty),
        ("penalty", Component.COMPOUND, flows.compound),
    ):
        split.into(answer, event, component, earned)
        key = (event, component.value, OWN_REF)
        collected = answer.get(("repayment", component.value, OWN_REF), ZERO)
        if suspended:
            answer["non_accrual", component.value, OWN_REF] = answer.get(key, ZERO) - collected
            answer[key] = collected
        _part_with_tax(answer, key, treatment.interest_vat_rate)
    split.into(answer, "fee", Component.FEE, ZERO if cancelled else flows.fee)
    _part_with_tax(answer, ("fee", Component.FEE.value, OWN_REF), treatment.fee_vat_rate)

    principal = _own(answer, "disbursement", Component.PRINCIPAL) - _own(answer, "repayment", Component.PRINCIPAL)
    if suspended:
        answer["reclassification", "non_accrual", OWN_REF] = principal
    else:
        answer["reclassification", "overdue", OWN_REF] = min(split.own(flows.overdue_principal), principal)
    answer["provision", "principal", OWN_REF] = round_money(principal * treatment.provision_rate)
    return {key: amount for key, amount in answer.items() if amount}


class _Splitter:
    """Splits running totals by the funders' shares; everything of the lender's own goes under `OWN_REF`."""

    def __init__(self, state: LoanState, treatment: Treatment) -> None:
        self._funders = state.terms.funders
        self._own_refs = treatment.own_refs | {OWN_REF}

    def into(self, answer: dict[Key, Decimal], event: str, component: Component, whole: Decimal) -> None:
        for party_ref, part in self._parts(whole):
            key = (event, component.value, party_ref)
            answer[key] = answer.get(key, ZERO) + part

    def own(self, whole: Decimal) -> Decimal:
        return sum((part for party_ref, part in self._parts(whole) if party_ref == OWN_REF), start=ZERO)

    def _parts(self, whole: Decimal) -> Iterable[tuple[str, Decimal]]:
        for party_ref, part in share_of(whole, self._funders).items():
            yield (OWN_REF if party_ref in self._own_refs else party_ref), part


def _own(answer: Mapping[Key, Decimal], event: str, component: Component) -> Decimal:
    return answer.get((event, component.value, OWN_REF), ZERO)


def _part_with_tax(answer: dict[Key, Decimal], key: Key, rate: Decimal) -> None:
    """Part an income that includes VAT into net and tax; together they are the gross to the 分."""
    gross = answer.get(key, ZERO)
    tax = round_money(gross * rate / (1 + rate))
    event, component, party_ref = key
    answer[key] = gross - tax
    answer[event, f"{component}_vat", party_ref] = tax
