"""Words and sums of double entry: what is asked to be posted, and the lines that become of it.

The rules are in docs/rules/posting-rules.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from apps.common.money import ZERO

OWN: Final = "own"
PARTNER: Final = "partner"


@dataclass(frozen=True, slots=True)
class Posting:
    """One amount in yuan to be posted by the rules of its event; below zero it is posted the other way round.

    `party` is `own` or `partner`; `party_ref` names the partner, `subject_ref` what the amount is about (a loan); both opaque.
    """

    component: str
    amount: Decimal
    party: str = OWN
    party_ref: str = ""
    subject_ref: UUID | None = None


@dataclass(frozen=True, slots=True)
class Leg:
    """One debit and credit pair that a rule asks for; accounts by id."""

    debit: UUID
    credit: UUID


@dataclass(frozen=True, slots=True)
class Line:
    """One side of an entry: exactly one of `debit` and `credit` is above zero."""

    account: UUID
    debit: Decimal
    credit: Decimal
    party_ref: str
    subject_ref: UUID | None
    component: str


@dataclass(frozen=True, slots=True)
class Check:
    """One invariant with its figures; `first_offender` names the first row that breaks it."""

    name: str
    ok: bool
    figures: Mapping[str, Any] = field(default_factory=dict)
    first_offender: str = ""


def lines_of(postings: Iterable[Posting], rules: Mapping[tuple[str, str], Sequence[Leg]]) -> list[Line]:
    """The lines of an entry: each posting by its rules' legs, netted per account, party and subject.

    Debits equal credits by construction. Raises `KeyError` of (component, party) when no rule is there.
    """
    net: dict[tuple[UUID, str, UUID | None], Decimal] = {}
    components: dict[tuple[UUID, str, UUID | None], set[str]] = {}
    for posting in postings:
        for leg in rules[posting.component, posting.party]:
            for account, amount in ((leg.debit, posting.amount), (leg.credit, -posting.amount)):
                key = (account, posting.party_ref, posting.subject_ref)
                net[key] = net.get(key, ZERO) + amount
                components.setdefault(key, set()).add(posting.component)
    return [
        Line(
            account=account,
            debit=max(amount, ZERO),
            credit=max(-amount, ZERO),
            party_ref=party_ref,
            subject_ref=subject_ref,
            component=_only(components[account, party_ref, subject_ref]),
        )
        for (account, party_ref, subject_ref), amount in net.items()
        if amount
    ]


def _only(names: set[str]) -> str:
    """The component a line is about; several netted on one account have no common name."""
    return next(iter(names)) if len(names) == 1 else ""
