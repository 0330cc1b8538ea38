"""Taking over running loans from a file: check it, see its reconciliation, put it before a second person."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from apps.backoffice.access import StaffRequest, show, staff_page
from apps.backoffice.views.books import chosen_entity, entities_of
from apps.common.errors import BadInput, CarloanError
from apps.common.money import ZERO, parse_money
from apps.loans import services


@require_http_methods(["GET", "POST"])
@staff_page("loans.open")
def take_over(request: StaffRequest) -> HttpResponse:
    """The file with its control totals; sent, it shows what it would bring, or is proposed."""
    entities = entities_of(request.user)
    entity = chosen_entity(entities, request.POST.get("entity", ""))
    report, error = None, None
    if request.method == "POST":
        try:
            asked = _asked(request) | {"legal_entity_id": entity.id, "actor": request.actor, "now": request.now}
            if request.POST.get("step") == "propose":
                change = services.propose_take_over(**asked, reason=request.POST.get("reason", ""))
                return redirect("admin:approval", change.id)
            report = services.take_over_loans(**asked, preview=True)
        except CarloanError as refused:
            error = refused
    context = {
        "entity_brief": entity,
        "entities": entities,
        "balances": services.BALANCES,
        "data": request.POST,
        "required": services.TAKE_OVER_REQUIRED,
        "optional": services.TAKE_OVER_OPTIONAL,
        "report": report,
        "error": error,
    }
    return show(request, "backoffice/take_over.html", context, status=error.status if error else 200)


def _asked(request: HttpRequest) -> dict[str, Any]:
    file = request.FILES.get("file")
    if file is None:
        raise BadInput(_("Choose a file."))
    names = ("lines", *services.BALANCES)
    return {
        "file_name": file.name or "",
        "content": file.read(),
        "control": {name: _amount(text) for name in names if (text := request.POST.get(f"control_{name}", "").strip())},
        "tolerance": _amount(request.POST.get("tolerance", "").strip() or "0"),
    }


def _amount(text: str) -> Decimal:
    try:
        return parse_money(text.replace(",", "")) if text else ZERO
    except ValueError:
        raise BadInput(_("Enter an amount in yuan, such as 1234.50.")) from None
