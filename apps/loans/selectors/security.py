"""What stands behind a loan on a day, and how far its value covers the principal."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from django.db.models import F, OuterRef, Q, QuerySet, Subquery

from apps.common.money import ZERO, round_money
from apps.loans.domain.terms import Component
from apps.loans.models import Collateral, CollateralValue, LoanParty, Pledge
from apps.loans.selectors.loans import loan_of, state_of

COLLATERAL_KINDS: Final = tuple(Collateral.Kind.choices)
PARTY_ROLES: Final = tuple(LoanParty.Role.choices)


@dataclass(frozen=True, slots=True)
class SecuredBy:
    """A collateral of a loan: its value on the day in yuan, and the part of it that stands behind this loan."""

    number: str
    kind: str
    identifier: str
    value: Decimal
    part: Decimal


@dataclass(frozen=True, slots=True)
class Security:
    """What stands behind a loan on a day. `loan_to_value` is a fraction, principal / parts; None when nothing of value does."""

    on: dt.date
    principal: Decimal
    collateral: tuple[SecuredBy, ...]
    parties: tuple[LoanParty, ...]
    loan_to_value: Decimal | None


def security_of(loan_id: UUID, on: dt.date) -> Security:
    """What stands behind a loan. A collateral of several loans counts for each by its share of their principal.

    Raises `LoanUnknown`, `DayBeforeLoan`.
    """
    loan = loan_of(loan_id)
    principals = {loan.id: state_of(loan, on).outstanding[Component.PRINCIPAL]}
    secured = []
    for pledge in _pledges(on).filter(loan=loan).order_by("collateral__number"):
        owed = ZERO
        for other in _pledges(on).filter(collateral=pledge.collateral_id, loan__opened_on__lte=on):
            if other.loan_id not in principals:
                principals[other.loan_id] = state_of(other.loan, on).outstanding[Component.PRINCIPAL]
            owed += principals[other.loan_id]
        value: Decimal = pledge.value or ZERO
        part = round_money(value * principals[loan.id] / owed) if owed else ZERO
        found = pledge.collateral
        secured.append(SecuredBy(found.number, found.kind, found.identifier, value, part))
    behind = sum((item.part for item in secured), start=ZERO)
    parties = LoanParty.objects.filter(Q(ended_on__isnull=True) | Q(ended_on__gt=on), loan=loan, since__lte=on)
    return Security(
        on=on,
        principal=principals[loan.id],
        collateral=tuple(secured),
        parties=tuple(parties.order_by("role", "since", "id")),
        loan_to_value=(principals[loan.id] / behind).quantize(Decimal("0.0001")) if behind else None,
    )


def _pledges(on: dt.date) -> QuerySet[Any]:
    newest = CollateralValue.objects.filter(collateral=OuterRef("collateral"), valued_on__lte=on).order_by("-valued_on")
    standing: QuerySet[Any] = Pledge.objects.filter(Q(released_on__isnull=True) | Q(released_on__gt=on), pledged_on__lte=on)
    return standing.select_related("collateral", "loan").annotate(value=Subquery(newest.values("amount")[:1])).order_by(F("pledged_on"))
