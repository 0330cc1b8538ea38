"""What the loan page shows beside the loan itself: what stands behind it, claims of those who paid for it, extra fields."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from apps.common.errors import NotFound
from apps.customers import selectors as customers
from apps.customers.domain import CustomerBrief
from apps.loans import selectors as loans
from apps.loans.selectors import Claim, Extra, LeaseView, SecuredBy, Security, Stay


@dataclass(frozen=True)
class Party:
    """Who answers for the loan beside its borrower."""

    row: Any
    customer: CustomerBrief | None


@dataclass(frozen=True)
class Beside:
    """Everything beside the loan on a day; `may_edit` opens the forms."""

    security: Security
    collateral: tuple[tuple[SecuredBy, str], ...]
    parties: tuple[Party, ...]
    claims: tuple[Claim, ...]
    extras: tuple[Extra, ...]
    kinds: tuple[tuple[str, Any], ...]
    roles: tuple[tuple[str, Any], ...]
    is_fraud: bool
    may_edit: bool
    lease: LeaseView | None
    branches: tuple[Stay, ...]


def loan_beside(loan: Any, user: Any, day: dt.date) -> Beside:
    """What stands beside a loan that was fetched within the person's scope."""
    security = loans.security_of(loan.id, day)
    return Beside(
        security=security,
        collateral=tuple((item, str(dict(loans.COLLATERAL_KINDS)[item.kind])) for item in security.collateral),
        parties=tuple(Party(row, _known(row.person_ref)) for row in security.parties),
        claims=loans.claims_of(loan, day),
        extras=loans.extras_of(loan),
        kinds=loans.COLLATERAL_KINDS,
        roles=loans.PARTY_ROLES,
        is_fraud=loan.state == "written_off" and loans.state_on(loan.id, day).is_fraud,
        may_edit=user.can("loans.adjust"),
        lease=loans.lease_view(loan, day),
        branches=loans.branches_of(loan),
    )


def _known(person_ref: UUID) -> CustomerBrief | None:
    """The person, when it is a customer."""
    try:
        return customers.brief(person_ref)
    except NotFound:
        return None
