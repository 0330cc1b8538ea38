"""Loan 360° and the customer's statement of account."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import forms
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_GET

from apps.backoffice.access import StaffRequest, show, staff_page
from apps.backoffice.loan_beside import loan_beside
from apps.backoffice.loan_page import METHODS, loan_page
from apps.common.errors import BadInput, CarloanError
from apps.customers import selectors as customers
from apps.loans import selectors as loans
from apps.postloan import services as postloan


def visible_loan(request: HttpRequest, loan_id: UUID) -> Any:
    """A loan within the person's scope. Raises `LoanUnknown`."""
    found = loans.loans(request.user).filter(id=loan_id).first()
    if found is None:
        raise loans.LoanUnknown
    return found


@require_GET
@staff_page("loans.view")
def loan(request: StaffRequest, loan_id: UUID) -> HttpResponse:
    """A loan from all sides."""
    return loan_response(request, visible_loan(request, loan_id))


def loan_response(request: StaffRequest, found: Any, *, error: CarloanError | None = None) -> HttpResponse:
    """The page of a loan; with why a deed on it was refused."""
    page, user = loan_page(found, request.user), request.user
    context = {
        "page": page,
        "beside": loan_beside(found, user, page.day),
        "may_operate": user.can("loans.adjust"),  # type: ignore[union-attr]
        "error": error,
    }
    return show(request, "backoffice/loan.html", context, status=error.status if error else 200)


class PeriodForm(forms.Form):
    """The days of a statement."""

    start = forms.DateField(required=False, label=_("From"))
    end = forms.DateField(required=False, label=_("To"))


@require_GET
@staff_page("loans.view")
def statement(request: StaffRequest, loan_id: UUID) -> HttpResponse:
    """The customer's statement of account 客户对账单: on the screen, and as PDF for the customer."""
    found, form = visible_loan(request, loan_id), PeriodForm(request.GET)
    if not form.is_valid():
        raise BadInput(fields={name: [str(text) for text in texts] for name, texts in form.errors.items()})
    asked = {"loan": found, "first": form.cleaned_data["start"], "last": form.cleaned_data["end"]}
    if request.GET.get("form") == "pdf":
        paper = postloan.print_statement(**asked, now=request.now)
        headers = {"Content-Disposition": f'inline; filename="{found.number}.pdf"'}
        return HttpResponse(paper, content_type="application/pdf", headers=headers)
    context = {
        "loan": found,
        "told": postloan.customer_statement(**asked),
        "customer": customers.brief(found.borrower_ref),
        "method": METHODS.get(found.terms["method"], found.terms["method"]),
        "now": request.now,
    }
    return show(request, "backoffice/statement.html", context)
