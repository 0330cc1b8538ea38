"""The books of a legal entity: turnovers, balance sheet, income statement, an account's ledger, an entry; on the screen and as a file."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django import forms
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_GET

from apps.backoffice import sheets
from apps.backoffice.access import StaffRequest, show, staff_page
from apps.common import clock
from apps.common.errors import BadInput, NotFound
from apps.ledger import selectors as ledger
from apps.ledger.domain import INTERNAL_TRANSFER, MANUAL
from apps.loans import services as loans
from apps.organisations import selectors as organisations
from apps.organisations.domain import EntityBrief

FORMS = ("csv", "xlsx")
BY_HAND = (MANUAL, INTERNAL_TRANSFER)


class PeriodForm(forms.Form):
    """Which legal entity, from which day to which."""

    entity = forms.CharField(max_length=32, required=False)
    start = forms.DateField(required=False, label=_("From"))
    end = forms.DateField(required=False, label=_("To"))
    page = forms.IntegerField(required=False, min_value=1)
    form = forms.CharField(max_length=4, required=False)


class Asked:
    """What a page of the books is asked for: a legal entity that the person may see, and days, by default the running month."""

    def __init__(self, request: HttpRequest) -> None:
        form = PeriodForm(request.GET)
        if not form.is_valid():
            raise BadInput(fields={name: [str(text) for text in texts] for name, texts in form.errors.items()})
        given = form.cleaned_data
        self.entities = entities_of(request.user)
        self.entity = chosen_entity(self.entities, given["entity"])
        self.end: dt.date = given["end"] or clock.local_date(clock.now())
        self.start: dt.date = given["start"] or self.end.replace(day=1)
        self.page: int = given["page"] or 1
        self.form: str = given["form"] if given["form"] in FORMS else ""

    @property
    def query(self) -> str:
        """The same days again, as the end of an address."""
        return f"entity={self.entity.code}&start={self.start}&end={self.end}"

    def file(self, name: str, rows: Iterable[sheets.Row]) -> HttpResponse:
        return sheets.download(self.form, f"{name}-{self.entity.code}-{self.end}", rows)


def entities_of(user: Any) -> list[EntityBrief]:
    """The legal entities whose books somebody may see: their own; all for operators of the whole system."""
    if user.data_scope.kind == "all":
        return organisations.entities()
    return [organisations.entity(user.legal_entity_id)] if user.legal_entity_id else []


def chosen_entity(entities: list[EntityBrief], code: str) -> EntityBrief:
    """The entity of a code, or the first. Raises `NotFound` for one that is not theirs."""
    for entity in entities:
        if code in ("", entity.code):
            return entity
    raise NotFound


@require_GET
@staff_page("ledger.view")
def turnovers(request: StaffRequest) -> HttpResponse:
    """Every account with opening balance, movements and closing balance 科目余额表."""
    asked = Asked(request)
    rows = ledger.turnovers(asked.entity.id, asked.start, asked.end)
    if asked.form:
        heads = (
            gettext("Account"),
            gettext("Account name"),
            gettext("Opening balance"),
            gettext("Debit"),
            gettext("Credit"),
            gettext("Closing balance"),
        )
        lines = [(row.code, row.name, row.opening, row.debit, row.credit, row.closing) for row in rows]
        return asked.file("turnovers", [heads, *lines])
    totals = [sum(getattr(row, name) for row in rows if not row.is_sum) for name in ("opening", "debit", "credit", "closing")]
    return show(request, "backoffice/books/turnovers.html", {"asked": asked, "rows": rows, "totals": totals, "tab": "turnovers"})


@require_GET
@staff_page("ledger.view")
def balance_sheet(request: StaffRequest) -> HttpResponse:
    """Assets, liabilities and equity at the end of a day 资产负债表."""
    asked = Asked(request)
    sheet = ledger.balance_sheet(asked.entity.id, asked.end)
    if asked.form:
        parts = ((gettext("Assets"), sheet.assets), (gettext("Liabilities"), sheet.liabilities), (gettext("Equity"), sheet.equity))
        rows: list[sheets.Row] = [(title, line.code, line.name, line.amount) for title, lines in parts for line in lines]
        rows.append((gettext("Equity"), "", gettext("Result not yet transferred"), sheet.result))
        rows += [(gettext("Off balance"), line.code, line.name, line.amount) for line in sheet.memos]
        return asked.file("balance-sheet", rows)
    return show(request, "backoffice/books/balance_sheet.html", {"asked": asked, "sheet": sheet, "tab": "balance_sheet"})


@require_GET
@staff_page("ledger.view")
def income(request: StaffRequest) -> HttpResponse:
    """Income and expenses of a period 利润表."""
    asked = Asked(request)
    statement = ledger.income_statement(asked.entity.id, asked.start, asked.end)
    if asked.form:
        parts = ((gettext("Income"), statement.income), (gettext("Expenses"), statement.expenses))
        rows: list[sheets.Row] = [(title, line.code, line.name, line.amount) for title, lines in parts for line in lines]
        return asked.file("income", [*rows, ("", "", gettext("Result"), statement.result)])
    return show(request, "backoffice/books/income.html", {"asked": asked, "statement": statement, "tab": "income"})


@require_GET
@staff_page("ledger.view")
def branches(request: StaffRequest) -> HttpResponse:
    """Balances on the business date by the branches of the loans."""
    asked = Asked(request)
    found = loans.balances_by_branch(asked.entity.id)
    asked.end = found.as_of
    if asked.form:
        names = [f"{column.code} {column.name}" if column.code else gettext("Loans of no branch") for column in found.columns]
        heads = (gettext("Account"), gettext("Account name"), *names, gettext("No loan"), gettext("Total"))
        return asked.file("branches", [heads, *((row.code, row.name, *row.branches, row.rest, row.total) for row in found.rows)])
    return show(request, "backoffice/books/branches.html", {"asked": asked, "found": found, "tab": "branches"})


@require_GET
@staff_page("ledger.view")
def account(request: StaffRequest, account_id: UUID) -> HttpResponse:
    """The lines of an account with the balance after each 明细账."""
    asked = Asked(request)
    page = ledger.account_page(account_id, request.user, asked.start, asked.end, asked.page)
    asked.entity = organisations.entity(page.account.legal_entity_id)
    if asked.form:
        rows = [
            (line.business_date, line.entry.event, line.entry.reference, line.entry.narrative, line.debit, line.credit, balance)
            for line, balance in page.lines
        ]
        return asked.file(f"account-{page.account.code}", rows)
    return show(request, "backoffice/books/account.html", {"asked": asked, "page": page, "tab": "turnovers"})


@require_GET
@staff_page("ledger.view")
def entry(request: StaffRequest, entry_id: UUID) -> HttpResponse:
    """A journal entry with its lines."""
    found = ledger.entry(entry_id, request.user)
    may_reverse = found.event in BY_HAND and not found.reversed_by.all() and request.user.can("ledger.adjust")  # type: ignore[union-attr]
    return show(request, "backoffice/books/entry.html", {"entry": found, "tab": "journal", "may_reverse": may_reverse})
