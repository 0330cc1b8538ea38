"""The counter 柜面: find a loan, choose an operation, see what it would do, propose it, print its voucher."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods

from apps.backoffice import counter_page
from apps.backoffice.access import StaffRequest, show, staff_page
from apps.backoffice.loan_page import STATES
from apps.common.errors import CarloanError, NotFound
from apps.common.models import ChangeRequest
from apps.customers import selectors as customers
from apps.documents import services as documents
from apps.loans import selectors as loans
from apps.loans import services
from apps.organisations import selectors as organisations

TEMPLATE = "documents/counter_voucher.html"


def _loan(request: HttpRequest, loan_id: UUID) -> Any:
    found = loans.loans(request.user).filter(id=loan_id).first()
    if found is None:
        raise loans.LoanUnknown
    return found


def _day(loan: Any) -> Any:
    return max(organisations.business_date(loan.legal_entity_id), loan.opened_on)


@require_GET
@staff_page("loans.adjust")
def find(request: StaffRequest) -> HttpResponse:
    """A loan by its number."""
    number = request.GET.get("number", "").strip()
    found = loans.loans(request.user).filter(number=number).first() if number else None
    if found is not None:
        return redirect("admin:counter_desk", found.id)
    context = {"number": number, "unknown": bool(number)}
    return show(request, "backoffice/counter.html", context, status=404 if number else 200)


@require_GET
@staff_page("loans.adjust")
def desk(request: StaffRequest, loan_id: UUID) -> HttpResponse:
    """One loan at the counter: where it stands, what can be done, what was proposed."""
    loan = _loan(request, loan_id)
    day = _day(loan)
    standing = loans.standing_of(loan, day)
    context = {
        "loan": loan,
        "standing": standing,
        "tone": STATES.get(standing.brief.state, ""),
        "state": loans.STATE_NAMES[standing.brief.state],
        "customer": customers.brief(loan.borrower_ref),
        "day": day,
        "payoff": standing.payoff if standing.brief.state in ("active", "overdue") else None,
        "groups": counter_page.groups(),
        "changes": counter_page.changes_of(loan, request.user),
    }
    return show(request, "backoffice/counter_desk.html", context)


@require_http_methods(["GET", "POST"])
@staff_page("loans.adjust")
def operate(request: StaffRequest, loan_id: UUID, operation: str) -> HttpResponse:
    """The form of an operation; sent, it shows what would happen, and proposes it when that was asked for."""
    loan, known = _loan(request, loan_id), services.operation_named(operation)
    names = ("value_date", *(field.name for field in known.fields))
    sent = {name: request.POST[name] for name in names if request.POST.get(name, "").strip()}
    asked: dict[str, Any] = {"operation": operation, "loan_id": loan.id, "data": sent, "actor": request.actor, "now": request.now}
    preview, error = None, None
    if request.method == "POST":
        try:
            if request.POST.get("step") == "propose":
                change = services.propose_operation(reason=request.POST.get("reason", ""), **asked)
                messages.success(request, _("Proposed. Another person decides among the approvals."))
                return redirect("admin:approval", change.id)
            preview = services.preview_operation(**asked)
        except CarloanError as refused:
            error = refused
    context = {
        "loan": loan,
        "operation": known,
        "inputs": counter_page.inputs(known, loan, sent, day=_day(loan), error=error),
        "effect": counter_page.effect_of(preview) if preview else None,
        "reason": request.POST.get("reason", ""),
        "error": error,
    }
    return show(request, "backoffice/counter_operation.html", context, status=error.status if error else 200)


@require_GET
@staff_page("loans.view")
def voucher(request: StaffRequest, request_id: UUID) -> HttpResponse:
    """业务凭证: a carried-out operation on paper, with maker, checker and the entries."""
    change = (
        ChangeRequest.objects.visible_to(request.user)
        .filter(id=request_id, kind__startswith=counter_page.PREFIX, state=ChangeRequest.State.EXECUTED)
        .first()
    )
    if change is None:
        raise NotFound(_("There is no such operation, or it has not been carried out."))
    loan = _loan(request, UUID(change.payload["loan_id"]))
    done: dict[str, Any] = change.result or {}
    context = {
        "number": f"{loan.number}-{change.id.hex[-8:].upper()}",
        "lender": organisations.entity(loan.legal_entity_id),
        "borrower": customers.brief(loan.borrower_ref),
        "loan": loan,
        "change": change,
        "operation": services.operation_named(change.payload["operation"]),
        "content": lambda: counter_page.content_of(change.payload),
        "effect": lambda: counter_page.effect_of(change.preview),
        "transactions": done["transactions"],
        "journal": done["journal"],
        "printed_at": request.now,
    }
    content = documents.render(template=TEMPLATE, context=context)
    response = HttpResponse(content, content_type="application/pdf")
    response["Content-Disposition"] = f'inline; filename="{context["number"]}.pdf"'
    return response
