"""External owners of sold loans: what each holds, what is owed to each, and its statement. Rules: docs/rules/ownership.md."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from typing import Final
from uuid import UUID

from django.utils.translation import gettext_lazy as _

from apps.common.errors import NotFound
from apps.common.money import ZERO
from apps.ledger import selectors as ledger
from apps.loans.models import Loan, LoanAmount
from apps.loans.selectors.periods import MAX_DAYS, PeriodReversed, PeriodTooLong

PAYABLE: Final = "224101"
_PRINCIPAL: Final = {"disbursement": 1, "take_over": 1, "adjustment": 1, "sale": 1, "repayment": -1, "buy_back": -1}


class OwnerUnknown(NotFound):
    """No loan was ever sold to an owner of this name."""

    code = "loan_owner_unknown"
    title = _("No loan was sold to an owner of this name.")


@dataclass(frozen=True, slots=True)
class OwnerStanding:
    """An owner's loans and claims, and what the lender owes it (below zero: the owner owes), in yuan."""

    owner: str
    loans: int
    principal: Decimal
    interest: Decimal
    owed: Decimal


@dataclass(frozen=True, slots=True)
class OwnerFlow:
    """What one entry added to what is owed to the owner; `owed` stands after it."""

    on: dt.date
    event: str
    loan: str
    reference: str
    amount: Decimal
    owed: Decimal


@dataclass(frozen=True, slots=True)
class OwnerStatement:
    """All that moved between the lender and an owner in a period: closing = opening + flows, to the 分 what 224101 says of it."""

    owner: str
    first: dt.date
    last: dt.date
    opening: Decimal
    flows: tuple[OwnerFlow, ...]
    totals: dict[str, Decimal]
    closing: Decimal


def owners_of(legal_entity_id: UUID) -> list[OwnerStanding]:
    """Every owner to whom a lender ever sold a loan, by name."""
    principal, interest, owed = (ledger.by_party(code, legal_entity_id) for code in ("9004", "9005", PAYABLE))
    held = _loans_held(legal_entity_id)
    return [
        OwnerStanding(owner, held.get(owner, 0), principal.get(owner, ZERO), interest.get(owner, ZERO), owed.get(owner, ZERO))
        for owner in sorted(_names(legal_entity_id))
    ]


def owed_to(legal_entity_id: UUID, owner: str) -> Decimal:
    """What a lender owes an owner, in yuan. Raises `OwnerUnknown`."""
    if owner not in _names(legal_entity_id):
        raise OwnerUnknown(owner=owner)
    return ledger.by_party(PAYABLE, legal_entity_id).get(owner, ZERO)


def owner_statement(legal_entity_id: UUID, owner: str, first: dt.date, last: dt.date) -> OwnerStatement:
    """The flows of an owner from the opening of `first` to the close of `last`.

    Raises `OwnerUnknown`, `PeriodReversed`, `PeriodTooLong`.
    """
    if last < first:
        raise PeriodReversed(first=first, last=last)
    if (last - first).days >= MAX_DAYS:
        raise PeriodTooLong(first=first, last=last, days=MAX_DAYS)
    if owner not in _names(legal_entity_id):
        raise OwnerUnknown(owner=owner)
    standing = opening = ledger.by_party(PAYABLE, legal_entity_id, as_of=first - dt.timedelta(days=1)).get(owner, ZERO)
    moves = ledger.party_moves(PAYABLE, legal_entity_id, owner, first, last)
    numbers = dict(Loan.objects.filter(id__in={move.subject_ref for move in moves if move.subject_ref}).values_list("id", "number"))
    flows: list[OwnerFlow] = []
    totals: dict[str, Decimal] = {}
    for move in moves:
        standing += move.amount
        totals[move.event] = totals.get(move.event, ZERO) + move.amount
        number = numbers.get(move.subject_ref, "") if move.subject_ref else ""
        flows.append(OwnerFlow(move.on, move.event, number, move.reference, move.amount, standing))
    return OwnerStatement(owner, first, last, opening, tuple(flows), totals, standing)


def _names(legal_entity_id: UUID) -> set[str]:
    sold = LoanAmount.objects.filter(loan__legal_entity=legal_entity_id, event="sale").exclude(party_ref="")
    return set(sold.values_list("party_ref", flat=True).distinct())


def _loans_held(legal_entity_id: UUID) -> dict[str, int]:
    """How many loans each owner has principal in now."""
    rows = LoanAmount.objects.filter(loan__legal_entity=legal_entity_id, component="principal", event__in=_PRINCIPAL).exclude(party_ref="")
    claims: dict[tuple[str, UUID], Decimal] = {}
    for owner, loan, event, booked in rows.values_list("party_ref", "loan_id", "event", "booked"):
        claims[owner, loan] = claims.get((owner, loan), ZERO) + _PRINCIPAL[event] * booked
    held: dict[str, int] = {}
    for (owner, _loan), claim in claims.items():
        held[owner] = held.get(owner, 0) + (claim > ZERO)
    return held
