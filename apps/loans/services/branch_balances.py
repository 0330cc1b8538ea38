"""The books of a legal entity by the branches of its loans: docs/rules/branches.md, docs/decisions/0021-branches-through-loans.md."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final
from uuid import UUID

from django.db import connection
from django.db.models import Count

from apps.common.money import ZERO
from apps.ledger import selectors as ledger
from apps.ledger.domain import Posting
from apps.loans.models import Loan
from apps.loans.services.booking import CLOSE_EVENTS, DAY_EVENTS, posting_of
from apps.loans.services.sums import summed_by_branch
from apps.organisations import selectors as organisations

_RUNNING_TOTALS: Final = """
    SELECT loan.branch_id, a.event, a.component, a.party_ref, loan.is_lease, sum(a.booked)
      FROM loans_loanamount a JOIN loans_loan loan ON loan.id = a.loan_id
     WHERE loan.legal_entity_id = %(entity)s AND a.booked <> 0 GROUP BY 1, 2, 3, 4, 5
"""
# Entries about a loan that its running totals do not hold: cash, clearing, deposits, what was entered by hand for it.
_OTHER_LINES: Final = """
    SELECT loan.branch_id, line.account_id, sum(line.debit - line.credit)
      FROM ledger_journalentry entry
      JOIN ledger_journalline line ON line.entry_id = entry.id
      JOIN loans_loan loan ON loan.id = line.subject_ref
     WHERE entry.legal_entity_id = %(entity)s AND entry.event <> ALL(%(events)s) GROUP BY 1, 2
"""

Moved = dict[UUID, Decimal]


@dataclass(frozen=True, slots=True)
class BranchColumn:
    """A branch with how many loans belong to it; an empty code stands for the loans that belong to none."""

    id: UUID | None
    code: str
    name: str
    loans: int


@dataclass(frozen=True, slots=True)
class BranchRow:
    """An account, debit − credit in yuan: of each branch, of entries about no loan (`rest`), and of the books."""

    code: str
    name: str
    branches: Sequence[Decimal]
    rest: Decimal
    total: Decimal


@dataclass(frozen=True, slots=True)
class BranchBalances:
    """The books as they stand on the business date by the branch that each loan belongs to then; each row adds up to its total."""

    as_of: dt.date
    columns: Sequence[BranchColumn]
    rows: Sequence[BranchRow]


def balances_by_branch(legal_entity_id: UUID) -> BranchBalances:
    """Balances of every account by branch, whichever day a loan came to it. What is posted while it is asked for may stand in `rest`."""
    today = organisations.business_date(legal_entity_id)
    counts = dict(Loan.objects.filter(legal_entity_id=legal_entity_id).order_by().values_list("branch_id").annotate(n=Count("id")))
    known = [(branch.id, branch.code, branch.name) for branch in organisations.branches(legal_entity_id)]
    wanted: list[tuple[UUID | None, str, str]] = [*known, *([(None, "", "")] if counts.get(None) else [])]
    moved = _moved(legal_entity_id, today)
    standing = ledger.balances(legal_entity_id, as_of=dt.date.max)
    rows = []
    for account in ledger.chart(legal_entity_id):
        total = standing.get(account.id, ZERO)
        parts = [moved[branch].get(account.id, ZERO) for branch, _code, _name in wanted]
        if total or any(parts):
            rows.append(BranchRow(account.code, account.name, parts, total - sum(parts, start=ZERO), total))
    return BranchBalances(today, [BranchColumn(*branch, counts.get(branch[0], 0)) for branch in wanted], rows)


def _moved(entity: UUID, today: dt.date) -> dict[UUID | None, Moved]:
    """Branch → account → debit − credit: running totals by the posting rules, and lines of other entries as they are."""
    with connection.cursor() as cursor:
        cursor.execute(_RUNNING_TOTALS, {"entity": entity})
        totals = [*cursor.fetchall(), *summed_by_branch(entity)]
        events = {*CLOSE_EVENTS, *DAY_EVENTS, *(row[1] for row in totals)}
        cursor.execute(_OTHER_LINES, {"entity": entity, "events": sorted(events)})
        others = cursor.fetchall()
    asked: dict[UUID | None, list[tuple[str, Posting]]] = defaultdict(list)
    for branch, event, component, party_ref, is_lease, amount in totals:
        asked[branch].append((event, posting_of(component, amount, party_ref, None, is_lease=is_lease)))
    moved: dict[UUID | None, Moved] = defaultdict(dict)
    for branch, amounts in asked.items():
        _add(moved[branch], ledger.moved_by_rules(entity, amounts, today).items())
    for branch, account, net in others:
        _add(moved[branch], [(account, net)])
    return moved


def _add(standing: Moved, amounts: Iterable[tuple[UUID, Decimal]]) -> None:
    for account, net in amounts:
        standing[account] = standing.get(account, ZERO) + net
