"""Co-lending: how each cash flow splits by the funders' shares. Rules: docs/rules/co-lending-split.md."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from apps.common.money import ZERO, allocate
from apps.loans.domain.terms import Component, Funder


def split_flow(before: Decimal, amount: Decimal, funders: Sequence[Funder]) -> dict[str, Decimal]:
    """Each party's part of a flow of `amount`, given all earlier flows of the same component: party_ref → yuan.

    Running totals are split, and a flow's part is the difference of two: so parts add up to the flow to the 分, and
    a party that lent 30 % of the principal gets back exactly that, however many roundings lie between. A part can
    thus differ by a 分 or so from its share of this one flow. Without funders the lender's own "" holds it all.
    """
    if not funders:
        return {"": amount}
    parts = [funder.parts for funder in funders]
    already, now = allocate(before, parts), allocate(before + amount, parts)
    return {funder.party_ref: later - earlier for funder, earlier, later in zip(funders, already, now, strict=True)}


def split_components(
    before: Mapping[Component, Decimal], amounts: Mapping[Component, Decimal], funders: Sequence[Funder]
) -> dict[str, dict[Component, Decimal]]:
    """`split_flow` for every component of a flow: party_ref → {component: yuan}."""
    answer: dict[str, dict[Component, Decimal]] = {}
    for component, amount in amounts.items():
        for party_ref, part in split_flow(before.get(component, ZERO), amount, funders).items():
            answer.setdefault(party_ref, {})[component] = part
    return answer


def share_of(amount: Decimal, funders: Sequence[Funder]) -> dict[str, Decimal]:
    """A balance or a first flow split by share; the residual goes to the lead party, the first of the funders."""
    return split_flow(ZERO, amount, funders)
