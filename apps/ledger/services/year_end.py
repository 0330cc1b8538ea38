"""The end of a year: the result goes to equity 结转本年利润."""

from __future__ import annotations

import datetime as dt
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from apps.common.actors import Actor
from apps.common.errors import BadInput, Conflict
from apps.common.money import ZERO
from apps.ledger import selectors
from apps.ledger.domain import RESULT_ACCOUNT, RESULT_TRANSFER, Line
from apps.ledger.models import Account, JournalEntry
from apps.ledger.services.days import hold_day
from apps.ledger.services.posting import post_lines

_RESULT_KINDS = (Account.Kind.INCOME, Account.Kind.EXPENSE)


class YearRunning(Conflict):
    """The year has not ended in the books."""

    code = "year_running"
    title = _("The year has not ended in the books: its last day is not closed yet.")


@transaction.atomic
def transfer_result(*, legal_entity_id: UUID, year: int, actor: Actor, now: dt.datetime) -> UUID:
    """Move the income and expenses of a closed year to account 4103, on the first open day; returns the entry. Safe to repeat.

    Raises `YearRunning`, and `BadInput` when there is no result to transfer.
    """
    actor.require("ledger.adjust")
    if not dt.MINYEAR <= year <= dt.MAXYEAR:
        raise BadInput(fields={"year": [str(_("There is no such year."))]})
    last_day = dt.date(year, 12, 31)
    closed = selectors.closed_through(legal_entity_id)
    if closed is None or closed < last_day:
        raise YearRunning(year=year)
    day = hold_day(legal_entity_id, not_before=last_day)
    earlier = JournalEntry.objects.filter(legal_entity_id=legal_entity_id, event=RESULT_TRANSFER, reference=str(year)).first()
    if earlier is not None:
        return earlier.id
    return post_lines(
        legal_entity_id=legal_entity_id,
        business_date=day,
        event=RESULT_TRANSFER,
        lines=_lines(legal_entity_id, last_day),
        reference=str(year),
        actor=actor,
        now=now,
    )


def _lines(legal_entity_id: UUID, last_day: dt.date) -> list[Line]:
    standing = selectors.balances(legal_entity_id, as_of=last_day)
    accounts = {account.id: account for account in Account.objects.filter(legal_entity_id=legal_entity_id)}
    moved = {account: -net for account, net in standing.items() if net and accounts[account].kind in _RESULT_KINDS}
    if not moved:
        raise BadInput(_("There is no result to transfer."))
    equity = next(account.id for account in accounts.values() if account.code == RESULT_ACCOUNT)
    moved[equity] = -sum(moved.values(), start=ZERO)
    return [Line(account, max(net, ZERO), max(-net, ZERO), "", None, "result") for account, net in moved.items() if net]
