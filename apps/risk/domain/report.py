"""The strict reading of a second-generation bureau report: either every part is as stated, or the whole report counts as unreadable.

A tolerant reader would drop what it does not understand, and what is dropped is mostly bad news.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any, Final

from apps.risk.domain.catalogue import MAX_FEN

ACCOUNT_TYPES: Final = frozenset({"D1", "R1", "R2", "R3", "R4", "C1"})
FIVE_CLASSES: Final = frozenset("1234569")
MONTH_SIGNS: Final = frozenset("N1234567M*#/ACBDZG")
PUBLIC_KINDS: Final = frozenset({"tax", "judgment", "enforcement", "penalty"})
QUERY_KEYS: Final = ("loan_1m", "card_1m", "self_1m", "orgs_1m")
MAX_ROWS: Final = 2_000
MAX_TEXT: Final = 64


class UnreadableReport(ValueError):
    """The report is not what the second generation prescribes; the text says where."""


@dataclass(frozen=True, slots=True)
class Account:
    """One credit account; amounts in 分, `history` oldest month first."""

    type: str
    status: str
    five_class: str
    amount: int
    balance: int
    overdue_amount: int
    history: str
    opened_on: dt.date
    business: str
    monthly_payment: int | None

    @property
    def is_card(self) -> bool:
        return self.type in ("R2", "R3")

    @property
    def is_open(self) -> bool:
        """Not settled (D1, R1, R4: 3; C1: 2) and not closed (cards: 4)."""
        if self.type == "C1":
            return self.status != "2"
        return self.status != ("4" if self.is_card else "3")

    @property
    def is_unsecured(self) -> bool:
        """A loan without a thing behind it: consumption 91, business 41, other 99; what one borrows from many lenders at once."""
        return not self.is_card and self.type != "C1" and self.business in ("91", "41", "99")


@dataclass(frozen=True, slots=True)
class Public:
    kind: str
    amount: int
    on: dt.date


@dataclass(frozen=True, slots=True)
class Report:
    report_no: str
    queried_at: dt.datetime
    name: str
    id_number: str
    accounts: tuple[Account, ...]
    queries: dict[str, int]
    public: tuple[Public, ...]
    no_record: bool
    alert: bool


def read_report(raw: Any) -> Report:
    """The report in a gateway's answer. Raises `UnreadableReport`."""
    body = _dict(raw, "report")
    person = _dict(body.get("person"), "person")
    report = Report(
        report_no=_text(body, "report_no"),
        queried_at=_moment(body, "query_time"),
        name=_text(person, "name"),
        id_number=_text(person, "id_number"),
        accounts=tuple(_account(row) for row in _rows(body, "accounts")),
        queries={key: _whole(_dict(body.get("queries"), "queries"), key) for key in QUERY_KEYS},
        public=tuple(_public(row) for row in _rows(body, "public")),
        no_record=_flag(body, "no_record"),
        alert=_flag(body, "alert") if "alert" in body else False,
    )
    if report.no_record and report.accounts:
        raise UnreadableReport("no_record stands beside accounts")
    if not report.no_record and not report.accounts:
        raise UnreadableReport("neither accounts nor no_record")
    return report


def _account(raw: Any) -> Account:
    row = _dict(raw, "account")
    account = Account(
        type=_one_of(row, "type", ACCOUNT_TYPES),
        status=_text(row, "status"),
        five_class=_one_of(row, "five_class", FIVE_CLASSES),
        amount=_whole(row, "amount"),
        balance=_whole(row, "balance"),
        overdue_amount=_whole(row, "overdue_amount"),
        history=_history(row),
        opened_on=_day(row, "opened_on"),
        business=_text(row, "business"),
        monthly_payment=_whole(row, "monthly_payment") if "monthly_payment" in row else None,
    )
    if not account.status.isdecimal():
        raise UnreadableReport("account status is not a code")
    return account


def _public(raw: Any) -> Public:
    row = _dict(raw, "public record")
    return Public(_one_of(row, "kind", PUBLIC_KINDS), _whole(row, "amount"), _day(row, "date"))


def _dict(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise UnreadableReport(f"{what} is not an object")
    return value


def _rows(body: dict[str, Any], key: str) -> list[Any]:
    rows = body.get(key)
    if not isinstance(rows, list) or len(rows) > MAX_ROWS:
        raise UnreadableReport(f"{key} is not a list, or too long")
    return rows


def _text(row: dict[str, Any], key: str) -> str:
    value = row.get(key)
    if not isinstance(value, str) or not value.strip() or len(value) > MAX_TEXT:
        raise UnreadableReport(f"{key} is not a text")
    return value


def _one_of(row: dict[str, Any], key: str, choices: frozenset[str]) -> str:
    value = row.get(key)
    if not isinstance(value, str) or value not in choices:
        raise UnreadableReport(f"{key} is not one of its codes")
    return value


def _whole(row: dict[str, Any], key: str) -> int:
    value = row.get(key)
    if type(value) is not int or not 0 <= value <= MAX_FEN:
        raise UnreadableReport(f"{key} is not a whole number in range")
    return value


def _flag(row: dict[str, Any], key: str) -> bool:
    value = row.get(key)
    if type(value) is not bool:
        raise UnreadableReport(f"{key} is not true or false")
    return value


def _history(row: dict[str, Any]) -> str:
    value = row.get("history_24")
    if not isinstance(value, str) or len(value) > 24 or not set(value) <= MONTH_SIGNS:
        raise UnreadableReport("history_24 is not up to 24 signs")
    return value


def _day(row: dict[str, Any], key: str) -> dt.date:
    try:
        return dt.date.fromisoformat(_text(row, key))
    except ValueError as error:
        raise UnreadableReport(f"{key} is not a date") from error


def _moment(row: dict[str, Any], key: str) -> dt.datetime:
    try:
        return dt.datetime.fromisoformat(_text(row, key))
    except ValueError as error:
        raise UnreadableReport(f"{key} is not a time") from error
