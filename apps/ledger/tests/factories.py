"""Makers of test data for the books."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from uuid import UUID

from apps.common.actors import Actor
from apps.common.models import new_id
from apps.ledger import services
from apps.ledger.domain import Posting
from apps.organisations.models import LegalEntity

SYSTEM = Actor.system("tests")
NOW = dt.datetime(2025, 1, 10, 2, 0, tzinfo=dt.UTC)
DAY = dt.date(2025, 1, 10)


def an_entity(code: str = "") -> LegalEntity:
    """A legal entity with open books."""
    code = code or new_id().hex[-8:]
    entity = LegalEntity.objects.create(code=code, name=f"{code} 汽车金融有限公司", short_name=code)
    services.open_books(legal_entity_id=entity.id, actor=SYSTEM, now=NOW)
    return entity


def an_entry(
    entity: LegalEntity, *, amount: str = "100.00", day: dt.date = DAY, reference: str = "r1", subject: UUID | None = None
) -> UUID:
    """Money of the bank statement moved to clearing."""
    return services.post(
        legal_entity_id=entity.id,
        business_date=day,
        event="clearing_in",
        amounts=[Posting("money", Decimal(amount))],
        reference=reference,
        actor=SYSTEM,
        now=NOW,
    )
