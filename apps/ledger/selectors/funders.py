"""The account of a funding party 资金方: what we hold for it, and what borrowers owe it through us. All amounts in yuan."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from django.db.models import Case, F, Q, QuerySet, Sum, When
from django.db.models.functions import Coalesce
from django.utils.translation import gettext_lazy as _

from apps.common.errors import BadInput
from apps.common.money import ZERO
from apps.ledger.models import Account, JournalLine

# Held for the party; its principal, and its interest, penalty and fees outstanding, both off balance.
FUNDER_ACCOUNTS: Final = ("224101", "9004", "9005")


@dataclass(frozen=True, slots=True)
class FunderAccount:
    """A party's part of an account in a period, above zero on the account's normal side: closing = opening + up − down."""

    code: str
    name: str
    opening: Decimal
    up: Decimal
    down: Decimal

    @property
    def closing(self) -> Decimal:
        """What stands there at the end."""
        return self.opening + self.up - self.down


@dataclass(frozen=True, slots=True)
class FunderMove:
    """What the entries of one event moved on a day; `balance` is what stands on the account after it."""

    day: dt.date
    code: str
    event: str
    up: Decimal
    down: Decimal
    balance: Decimal


def funder_refs(legal_entity_id: UUID) -> list[str]:
    """Parties that a lender's books name."""
    lines = JournalLine.objects.filter(account__legal_entity_id=legal_entity_id, account__code__in=FUNDER_ACCOUNTS).exclude(party_ref="")
    return list(lines.order_by("party_ref").values_list("party_ref", flat=True).distinct())


def funder_accounts(legal_entity_id: UUID, party_ref: str, start: dt.date, end: dt.date) -> list[FunderAccount]:
    """The party's accounts from the opening of `start` to the close of `end`, those that never moved too.

    Raises `BadInput` when the days are reversed.
    """
    if end < start:
        raise BadInput(fields={"end": [str(_("The last day is before the first."))]})
    before, within = Q(business_date__lt=start), Q(business_date__gte=start)
    sums = _lines(legal_entity_id, party_ref, end).order_by().values("account__code")
    sums = sums.annotate(
        opening=Coalesce(Sum(F("up") - F("down"), filter=before), ZERO),
        rise=Coalesce(Sum("up", filter=within), ZERO),
        fall=Coalesce(Sum("down", filter=within), ZERO),
    )
    standing = {row["account__code"]: (row["opening"], row["rise"], row["fall"]) for row in sums}
    accounts = Account.objects.filter(legal_entity_id=legal_entity_id, code__in=FUNDER_ACCOUNTS).order_by("code")
    return [FunderAccount(account.code, account.name, *standing.get(account.code, (ZERO, ZERO, ZERO))) for account in accounts]


def funder_moves(legal_entity_id: UUID, party_ref: str, start: dt.date, end: dt.date) -> list[FunderMove]:
    """What moved on the party's accounts, by account, day and event, with the balance after each."""
    standing = {account.code: account.opening for account in funder_accounts(legal_entity_id, party_ref, start, end)}
    lines = _lines(legal_entity_id, party_ref, end).filter(business_date__gte=start)
    rows = lines.values("account__code", "business_date", "entry__event").annotate(rise=Sum("up"), fall=Sum("down"))
    moves = []
    for row in rows.order_by("account__code", "business_date", "entry__event"):
        code = row["account__code"]
        standing[code] += row["rise"] - row["fall"]
        moves.append(FunderMove(row["business_date"], code, row["entry__event"], row["rise"], row["fall"], standing[code]))
    return moves


def _lines(legal_entity_id: UUID, party_ref: str, end: dt.date) -> QuerySet[Any]:
    """The party's lines up to a day, with what each adds to its account (`up`) and takes from it (`down`)."""
    on_credit = Q(account__side=Account.Side.CREDIT)
    lines = JournalLine.objects.filter(
        account__legal_entity_id=legal_entity_id, account__code__in=FUNDER_ACCOUNTS, party_ref=party_ref, business_date__lte=end
    )
    return lines.annotate(
        up=Case(When(on_credit, then=F("credit")), default=F("debit")), down=Case(When(on_credit, then=F("debit")), default=F("credit"))
    )
