"""What of a loan that is booked as a finance lease belongs in the books besides: the interest not earned yet. Pure."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from decimal import Decimal
from typing import Final

from apps.common.money import ZERO
from apps.loans.domain.shares import share_of
from apps.loans.domain.state import LoanState
from apps.loans.services.targets import OWN_REF, Key

UNEARNED: Final[Key] = ("unearned", "interest", OWN_REF)
_EARNED: Final[tuple[Key, ...]] = (("accrual", "interest", OWN_REF), ("accrual", "interest_vat", OWN_REF))
_SUSPENDED: Final[Key] = ("non_accrual", "interest", OWN_REF)


def with_unearned(targets: dict[Key, Decimal], state: LoanState, own_refs: Collection[str], *, is_over: bool) -> dict[Key, Decimal]:
    """The targets with the running total of 1531 against 1532: what was earned, and what the plan will still earn.

    A claim that left the lender's books (`is_over`: written off, or sold) holds what was earned only.
    """
    total = sum((targets.get(key, ZERO) for key in _EARNED), start=ZERO)
    if not is_over:
        whole, run = (_own(state, state.interest_accrued_to(day), own_refs) for day in (dt.date.max, state.as_of))
        total += targets.get(_SUSPENDED, ZERO) + whole - run
    return targets | {UNEARNED: total} if total else targets


def _own(state: LoanState, whole: Decimal, own_refs: Collection[str]) -> Decimal:
    """The lender's own share of an amount."""
    parts = share_of(whole, state.terms.funders).items()
    return sum((part for party_ref, part in parts if party_ref == OWN_REF or party_ref in own_refs), start=ZERO)
