"""What people change in the books: posting rules with their bench, entries by hand, the chart; and an entry on paper."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from apps.backoffice.access import StaffRequest, show, staff_page
from apps.backoffice.views.books import chosen_entity, entities_of
from apps.common import clock
from apps.common.errors import BadInput, CarloanError
from apps.common.money import parse_money, to_capital_chinese
from apps.documents import services as documents
from apps.ledger import selectors as ledger
from apps.ledger import services
from apps.ledger.domain import INTERNAL_TRANSFER, MANUAL, PARTNER, HandLine, Posting
from apps.organisations.domain import EntityBrief

BENCH_ROWS = 6
ENTRY_ROWS = 8
_COLUMNS = ("event", "component", "party", "leg", "debit", "credit")


def _entity(request: HttpRequest) -> EntityBrief:
    return chosen_entity(entities_of(request.user), request.POST.get("entity") or request.GET.get("entity", ""))


def _day(request: StaffRequest, text: str | None) -> dt.date:
    if not text:
        return clock.local_date(request.now)
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise BadInput(_("Write a day as 2026-01-31.")) from None


def _amount(text: str, *, signed: bool = False) -> Decimal:
    sign, plain = (-1, text.strip()[1:]) if signed and text.strip().startswith("-") else (1, text.strip())
    try:
        return sign * parse_money(plain.replace(",", ""))
    except (ValueError, InvalidOperation):
        raise BadInput(_("Enter an amount in yuan, such as 1234.50.")) from None


def _frame(request: HttpRequest, tab: str) -> dict[str, Any]:
    entity = _entity(request)
    return {"entity_brief": entity, "entities": entities_of(request.user), "tab": tab, "chart": ledger.chart(entity.id)}


# -- rules ------------------------------------------------------------------------------------------------


@require_GET
@staff_page("ledger.view")
def rules(request: StaffRequest) -> HttpResponse:
    """The rules in force on a day, the draft with what it would change, and all versions."""
    return _rules_page(request)


def _rules_page(request: StaffRequest, error: CarloanError | None = None) -> HttpResponse:
    frame = _frame(request, "rules")
    on, entity = _day(request, request.GET.get("on")), frame["entity_brief"].id
    draft = ledger.rules_draft(entity)
    context = {
        "on": on,
        "rows": ledger.rules_in_force(entity, on),
        "versions": ledger.rule_versions(entity),
        "draft": draft,
        "changes": ledger.rules_diff(entity, draft.rows, on) if draft else (),
        "may_change": request.user.can("ledger.adjust"),  # type: ignore[union-attr]
        "data": request.POST,
        "error": error,
    }
    return show(request, "backoffice/books/rules.html", frame | context, status=error.status if error else 200)


@require_POST
@staff_page("ledger.adjust")
def change_draft(request: StaffRequest) -> HttpResponse:
    """Add a row to the draft, take one out, throw it away, or propose it."""
    entity = _entity(request)
    deed = request.POST.get("deed", "")
    try:
        if deed == "propose":
            day = _day(request, request.POST.get("effective_from"))
            change = services.propose_rules(
                legal_entity_id=entity.id, effective_from=day, reason=request.POST.get("reason", ""), actor=request.actor, now=request.now
            )
            return redirect("admin:approval", change.id)
        services.save_draft(legal_entity_id=entity.id, rows=_draft_rows(request, entity.id, deed), actor=request.actor, now=request.now)
    except CarloanError as error:
        return _rules_page(request, error)
    return redirect(f"{request.path.removesuffix('draft/')}?entity={entity.code}")


def _draft_rows(request: HttpRequest, entity: UUID, deed: str) -> list[dict[str, str]]:
    draft = ledger.rules_draft(entity)
    rows: list[dict[str, str]] = list(draft.rows) if draft else []
    if deed == "add":
        row = {name: request.POST.get(name, "").strip() for name in _COLUMNS}
        if row["leg"] not in {str(leg) for leg in range(1, 10)}:
            raise BadInput(_("A leg is a number from 1 to 9."))
        same = ("event", "component", "party", "leg")
        return [each for each in rows if any(each[name] != row[name] for name in same)] + [row]
    if deed == "drop":
        wanted = request.POST.get("row", "")
        return [row for number, row in enumerate(rows) if str(number) != wanted]
    if deed == "discard":
        return []
    raise BadInput(_("Choose what to do with the draft."))


@require_http_methods(["GET", "POST"])
@staff_page("ledger.view")
def bench(request: StaffRequest) -> HttpResponse:
    """Amounts of an event in, the lines that the rules would post out; nothing is written."""
    frame = _frame(request, "bench")
    entity = frame["entity_brief"].id
    draft = ledger.rules_draft(entity)
    context: dict[str, Any] = {"data": request.POST, "draft": draft, "on": clock.local_date(request.now), "error": None, "trial": None}
    status = 200
    rows = [{name: _nth(request, name, number) for name in ("component", "party", "amount")} for number in range(BENCH_ROWS)]
    if request.method == "POST":
        try:
            context["on"] = on = _day(request, request.POST.get("on"))
            postings = [
                Posting(row["component"], _amount(row["amount"], signed=True), row["party"], "partner" if row["party"] == PARTNER else "")
                for row in rows
                if row["component"]
            ]
            use = draft.rows if draft and request.POST.get("rules") == "draft" else ()
            context["trial"] = ledger.try_rules(entity, request.POST.get("event", "").strip(), postings, on, use)
        except CarloanError as error:
            context["error"], status = error, error.status
    known = ledger.rules_in_force(entity, context["on"])
    context |= {"rows": rows, "events": sorted({row.event for row in known}), "components": sorted({row.component for row in known})}
    return show(request, "backoffice/books/bench.html", frame | context, status=status)


def _nth(request: HttpRequest, name: str, number: int) -> str:
    given = request.POST.getlist(name)
    return given[number].strip() if number < len(given) else ""


# -- entries by hand --------------------------------------------------------------------------------------


@require_http_methods(["GET", "POST"])
@staff_page("ledger.adjust")
def manual(request: StaffRequest) -> HttpResponse:
    """Write an adjusting entry or an internal transfer and put it before a second person, who sees the balances it leads to."""
    frame = _frame(request, "manual")
    rows = [{name: _nth(request, name, number) for name in ("account", "debit", "credit")} for number in range(ENTRY_ROWS)]
    context: dict[str, Any] = {"rows": rows, "data": request.POST, "on": clock.local_date(request.now), "error": None, "status": 200}
    if request.method == "POST":
        try:
            change = services.propose_entry(
                legal_entity_id=frame["entity_brief"].id,
                business_date=_day(request, request.POST.get("on")),
                lines=[_hand_line(row) for row in rows if row["account"]],
                narrative=request.POST.get("narrative", ""),
                reason=request.POST.get("reason", ""),
                event=INTERNAL_TRANSFER if request.POST.get("event") == INTERNAL_TRANSFER else MANUAL,
                actor=request.actor,
                now=request.now,
            )
            return redirect("admin:approval", change.id)
        except CarloanError as error:
            context |= {"error": error, "status": error.status}
    return show(request, "backoffice/books/manual.html", frame | context, status=context["status"])


def _hand_line(row: dict[str, str]) -> HandLine:
    return HandLine(row["account"], *(_amount(row[side]) if row[side] else Decimal(0) for side in ("debit", "credit")))


@require_POST
@staff_page("ledger.adjust")
def reverse_entry(request: StaffRequest, entry_id: UUID) -> HttpResponse:
    """Put the reversal of an entry by hand before a second person."""
    change = services.propose_reversal(entry_id=entry_id, reason=request.POST.get("reason", ""), actor=request.actor, now=request.now)
    return redirect("admin:approval", change.id)


@require_GET
@staff_page("ledger.view")
def entry_paper(request: StaffRequest, entry_id: UUID) -> HttpResponse:
    """The entry as an accounting voucher 记账凭证, to print and sign."""
    entry = ledger.entry(entry_id, request.user)
    number = f"{entry.business_date:%Y%m%d}-{entry.id.hex[-8:].upper()}"
    context = {"number": number, "lender": {"name": entry.legal_entity.name}, "entry": entry, "capital": to_capital_chinese(entry.total)}
    content = documents.render(template="journal_voucher.html", context=context)
    name = f"voucher-{number}.pdf"
    return HttpResponse(content, content_type="application/pdf", headers={"Content-Disposition": f'inline; filename="{name}"'})


# -- the chart --------------------------------------------------------------------------------------------


@require_http_methods(["GET", "POST"])
@staff_page("ledger.view")
def chart(request: StaffRequest) -> HttpResponse:
    """The accounts of a legal entity; finance adds and renames."""
    frame = _frame(request, "chart")
    error: CarloanError | None = None
    if request.method == "POST":
        try:
            _change_chart(request, frame["entity_brief"])
            messages.success(request, _("Saved."))
            return redirect(f"{request.path}?entity={frame['entity_brief'].code}")
        except CarloanError as refused:
            error = refused
    context = {"error": error, "data": request.POST, "may_change": request.user.can("ledger.adjust")}  # type: ignore[union-attr]
    return show(request, "backoffice/books/chart.html", frame | context, status=error.status if error else 200)


def _change_chart(request: StaffRequest, entity: EntityBrief) -> None:
    given = {name: request.POST.get(name, "").strip() for name in ("account", "code", "name", "kind", "side")}
    account = given.pop("account")
    if not account:
        services.add_account(legal_entity_id=entity.id, **given, actor=request.actor, now=request.now)
        return
    try:
        services.rename_account(account_id=UUID(account), name=given["name"], actor=request.actor, now=request.now)
    except ValueError:
        raise BadInput(_("There is no such account.")) from None
