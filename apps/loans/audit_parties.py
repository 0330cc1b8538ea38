"""Checks that `audit_books` runs on what others have in loans, co-lenders and owners: each party's sub-ledger = general ledger."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Final
from uuid import UUID

from apps.common.money import ZERO
from apps.ledger import selectors as ledger
from apps.ledger.domain import Check
from apps.loans.domain.terms import COMPONENTS
from apps.loans.services.targets import Key

_CLAIMS: Final = tuple(component.value for component in COMPONENTS if component.value != "principal")
_PRINCIPAL: Final = ("principal",)
_Part = tuple[int, str, tuple[str, ...]]
# Account → what a party's running totals say it holds. Funders' own money stands on 224101, too: there only what loans posted is compared.
_BY_PARTY: Final[dict[str, tuple[str, tuple[_Part, ...]]]] = {
    "9004": (
        "principal",
        (
            *((1, event, _PRINCIPAL) for event in ("disbursement", "take_over", "adjustment", "sale")),
            *((-1, event, _PRINCIPAL) for event in ("repayment", "buy_back")),
        ),
    ),
    "9005": (
        "interest",
        (
            *((1, event, _CLAIMS) for event in ("accrual", "penalty", "fee", "take_over", "sale")),
            *((-1, event, _CLAIMS) for event in ("repayment", "buy_back")),
        ),
    ),
    "224101": (
        "money",
        (
            (1, "repayment", (*_PRINCIPAL, *_CLAIMS)),
            (-1, "disbursement", _PRINCIPAL),
            (-1, "sale", ("price",)),
            (1, "buy_back", ("price",)),
            (-1, "service_fee", ("fee", "fee_vat")),
        ),
    ),
}


def parties_are_general_ledger(entity: UUID, booked: Mapping[Key, Decimal]) -> Iterator[Check]:
    """One check for each account, naming the first party whose loans say something else than the books."""
    parties = sorted({party for _event, _component, party in booked if party})
    for code, (name, parts) in _BY_PARTY.items():
        events = sorted({event for _sign, event, _components in parts}) if name == "money" else ()
        books = ledger.by_party(code, entity, events)
        loans = {party: _held(booked, party, parts) for party in parties}
        yield _check(f"sub-ledger = general ledger: partners' {name}", code, loans, books)


def _held(booked: Mapping[Key, Decimal], party: str, parts: Iterable[_Part]) -> Decimal:
    return sum(
        (sign * booked.get((event, component, party), ZERO) for sign, event, components in parts for component in components), start=ZERO
    )


def _check(name: str, code: str, loans: Mapping[str, Decimal], books: Mapping[str, Decimal]) -> Check:
    wrong = [party for party in sorted({*loans, *books}) if loans.get(party, ZERO) != books.get(party, ZERO)]
    first = ""
    if wrong:
        sub, general = loans.get(wrong[0], ZERO), books.get(wrong[0], ZERO)
        first = f"account {code}, party {wrong[0] or 'nobody'}: loans {sub}, books {general}, difference {sub - general}"
    totals = {"loans": str(sum(loans.values(), start=ZERO)), "books": str(sum(books.values(), start=ZERO))}
    return Check(name, not wrong, {"account": code, **totals, "parties": len(loans)}, first)
