"""The strict reading of a second-generation bureau report: either every part is as stated, or the whole report counts as unreadable.

A tolerant reader would drop what it does not understand, and what is dropped is mostly bad news. So codes are closed sets, each account
type with its own, dates stand in their order, and what an account says of itself must agree with itself.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from typing import Any, Final

from apps.risk.domain.catalogue import MAX_FEN

_LOAN_STATUSES: Final = frozenset("12345678")
_CARD_STATUSES: Final = frozenset({"1", "2", "3", "31", "4", "5", "6", "8"})
STATUSES: Final = {
    "D1": _LOAN_STATUSES,
    "R1": _LOAN_STATUSES,
    "R4": _LOAN_STATUSES,
    "R2": _CARD_STATUSES,
    "R3": _CARD_STATUSES,
    "C1": frozenset("12"),
}
_LOAN_BUSINESS: Final = frozenset(
    ["11", "12", "13", "21", "31", "32", "33", "41", "42", "51", "52", "53", "61", "62", "63", "64", "91", "92", "99"]
)
BUSINESS: Final = {
    "D1": _LOAN_BUSINESS,
    "R1": _LOAN_BUSINESS,
    "R4": _LOAN_BUSINESS,
    "R2": frozenset({"81", "82"}),
    "R3": frozenset({"71"}),
    "C1": frozenset({"A1", "B1"}),
}
ACCOUNT_TYPES: Final = frozenset(STATUSES)
FIVE_CLASSES: Final = frozenset("1234569")
MONTH_SIGNS: Final = frozenset("N1234567M*#/ACBDZG")
PUBLIC_KINDS: Final = frozenset({"tax", "judgment", "enforcement", "penalty"})
QUERY_KEYS: Final = ("loan_1m", "card_1m", "self_1m", "orgs_1m")
MAX_ROWS: Final = 2_000
MAX_TEXT: Final = 64
MAX_AGE_DAYS: Final = 30  # of a report, on the day of the decision
MONTHS_REPORTED: Final = 24
_BEIJING: Final = dt.timezone(dt.timedelta(hours=8))
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_BORN: Final = re.compile(r"[0-9]{6}([0-9]{8})[0-9]{3}[0-9X]")


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
        return self.status != ("2" if self.type == "C1" else "4" if self.is_card else "3")

    @property
    def is_overdue(self) -> bool:
        """A loan that is reported late as such; a card has no status of its own for it."""
        return self.status == "2" and not self.is_card and self.type != "C1"

    @property
    def is_watched(self) -> bool:
        """Neither normal nor plainly bad: a card frozen or stopped, a loan transferred, short of collateral or closed by force."""
        return self.type != "C1" and self.status in (("2", "3", "31") if self.is_card else ("5", "6", "7"))

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


def read_report(raw: Any, *, as_of: dt.date) -> Report:
    """The report in a gateway's answer, as of the day in Beijing on which it is used. Raises `UnreadableReport`."""
    body = _dict(raw, "report")
    person = _dict(body.get("person"), "person")
    queried_at = _moment(body, "query_time")
    queried_on = queried_at.astimezone(_BEIJING).date()
    if not dt.timedelta(0) <= as_of - queried_on <= dt.timedelta(days=MAX_AGE_DAYS):
        raise UnreadableReport("query_time is not in the days before its use")
    id_number = _text(person, "id_number")
    report = Report(
        report_no=_text(body, "report_no"),
        queried_at=queried_at,
        name=_text(person, "name"),
        id_number=id_number,
        accounts=tuple(_account(row, id_number, queried_on) for row in _rows(body, "accounts")),
        queries={key: _whole(_dict(body.get("queries"), "queries"), key) for key in QUERY_KEYS},
        public=tuple(_public(row, queried_on) for row in _rows(body, "public")),
        no_record=_flag(body, "no_record"),
        alert=_flag(body, "alert") if "alert" in body else False,
    )
    if report.no_record and report.accounts:
        raise UnreadableReport("no_record stands beside accounts")
    if not report.no_record and not report.accounts:
        raise UnreadableReport("neither accounts nor no_record")
    return report


def _account(raw: Any, id_number: str, queried_on: dt.date) -> Account:
    row = _dict(raw, "account")
    kind = _one_of(row, "type", ACCOUNT_TYPES)
    account = Account(
        type=kind,
        status=_one_of(row, "status", STATUSES[kind]),
        five_class=_one_of(row, "five_class", FIVE_CLASSES),
        amount=_whole(row, "amount"),
        balance=_whole(row, "balance"),
        overdue_amount=_whole(row, "overdue_amount"),
        history=_history(row),
        opened_on=_day(row, "opened_on"),
        business=_one_of(row, "business", BUSINESS[kind]),
        monthly_payment=_whole(row, "monthly_payment") if "monthly_payment" in row else None,
    )
    born = _BORN.fullmatch(id_number)
    if account.opened_on > queried_on or (born and account.opened_on.strftime("%Y%m%d") < born[1]):
        raise UnreadableReport("opened_on is outside the person's life up to the query")
    _agrees(account, queried_on)
    return account


def _agrees(account: Account, queried_on: dt.date) -> None:
    """What an account's fields say together. Raises `UnreadableReport` where one contradicts another."""
    if not account.is_open and (account.balance or account.overdue_amount):
        raise UnreadableReport("an account is closed and owes")
    if account.is_overdue and not account.overdue_amount:
        raise UnreadableReport("an account is overdue with nothing overdue")
    months = account.history.lstrip("/")  # months before the account was opened
    if "/" in months or set(months[:-1]) & {"C", "G"} or (account.is_open and months.endswith("C")):
        raise UnreadableReport("history_24 goes on after its end, or has a hole")
    if account.is_open and account.type != "C1" and len(months) < _months_due(account, queried_on):
        raise UnreadableReport("history_24 is shorter than the account's age")


def _months_due(account: Account, queried_on: dt.date) -> int:
    """Months that the history of an open account has at least; the last one may not be reported yet, a card not activated has none."""
    if account.is_card and account.status == "6" and not account.balance:
        return 0
    age = (queried_on.year - account.opened_on.year) * 12 + queried_on.month - account.opened_on.month
    return min(MONTHS_REPORTED, max(0, age - 1))


def _public(raw: Any, queried_on: dt.date) -> Public:
    row = _dict(raw, "public record")
    record = Public(_one_of(row, "kind", PUBLIC_KINDS), _whole(row, "amount"), _day(row, "date"))
    if record.on > queried_on:
        raise UnreadableReport("a public record lies after the query")
    return record


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
    value = _text(row, key)
    if not _DATE.fullmatch(value):
        raise UnreadableReport(f"{key} is not a date")
    try:
        return dt.date.fromisoformat(value)
    except ValueError as error:
        raise UnreadableReport(f"{key} is not a date") from error


def _moment(row: dict[str, Any], key: str) -> dt.datetime:
    try:
        moment = dt.datetime.fromisoformat(_text(row, key))
    except ValueError as error:
        raise UnreadableReport(f"{key} is not a time") from error
    if moment.tzinfo is None:
        raise UnreadableReport(f"{key} has no offset")
    return moment
