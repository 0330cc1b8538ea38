"""Statements by legal entity: turnovers 科目余额表, balance sheet 资产负债表, income statement 利润表, an account's ledger 明细账.

All amounts in yuan. They start from the checkpoints of closed days (`AccountDay`), so they cost the lines of open days only.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from django.db.models import Q, QuerySet, Sum
from django.utils.translation import gettext_lazy as _

from apps.common.errors import BadInput, NotFound
from apps.common.money import ZERO
from apps.ledger.domain import RESULT_TRANSFER
from apps.ledger.models import Account, AccountDay, JournalEntry, JournalLine, LedgerDay
from apps.ledger.selectors.balances import balances

HEAD: Final = 4  # digits of an account of the first level
PAGE_LINES: Final = 100
_RESULT_KINDS: Final = (Account.Kind.INCOME, Account.Kind.EXPENSE)
_DAY: Final = dt.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Turnover:
    """An account in a period; balances above zero stand on the debit side. `is_sum`: of the accounts below a head of 4 digits."""

    account_id: UUID | None
    code: str
    name: str
    kind: str
    side: str
    opening: Decimal
    debit: Decimal
    credit: Decimal
    is_sum: bool = False

    @property
    def closing(self) -> Decimal:
        """Balance at the end of the period, debit − credit."""
        return self.opening + self.debit - self.credit


@dataclass(frozen=True, slots=True)
class StatementLine:
    """An account of the first level on a statement, above zero on the statement's own side."""

    code: str
    name: str
    amount: Decimal


@dataclass(frozen=True, slots=True)
class BalanceSheet:
    """What is owned, owed and left at the end of a day. `result` is income − expenses not yet transferred to equity."""

    as_of: dt.date
    assets: Sequence[StatementLine]
    liabilities: Sequence[StatementLine]
    equity: Sequence[StatementLine]
    result: Decimal
    memos: Sequence[StatementLine]

    @property
    def total_assets(self) -> Decimal:
        return _total(self.assets)

    @property
    def total_liabilities(self) -> Decimal:
        return _total(self.liabilities)

    @property
    def total_equity(self) -> Decimal:
        """With the result of the running year."""
        return _total(self.equity) + self.result

    @property
    def balances(self) -> bool:
        """Assets = liabilities + equity + result."""
        return self.total_assets == self.total_liabilities + self.total_equity


@dataclass(frozen=True, slots=True)
class IncomeStatement:
    """Income and expenses of a period; the transfer of the result at the end of a year plays no part."""

    start: dt.date
    end: dt.date
    income: Sequence[StatementLine]
    expenses: Sequence[StatementLine]

    @property
    def total_income(self) -> Decimal:
        return _total(self.income)

    @property
    def total_expenses(self) -> Decimal:
        return _total(self.expenses)

    @property
    def result(self) -> Decimal:
        """Above zero: a profit."""
        return self.total_income - self.total_expenses


@dataclass(frozen=True, slots=True)
class AccountPage:
    """Lines of an account in a period in the order of the books, each with the balance after it (debit − credit)."""

    account: Any
    opening: Decimal
    brought: Decimal
    lines: Sequence[tuple[Any, Decimal]]
    page: int
    pages: int
    closing: Decimal


def turnovers(legal_entity_id: UUID, start: dt.date, end: dt.date) -> list[Turnover]:
    """Every account with a balance or movement, by code, after the sum of its head. Raises `BadInput` when the days are reversed."""
    _check_period(start, end)
    opening, moved = balances(legal_entity_id, as_of=start - _DAY), _movements(legal_entity_id, start, end)
    rows = [
        Turnover(
            account.id, account.code, account.name, account.kind, account.side, opening.get(account.id, ZERO), *moved.get(account.id, _NONE)
        )
        for account in Account.objects.filter(legal_entity_id=legal_entity_id).order_by("code")
        if opening.get(account.id) or account.id in moved
    ]
    heads: dict[str, list[Turnover]] = {}
    for row in rows:
        heads.setdefault(row.code[:HEAD], []).append(row)
    return [row for code, below in heads.items() for row in (below if below[0].code == code else [_sum_of(code, below), *below])]


def balance_sheet(legal_entity_id: UUID, as_of: dt.date) -> BalanceSheet:
    """Balances at the end of a day, by accounts of the first level."""
    standing = _standing(legal_entity_id, balances(legal_entity_id, as_of=as_of))
    result = -sum((net for account, net in standing if account.kind in _RESULT_KINDS), start=ZERO)
    return BalanceSheet(
        as_of=as_of,
        assets=_lines(standing, Account.Kind.ASSET, 1),
        liabilities=_lines(standing, Account.Kind.LIABILITY, -1),
        equity=_lines(standing, Account.Kind.EQUITY, -1),
        result=result,
        memos=_lines(standing, Account.Kind.OFF_BALANCE, 1),
    )


def income_statement(legal_entity_id: UUID, start: dt.date, end: dt.date) -> IncomeStatement:
    """Income and expenses of a period, by accounts of the first level. Raises `BadInput` when the days are reversed."""
    _check_period(start, end)
    moved = {account: debit - credit for account, (debit, credit) in _movements(legal_entity_id, start, end).items()}
    transferred = JournalLine.objects.filter(
        entry__legal_entity_id=legal_entity_id,
        entry__event=RESULT_TRANSFER,
        entry__business_date__range=(start, end),
    )
    for account, (debit, credit) in _sums(transferred).items():
        moved[account] = moved.get(account, ZERO) - debit + credit
    standing = _standing(legal_entity_id, moved)
    return IncomeStatement(start, end, _lines(standing, Account.Kind.INCOME, -1), _lines(standing, Account.Kind.EXPENSE, 1))


def account_page(account_id: UUID, user: Any, start: dt.date, end: dt.date, page: int = 1) -> AccountPage:
    """A page of an account's ledger. Raises `NotFound` for an account that the user may not see."""
    _check_period(start, end)
    account = Account.objects.visible_to(user).select_related("legal_entity").filter(id=account_id).first()
    if account is None:
        raise NotFound
    lines = JournalLine.objects.filter(account=account, business_date__range=(start, end)).order_by("business_date", "id")
    opening = balances(account.legal_entity_id, as_of=start - _DAY, accounts={account.id}).get(account.id, ZERO)
    closing = balances(account.legal_entity_id, as_of=end, accounts={account.id}).get(account.id, ZERO)
    pages = max(1, -(-lines.count() // PAGE_LINES))
    page = min(max(page, 1), pages)
    before = (page - 1) * PAGE_LINES
    running = opening + _net(lines[:before].values("debit", "credit")) if before else opening
    brought, shown = running, []
    for line in lines.select_related("entry")[before : before + PAGE_LINES]:
        running += line.debit - line.credit
        shown.append((line, running))
    return AccountPage(account, opening, brought, shown, page, pages, closing)


_NONE: Final = (ZERO, ZERO)


def _check_period(start: dt.date, end: dt.date) -> None:
    if end < start:
        raise BadInput(fields={"to": [str(_("The last day is before the first."))]})


def _movements(legal_entity_id: UUID, start: dt.date, end: dt.date) -> dict[UUID, tuple[Decimal, Decimal]]:
    """Account → debits and credits from `start` to `end`: checkpoints of the days closed inside, lines for what is outside them.

    A checkpoint holds what moved since the closed day before it, so the first one inside counts only if the day before `start` was closed.
    """
    closed = LedgerDay.objects.filter(legal_entity_id=legal_entity_id, date__gte=start - _DAY, date__lte=end).order_by("date")
    first, last = closed.values_list("date", flat=True).first(), closed.values_list("date", flat=True).last()
    lines = JournalLine.objects.filter(account__legal_entity_id=legal_entity_id, business_date__range=(start, end))
    if first is None or last is None:
        return _sums(lines)
    days = AccountDay.objects.filter(account__legal_entity_id=legal_entity_id, date__gt=first, date__lte=last)
    moved = _sums(days)
    for account, (debit, credit) in _sums(lines.filter(Q(business_date__lte=first) | Q(business_date__gt=last))).items():
        before = moved.get(account, _NONE)
        moved[account] = (before[0] + debit, before[1] + credit)
    return moved


def _sums(rows: QuerySet[Any]) -> dict[UUID, tuple[Decimal, Decimal]]:
    summed = rows.order_by().values("account_id").annotate(debits=Sum("debit"), credits=Sum("credit"))
    return {row["account_id"]: (row["debits"], row["credits"]) for row in summed}


def _net(rows: QuerySet[Any]) -> Decimal:
    summed = rows.aggregate(debits=Sum("debit"), credits=Sum("credit"))
    return (summed["debits"] or ZERO) - (summed["credits"] or ZERO)


def _standing(legal_entity_id: UUID, nets: dict[UUID, Decimal]) -> list[tuple[Account, Decimal]]:
    accounts = Account.objects.filter(legal_entity_id=legal_entity_id).order_by("code")
    return [(account, nets[account.id]) for account in accounts if nets.get(account.id)]


def _lines(standing: Iterable[tuple[Account, Decimal]], kind: str, sign: int) -> list[StatementLine]:
    heads: dict[str, StatementLine] = {}
    for account, net in standing:
        if account.kind == kind:
            code = account.code[:HEAD]
            before = heads.get(code)
            heads[code] = StatementLine(code, _head_name(account.code, account.name), (before.amount if before else ZERO) + sign * net)
    return [line for line in heads.values() if line.amount]


def _sum_of(code: str, below: Sequence[Turnover]) -> Turnover:
    first = below[0]
    opening, debit, credit = (sum((getattr(row, name) for row in below), start=ZERO) for name in ("opening", "debit", "credit"))
    return Turnover(None, code, _head_name(first.code, first.name), first.kind, first.side, opening, debit, credit, is_sum=True)


def _head_name(code: str, name: str) -> str:
    """The name of an account's head: what stands before the dash in the names of those below it."""
    return name if len(code) == HEAD else name.split("-", 1)[0]


def _total(lines: Iterable[StatementLine]) -> Decimal:
    return sum((line.amount for line in lines), start=ZERO)


def entry(entry_id: UUID, user: Any) -> Any:
    """A journal entry with its lines and accounts. Raises `NotFound` for one that the user may not see."""
    entries = (
        JournalEntry.objects.visible_to(user).select_related("legal_entity", "reverses").prefetch_related("lines__account", "reversed_by")
    )
    found = entries.filter(id=entry_id).first()
    if found is None:
        raise NotFound
    return found
