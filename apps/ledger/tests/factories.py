"""Makers of test data for the books."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from uuid import UUID

from django.db import connection

from apps.common.actors import Actor
from apps.common.models import new_id
from apps.ledger import services
from apps.ledger.domain import Posting
from apps.ledger.models import Account
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


def put(
    entity: LegalEntity,
    *lines: tuple[str, str, str],
    total: str = "1.00",
    day: dt.date = DAY,
    header_day: dt.date | None = None,
    accounts: dict[str, UUID] | None = None,
) -> UUID:
    """Write an entry past the services, in one statement; lines: account code, debit, credit; `accounts` other than those of `entity`."""
    accounts = accounts or dict(Account.objects.filter(legal_entity=entity).values_list("code", "id"))
    entry = new_id()
    columns: list[object] = [[accounts[code] for code, _left, _right in lines]]
    columns += [[line[side] for line in lines] for side in (1, 2)]
    with connection.cursor() as cursor:
        cursor.execute(
            """WITH head AS (
                 INSERT INTO ledger_journalentry (id, legal_entity_id, business_date, event, reference, narrative, total, actor)
                 VALUES (%s, %s, %s, 'test', %s, '', %s, 'x')
               ) INSERT INTO ledger_journalline (entry_id, business_date, account_id, debit, credit, party_ref, component)
                 SELECT %s, %s, account, debit, credit, '', ''
                   FROM unnest(%s::uuid[], %s::numeric[], %s::numeric[]) AS l(account, debit, credit)
            """,
            [entry, entity.id, header_day or day, str(entry), total, entry, day, *columns],
        )
    return entry
