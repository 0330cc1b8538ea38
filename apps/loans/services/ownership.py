"""What belongs in the books of a loan whose own share was sold, and perhaps bought back. Pure. Rules: docs/rules/ownership.md.

While an external owner holds the share, what the borrower is charged and pays is that owner's, by the rules of a partner's share. A
sale and a buy-back are events of their own, worked out from the loan as it stood on their value date.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

from apps.common.money import ZERO, round_money
from apps.loans.domain.state import LoanState
from apps.loans.domain.terms import COMPONENTS, Component
from apps.loans.domain.transactions import Kind, Transaction
from apps.loans.services.targets import OWN_REF, Key, Treatment, targets_of

_HELD: Final = "\x00held"
# Running totals that are balances: what stands of them now says it all.
_BALANCES: Final = frozenset({"non_accrual", "reclassification"})
_CHARGED_BY: Final = {
    Component.PRINCIPAL: "disbursement",
    Component.INTEREST: "accrual",
    Component.PENALTY: "penalty",
    Component.COMPOUND: "penalty",
    Component.FEE: "fee",
}


@dataclass(frozen=True, slots=True)
class Standing:
    """A loan on a day, and how the books treat it then."""

    state: LoanState
    treatment: Treatment

    @property
    def collected(self) -> Decimal:
        """All that came in for the holder of the own share; interest that became principal is no money."""
        targets = targets_of(replace(self.state, capitalised=ZERO), self.treatment, _HELD)
        return sum((targets.get(("repayment", component.value, _HELD), ZERO) for component in COMPONENTS), start=ZERO)

    def targets(self, holder: str) -> Mapping[Key, Decimal]:
        """What would belong in the books if `holder` had held the own share from the first day on."""
        return targets_of(self.state, self.treatment, holder)


@dataclass(frozen=True, slots=True)
class Transfer:
    """A change of owner that took effect, and the loan at the end of its value date: the line between two owners."""

    transaction: Transaction
    at: Standing

    @property
    def to(self) -> str:
        """The new owner; empty for the lender itself."""
        return self.transaction.owner_ref or OWN_REF


def transfers_in(state: LoanState) -> list[Transaction]:
    """The changes of owner that stand and took effect, in their order."""
    return [
        told.transaction
        for told in state.transactions
        if told.transaction.kind is Kind.OWNER_TRANSFER and told.reversed_by is None and told.remark is None
    ]


def owned_targets(now: Standing, transfers: Sequence[Transfer]) -> dict[Key, Decimal]:
    """`targets_of` for a loan that changed hands: each owner's running totals move while it holds the share, and by no more."""
    answer: dict[Key, Decimal] = {}
    holder, since, rate = OWN_REF, None, ZERO
    for transfer in transfers:
        _held(answer, holder, since, transfer.at, rate)
        _hand_over(answer, holder, transfer)
        holder, since, rate = transfer.to, transfer.at, transfer.transaction.service_rate or ZERO
    _held(answer, holder, since, now, rate)
    answer = {key: amount for key, amount in answer.items() if key[0] not in _BALANCES}
    answer |= {key: amount for key, amount in now.targets(holder).items() if key[0] in _BALANCES}
    return {key: amount for key, amount in answer.items() if amount}


def claim_of(at: Standing) -> dict[str, Decimal]:
    """What of the own share stands on the balance sheet, by component, and the provision against it, in yuan."""
    targets = at.targets(OWN_REF)
    claim = {component.value: _on_balance(targets, component) for component in COMPONENTS}
    return claim | {"provision": _provided(targets)}


def _held(answer: dict[Key, Decimal], holder: str, since: Standing | None, until: Standing, service_rate: Decimal) -> None:
    """What the running totals of a holder moved by between two days; a provision begins anew with a share bought back."""
    _add(answer, until.targets(holder).items())
    if since is None:
        return
    before = since.targets(holder)
    _add(answer, ((key, -amount) for key, amount in before.items()))
    if holder == OWN_REF:
        _add(answer, [(("provision", "principal", OWN_REF), _provided(before))])
    elif service_rate:
        _add(answer, _service_fee(holder, service_rate, since, until))


def _hand_over(answer: dict[Key, Decimal], seller: str, transfer: Transfer) -> None:
    """The claim leaves the seller and comes to the buyer; the lender's own at a price, with what it gains or loses by it."""
    buyer, price = transfer.to, transfer.transaction.amount or ZERO
    held = transfer.at.targets(_HELD)
    if seller == OWN_REF:
        _add(answer, _at_a_price("sale", buyer, price, claim_of(transfer.at)))
    elif buyer == OWN_REF:
        _add(answer, _at_a_price("buy_back", seller, price, claim_of(transfer.at) | {"provision": ZERO}))
    for component in COMPONENTS:
        claim = _off_balance(held, component)
        if seller != OWN_REF:
            _add(answer, [(("buy_back", component.value, seller), claim)])
        if buyer != OWN_REF:
            _add(answer, [(("sale", component.value, buyer), claim)])


def _at_a_price(event: str, other: str, price: Decimal, claim: Mapping[str, Decimal]) -> Iterator[tuple[Key, Decimal]]:
    """Claim and provision, the price, and what it lies above the claim: the seller's gain, the buyer's cost."""
    for part, amount in claim.items():
        yield (event, part, OWN_REF), amount
    worth = sum((claim[component.value] for component in COMPONENTS), start=ZERO) - claim["provision"]
    yield (event, "price", other), price
    yield (event, "difference", OWN_REF), price - worth


def _service_fee(holder: str, rate: Decimal, since: Standing, until: Standing) -> Iterator[tuple[Key, Decimal]]:
    """What the lender earns for collecting on behalf of an owner: a rate of all that came in for that owner, VAT included."""
    gross, vat_rate = round_money((until.collected - since.collected) * rate), until.treatment.fee_vat_rate
    tax = round_money(gross * vat_rate / (1 + vat_rate))
    yield ("service_fee", "fee", holder), gross - tax
    yield ("service_fee", "fee_vat", holder), tax


def _add(answer: dict[Key, Decimal], moves: Iterable[tuple[Key, Decimal]]) -> None:
    for key, amount in moves:
        answer[key] = answer.get(key, ZERO) + amount


def _on_balance(targets: Mapping[Key, Decimal], component: Component) -> Decimal:
    """The lender's claim in 1303, 1132 or 1221."""
    name, charged_by = component.value, _CHARGED_BY[component]
    claim = ZERO
    for sign, event, part in (
        (1, charged_by, name),
        (1, charged_by, f"{name}_vat"),
        (1, "take_over", name),
        (1, "adjustment", name),
        (1, "recovery", name),
        (-1, "repayment", name),
        (-1, "waiver", name),
        (-1, "waiver", f"{name}_vat"),
        (-1, "write_off", name),
    ):
        claim += sign * targets.get((event, part, OWN_REF), ZERO)
    return claim


def _off_balance(held: Mapping[Key, Decimal], component: Component) -> Decimal:
    """The holder's claim in 9004 or 9005."""
    name = component.value
    charged = held.get((_CHARGED_BY[component], name, _HELD), ZERO) + held.get(("adjustment", name, _HELD), ZERO)
    return charged - held.get(("repayment", name, _HELD), ZERO)


def _provided(targets: Mapping[Key, Decimal]) -> Decimal:
    """The provision 1304 for the own share."""
    written_off = sum((targets.get(("write_off", part, OWN_REF), ZERO) for part in ("principal", "fee")), start=ZERO)
    recovered = sum((targets.get(("recovery", part, OWN_REF), ZERO) for part in ("principal", "fee")), start=ZERO)
    stands = targets.get(("provision", "principal", OWN_REF), ZERO) + targets.get(("take_over", "provision", OWN_REF), ZERO)
    return stands - written_off + recovered
