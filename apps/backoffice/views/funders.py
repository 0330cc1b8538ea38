"""Funding parties 资金方: their agreements, entered by two, and the statement that lender and funder settle by."""

from __future__ import annotations

import datetime as dt
from typing import Any, Final

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods

from apps.backoffice import sheets
from apps.backoffice.access import StaffRequest, show, staff_page
from apps.backoffice.templatetags.backoffice import event
from apps.backoffice.views.books import Asked, chosen_entity, entities_of
from apps.common.errors import BadInput, CarloanError
from apps.disbursement import selectors as disbursement
from apps.documents import services as documents
from apps.loans import selectors, services
from apps.loans.selectors import OWN, FunderStatement

TEMPLATE: Final = "documents/funder_statement.html"
FEE_ROWS: Final = 3
_FEE: Final = ("kind", "payer_ref", "payee_ref", "basis_ref", "rate", "amount")


def _names(user: Any) -> dict[str, str]:
    """Party → its name where it is known as a funder."""
    return {account.funder.code: account.funder.name for account in disbursement.accounts_of(user)}


@require_GET
@staff_page("ledger.view", "organisations.edit")
def funders(request: StaffRequest) -> HttpResponse:
    """The parties and the agreements with them."""
    entities = entities_of(request.user)
    entity, names = chosen_entity(entities, request.GET.get("entity", "")), _names(request.user)
    found = selectors.funding_agreements(request.user).filter(legal_entity_id=entity.id)
    context = {
        "entity_brief": entity,
        "entities": entities,
        "parties": [(party, names.get(party, party)) for party in selectors.funding_parties(entity.id)],
        "agreements": found,
        "may_enter": request.user.can("organisations.edit"),  # type: ignore[union-attr]
        "may_read": request.user.can("ledger.view"),  # type: ignore[union-attr]
    }
    return show(request, "backoffice/funders.html", context)


@require_http_methods(["GET", "POST"])
@staff_page("organisations.edit")
def agreements(request: StaffRequest) -> HttpResponse:
    """A new agreement; sent, it waits for a second person."""
    entities = entities_of(request.user)
    entity, error = chosen_entity(entities, request.POST.get("entity") or request.GET.get("entity", "")), None
    if request.method == "POST":
        try:
            change = services.propose_funding(legal_entity_id=entity.id, **_entered(request), actor=request.actor, now=request.now)
            return redirect("admin:approval", change.id)
        except CarloanError as refused:
            error = refused
    context = {
        "entity_brief": entity,
        "entities": entities,
        "kinds": services.FEE_KINDS,
        "rows": [{name: request.POST.get(f"{name}_{number}", "") for name in _FEE} | {"no": number} for number in range(1, FEE_ROWS + 1)],
        "data": request.POST,
        "own": OWN,
        "error": error,
    }
    return show(request, "backoffice/funding_agreement.html", context, status=error.status if error else 200)


def _entered(request: HttpRequest) -> dict[str, Any]:
    fees = []
    for number in range(1, FEE_ROWS + 1):
        fee = {name: request.POST.get(f"{name}_{number}", "").strip() for name in _FEE}
        if any(fee[name] for name in _FEE if name != "kind"):
            fees.append(fee)
    try:
        since = dt.date.fromisoformat(request.POST.get("effective_from", ""))
    except ValueError:
        raise BadInput(fields={"effective_from": [_("Write a day as 2026-01-31.")]}) from None
    return {
        "party_ref": request.POST.get("party_ref", "").strip(),
        "number": request.POST.get("number", "").strip(),
        "effective_from": since,
        "fees": fees,
        "reason": request.POST.get("reason", ""),
    }


@require_GET
@staff_page("ledger.view")
def statement(request: StaffRequest) -> HttpResponse:
    """资金方对账单: the party's accounts in the books and its part of every loan; on the screen, as a file, on paper."""
    asked, party = Asked(request), request.GET.get("party", "")
    told = selectors.funder_statement(legal_entity_id=asked.entity.id, party_ref=party, first=asked.start, last=asked.end, page=asked.page)
    name = _names(request.user).get(party, party)
    if request.GET.get("form") == "pdf":
        content = documents.render(
            template=TEMPLATE,
            context={"number": party, "lender": asked.entity, "name": name, "told": told, "printed_at": request.now},
        )
        filename = f"funder-{party}-{asked.end}.pdf"
        return HttpResponse(content, content_type="application/pdf", headers={"Content-Disposition": f'inline; filename="{filename}"'})
    if asked.form:
        return asked.file(f"funder-{party}", _rows(told))
    return show(request, "backoffice/funder_statement.html", {"asked": asked, "told": told, "party": party, "name": name})


def _rows(told: FunderStatement) -> list[sheets.Row]:
    heads = (_("Account"), _("Day"), _("Event"), _("Increase"), _("Decrease"), _("Balance"))
    rows: list[sheets.Row] = [heads]
    for account in told.accounts:
        rows.append((account.code, told.first, _("Opening balance"), None, None, account.opening))
        moves = (move for move in told.moves if move.code == account.code)
        rows += [(move.code, move.day, event(move.event), move.up, move.down, move.balance) for move in moves]
        rows.append((account.code, told.last, _("Closing balance"), account.up, account.down, account.closing))
    return rows
