"""What stands and moves on an account per party: co-lenders, owners of sold loans."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from django.db.models import Sum

from apps.ledger.models import Account, JournalLine

_FOREVER = dt.date.max


@dataclass(frozen=True, slots=True)
class PartyMove:
    """What one entry moved on an account for a party, in yuan on the account's normal side."""

    on: dt.date
    event: str
    reference: str
    subject_ref: UUID | None
    amount: Decimal


def by_party(account_code: str, legal_entity_id: UUID, events: Collection[str] = (), as_of: dt.date | None = None) -> dict[str, Decimal]:
    """What stands on an account per party at the end of `as_of`, in yuan on its normal side; of entries of some events alone, if named."""
    account = Account.objects.filter(legal_entity_id=legal_entity_id, code=account_code).first()
    if account is None:
        return {}
    lines = JournalLine.objects.filter(account=account, business_date__lte=as_of or _FOREVER)
    if events:
        lines = lines.filter(entry__event__in=events)
    sign = -1 if account.side == Account.Side.CREDIT else 1
    rows = lines.order_by("party_ref").values_list("party_ref").annotate(net=Sum("debit") - Sum("credit"))
    return {party: sign * net for party, net in rows if net}


def party_moves(account_code: str, legal_entity_id: UUID, party_ref: str, first: dt.date, last: dt.date) -> list[PartyMove]:
    """Every move on an account for a party from `first` to `last`, in the order of the books."""
    account = Account.objects.filter(legal_entity_id=legal_entity_id, code=account_code).first()
    if account is None:
        return []
    sign = -1 if account.side == Account.Side.CREDIT else 1
    lines = JournalLine.objects.filter(account=account, party_ref=party_ref, business_date__range=(first, last))
    rows = lines.order_by("business_date", "id").values_list(
        "business_date", "entry__event", "entry__reference", "subject_ref", "debit", "credit"
    )
    return [PartyMove(on, event, reference, subject, sign * (debit - credit)) for on, event, reference, subject, debit, credit in rows]
