"""Loan 360°: a loan with its schedule, its transactions and the entries behind each, its books, papers and story."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from django.db.models import F
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from apps.applications import selectors as applications
from apps.backoffice.charts import BalanceChart, balance_chart
from apps.common import clock
from apps.common.errors import CarloanError
from apps.common.money import ZERO, allocate
from apps.customers import selectors as customers
from apps.customers.domain import CustomerBrief
from apps.disbursement import selectors as disbursement
from apps.documents import selectors as documents
from apps.ledger import selectors as ledger
from apps.loans import selectors as loans
from apps.loans.domain import Component
from apps.loans.domain.subledger import CREDIT_USED, Line
from apps.loans.selectors import InstalmentView, LoanStatement, PayoffQuote, Standing
from apps.organisations import selectors as organisations
from apps.postloan import selectors as postloan
from apps.products import selectors as products

RED_FROM_DAYS: Final = 5
ASSET_CLASSES: Final = {
    "normal": _("normal"),
    "special_mention": _("special mention"),
    "substandard": _("substandard"),
    "doubtful": _("doubtful"),
    "loss": _("loss"),
}
METHODS: Final = {
    "equal_installment": _("equal instalments"),
    "equal_principal": _("equal principal"),
    "interest_first": _("interest first"),
    "flat": _("flat rate"),
    "bullet": _("all at the end"),
    "balloon": _("with a balloon"),
    "custom": _("own shares"),
    "step": _("in steps"),
}
COMPONENT_NAMES: Final = {
    "fee": _("fee"),
    "penalty": _("penalty interest"),
    "compound": _("compound interest"),
    "interest": _("interest"),
    "principal": _("principal"),
    "credit": pgettext_lazy("of the customer", "credit"),
}
KINDS: Final = {**loans.KIND_NAMES, CREDIT_USED: _("credit put to use")}
STATES: Final = {
    "active": "ok",
    "overdue": "overdue",
    "settled": "blocked",
    "written_off": "overdue",
    "terminated": "warn",
    "pending": "info",
}
SIGNS: Final = {"active": "check", "overdue": "warn", "settled": "lock", "written_off": "stop", "terminated": "stop", "pending": "clock"}


@dataclass(frozen=True)
class Row:
    """A row of the schedule: `tone` is `done`, `od` (from 5 days), `late`, `next` or empty; `balance` is what the plan leaves after it."""

    no: int
    due_date: dt.date
    principal: Decimal
    interest: Decimal
    extra: Decimal
    total: Decimal
    paid: Decimal
    balance: Decimal
    tone: str
    sign: str
    tag: str
    text: str


@dataclass(frozen=True)
class Entry:
    """A journal entry with its lines, as (code, name, debit, credit)."""

    reference: str
    event: str
    business_date: dt.date
    total: Decimal
    lines: tuple[tuple[str, str, Decimal, Decimal], ...]


@dataclass(frozen=True)
class Moved:
    """A transaction, or credit put to use on a due day: where the money went, and the entries behind it."""

    no: int
    line: Line
    kind: str
    allocated: tuple[tuple[str, Decimal], ...]
    reference: str
    booked_on: dt.date | None
    entries: tuple[Entry, ...]


@dataclass(frozen=True)
class Share:
    """A funder's part of the loan; `parts` of 10,000, `x` and `width` in hundredths of the bar."""

    name: str
    parts: int
    amount: Decimal
    x: int
    width: int


@dataclass(frozen=True)
class Told:
    """One line of the story."""

    at: dt.datetime | dt.date
    what: str
    who: str
    why: str

    @property
    def day(self) -> str:
        """When, to the minute where that is known."""
        if isinstance(self.at, dt.datetime):
            return f"{self.at.astimezone(clock.BEIJING):%Y-%m-%d %H:%M}"
        return f"{self.at:%Y-%m-%d}"


@dataclass(frozen=True)
class LoanPage:
    """Everything that the page shows."""

    loan: Any
    view: Standing
    state: str
    tone: str
    sign: str
    customer: CustomerBrief
    product: str
    method: str
    due: Any
    payoff: PayoffQuote | None
    oldest: InstalmentView | None
    classes: tuple[tuple[str, bool], ...]
    asset_class: str
    shares: tuple[Share, ...]
    rows: tuple[Row, ...]
    totals: dict[str, Decimal]
    moved: tuple[Moved, ...]
    other_entries: tuple[Entry, ...]
    balances: tuple[tuple[str, str, Decimal], ...]
    amounts: tuple[Any, ...]
    orders: tuple[Any, ...]
    documents: tuple[Any, ...]
    story: tuple[Told, ...]
    contacts: Any
    chart: BalanceChart | None
    course: tuple[tuple[dt.date, Decimal, Decimal | None], ...]
    day: dt.date


def loan_page(loan: Any, user: Any) -> LoanPage:
    """The page of a loan that was fetched within the person's scope, with its balance."""
    day = _day_of(loan)
    told = loans.statement_for(loan, loan.opened_on, day)
    view = loans.standing_in(loan, told.state)
    rows = tuple(_rows(view, day))
    lines = told.statement.lines
    entries = _entries(loan, user)
    by_reference: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        by_reference[entry.reference].append(entry)
    moved = tuple(_moved(number, told, line, by_reference) for number, line in enumerate(lines, start=1))
    running = view.brief.state in ("active", "overdue")
    orders = tuple(disbursement.orders_of(user, loan_id=loan.id)) if user.can("disbursement.view") else ()
    actual, planned = _actual(view, lines), _planned(view, rows)
    return LoanPage(
        loan=loan,
        view=view,
        state=str(loan.State(view.brief.state).label),
        tone=STATES.get(view.brief.state, ""),
        sign=SIGNS.get(view.brief.state, "todo"),
        customer=customers.brief(loan.borrower_ref),
        product=products.product_name(loan.legal_entity_id, loan.product_code),
        method=str(METHODS.get(view.method, view.method)),
        due=view.due if running else None,
        payoff=view.payoff if running else None,
        oldest=next((row for row in view.schedule if row.status in ("overdue", "due")), None),
        classes=tuple((str(name), code == view.brief.asset_class) for code, name in ASSET_CLASSES.items()),
        asset_class=str(ASSET_CLASSES.get(view.brief.asset_class, view.brief.asset_class)),
        shares=_shares(loan, view.brief.principal_outstanding, user),
        rows=rows,
        totals={
            name: sum((getattr(row, name) for row in rows), start=ZERO) for name in ("principal", "interest", "extra", "total", "paid")
        },
        moved=tuple(reversed(moved)),
        other_entries=tuple(entry for entry in entries if entry.reference not in told.rows),
        balances=_balances(entries),
        amounts=tuple(_amounts(loan)) if user.can("ledger.view") else (),
        orders=orders,
        documents=(*documents.owned_by("loan", loan.id), *documents.owned_by("application", loan.application_ref)),
        story=_story(loan, moved, orders),
        contacts=postloan.open_case_of(loan.borrower_ref) if user.can("postloan.view") else None,
        chart=balance_chart(actual=[*actual, (max(day, actual[-1][0]), actual[-1][1])] if actual else [], planned=planned, today=day),
        course=_course(actual, planned),
        day=day,
    )


def _day_of(loan: Any) -> dt.date:
    """The day of the entity's books, never before the loan."""
    try:
        return max(organisations.business_date(loan.legal_entity_id), loan.opened_on)
    except organisations.NoBusinessDay:
        return max(loan.balance.as_of, loan.opened_on)


def _rows(view: Standing, day: dt.date) -> Iterable[Row]:
    upcoming = next((row.no for row in view.schedule if row.status == "future"), None)
    for row in view.schedule:
        tone, sign, tag, text = _standing(row, day, is_next=row.no == upcoming)
        yield Row(
            row.no,
            row.due_date,
            row.principal,
            row.interest,
            row.fee + row.penalty,
            row.total,
            row.paid,
            row.balance,
            tone,
            sign,
            tag,
            text,
        )


def _standing(row: InstalmentView, day: dt.date, *, is_next: bool) -> tuple[str, str, str, str]:
    """Tone of the row, sign, class and words of its tag: a paid row is quiet, only one overdue from five days is filled."""
    if row.status == "paid":
        return "done", "check", "okk plain", gettext("paid")
    days = (day - row.due_date).days
    if row.status == "overdue" or (row.status == "due" and days > 0):
        text = gettext("overdue %(days)s d") % {"days": days}
        return ("od", "warn", "overdue", text) if days >= RED_FROM_DAYS else ("late", "clock", "warn", text)
    if row.status == "due":
        return "next", "clock", "info", gettext("due today")
    return ("next", "dot", "info", gettext("next")) if is_next else ("", "todo", "plain", gettext("to come"))


def _entries(loan: Any, user: Any) -> list[Entry]:
    if not user.can("ledger.view") and not user.can("loans.view"):
        return []
    found = ledger.entries_of(loan.id).filter(legal_entity_id=loan.legal_entity_id).prefetch_related("lines__account")
    return [
        Entry(
            reference=entry.reference,
            event=entry.event,
            business_date=entry.business_date,
            total=entry.total,
            lines=tuple((line.account.code, line.account.name, line.debit, line.credit) for line in entry.lines.all()),
        )
        for entry in found
    ]


def _moved(number: int, told: LoanStatement, line: Line, entries: dict[str, list[Entry]]) -> Moved:
    row = told.rows.get(line.transaction_id)
    behind = () if line.kind == CREDIT_USED else entries.get(line.transaction_id, ())
    return Moved(
        no=number,
        line=line,
        kind=str(KINDS.get(line.kind, line.kind)),
        allocated=tuple((str(COMPONENT_NAMES.get(component, component)), amount) for component, amount in line.allocated.items()),
        reference=row.reference if row else "",
        booked_on=row.business_date if row else None,
        entries=tuple(sorted(behind, key=lambda entry: entry.event not in ("disbursement", "repayment"))),
    )


def _balances(entries: Iterable[Entry]) -> tuple[tuple[str, str, Decimal], ...]:
    """Debit − credit per account of all lines that name this loan."""
    sums: dict[tuple[str, str], Decimal] = defaultdict(lambda: ZERO)
    for entry in entries:
        for code, name, debit, credit in entry.lines:
            sums[code, name] += debit - credit
    return tuple((code, name, amount) for (code, name), amount in sorted(sums.items()) if amount)


def _amounts(loan: Any) -> Iterable[Any]:
    """What belongs in the books and what is in them; `still` is what the next close books."""
    return loan.amounts.annotate(still=F("target") - F("booked")).order_by("event", "component", "party_ref")


def _shares(loan: Any, outstanding: Decimal, user: Any) -> tuple[Share, ...]:
    funders = loan.terms.get("funders") or [{"party_ref": "", "parts": 10_000}]
    names = {account.funder.code: account.funder.name for account in disbursement.accounts_of(user)}
    own = organisations.entity(loan.legal_entity_id).short_name
    amounts = allocate(outstanding, [funder["parts"] for funder in funders])
    shares, start = [], 0
    for funder, amount in zip(funders, amounts, strict=True):
        width = funder["parts"] // 100
        party = funder["party_ref"]
        shares.append(Share(names.get(party, party) if party else own, funder["parts"], amount, start, width))
        start += width
    return tuple(shares)


def _planned(view: Standing, rows: Iterable[Row]) -> list[tuple[dt.date, Decimal]]:
    return [(view.brief.opened_on, view.brief.principal), *((row.due_date, row.balance) for row in rows)]


def _actual(view: Standing, lines: Iterable[Line]) -> list[tuple[dt.date, Decimal]]:
    """Principal still owed after each day on which it changed."""
    course = {view.brief.opened_on: view.brief.principal}
    for line in lines:
        if line.moved[Component.PRINCIPAL]:
            course[line.on] = line.principal
    return sorted(course.items())


def _course(
    actual: list[tuple[dt.date, Decimal]], planned: list[tuple[dt.date, Decimal]]
) -> tuple[tuple[dt.date, Decimal, Decimal | None], ...]:
    """The chart's data table: by the plan, and in truth as far as it is known."""
    known = actual[-1][0] if actual else dt.date.min
    return tuple(
        (day, plan, next((amount for on, amount in reversed(actual) if on <= day), None) if day <= known else None) for day, plan in planned
    )


def _story(loan: Any, moved: Iterable[Moved], orders: Iterable[Any]) -> tuple[Told, ...]:
    """Newest first: the order's timeline, payments asked for, transactions booked."""
    told = []
    try:
        for entry in applications.timeline(loan.application_ref):
            states = f"{entry.from_state} → {entry.to_state}" if entry.to_state else ""
            told.append(Told(entry.at, f"{entry.deed.replace('_', ' ')} {states}".strip(), entry.actor, entry.reason))
    except CarloanError:
        pass
    for order in orders:
        text = gettext("payment %(number)s asked for: %(state)s") % {"number": order.order_no, "state": order.get_state_display()}
        told.append(Told(order.sent_at or order.created_at, text, order.get_origin_display(), order.reason))
    for one in moved:
        amount = "" if one.line.amount is None else f" {one.line.amount:,.2f}"
        told.append(Told(one.line.on, f"{one.kind}{amount}", one.reference, ""))
    return tuple(sorted(told, key=_when, reverse=True))


def _when(told: Told) -> dt.datetime:
    if isinstance(told.at, dt.datetime):
        return told.at
    return clock.beijing(told.at, 23)
