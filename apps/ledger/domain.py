"""Words and sums of double entry: what is asked to be posted, and the lines that become of it.

The rules are in docs/rules/posting-rules.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any, Final, NamedTuple
from uuid import UUID

from apps.common.money import ZERO

OWN: Final = "own"
PARTNER: Final = "partner"
LEASE: Final = "lease"

# Entries whose accounts are given by people instead of rules.
MANUAL: Final = "manual_entry"
MANUAL_REVERSAL: Final = "manual_reversal"
INTERNAL_TRANSFER: Final = "internal_transfer"
RESULT_TRANSFER: Final = "result_transfer"
RESULT_ACCOUNT: Final = "4103"

# Accounts that a sub-ledger explains to the 分; people post to them through it, never by hand.
CONTROLLED: Final = (
    "1132",
    "1221",
    "1303",
    "1304",
    "1531",
    "1532",
    "224101",
    "224102",
    "224104",
    "2401",
    "9001",
    "9002",
    "9003",
    "9004",
    "9005",
)


@dataclass(frozen=True, slots=True)
class Posting:
    """One amount in yuan to be posted by the rules of its event; below zero it is posted the other way round.

    `party` is `own`, `partner`, or `lease` (own share of a finance lease: by rules of its own where there are some, else by those of
    `own`); `party_ref` names the partner, `subject_ref` what the amount is about (a loan); both opaque.
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


class Line(NamedTuple):
    """One side of an entry: exactly one of `debit` and `credit` is above zero. A tuple, for a batch makes a hundred thousand."""

    account: UUID
    debit: Decimal
    credit: Decimal
    party_ref: str
    subject_ref: UUID | None
    component: str


@dataclass(frozen=True, slots=True)
class Entry:
    """What is asked to be posted: amounts of an event on a day. `reference` names it once and for all among its event's entries."""

    business_date: date
    event: str
    amounts: Sequence[Posting]
    reference: str
    narrative: str = ""
    reverses: UUID | None = None


@dataclass(frozen=True, slots=True)
class HandLine:
    """A line of an entry that a person writes: the account by code, and one of debit and credit."""

    account: str
    debit: Decimal = ZERO
    credit: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class Check:
    """One invariant with its figures; `first_offender` names the first row that breaks it."""

    name: str
    ok: bool
    figures: Mapping[str, Any] = field(default_factory=dict)
    first_offender: str = ""


def legs_of(posting: Posting, rules: Mapping[tuple[str, str], Sequence[Leg]]) -> Sequence[Leg]:
    """The legs by which an amount is posted. Raises `KeyError` of (component, party) when no rule is there."""
    if posting.party == LEASE and (posting.component, LEASE) not in rules:
        return rules[posting.component, OWN]
    return rules[posting.component, posting.party]


def lines_of(postings: Iterable[Posting], rules: Mapping[tuple[str, str], Sequence[Leg]]) -> list[Line]:
    """The lines of an entry: each posting by its rules' legs, netted per account, party and subject.

    Debits equal credits by construction. Raises `KeyError` of (component, party) when no rule is there.
    """
    net: dict[tuple[UUID, str, UUID | None], list[Any]] = {}
    for posting in postings:
        component, party_ref, subject_ref = posting.component, posting.party_ref, posting.subject_ref
        for leg in legs_of(posting, rules):
            for account, amount in ((leg.debit, posting.amount), (leg.credit, -posting.amount)):
                held = net.get(key := (account, party_ref, subject_ref))
                if held is None:
                    net[key] = [amount, component]
                    continue
                held[0] += amount
                if held[1] != component:
                    held[1] = ""  # several netted on one account have no common name
    return [
        Line(account, amount if amount > 0 else ZERO, ZERO if amount > 0 else -amount, party_ref, subject_ref, component)
        for (account, party_ref, subject_ref), (amount, component) in net.items()
        if amount
    ]
