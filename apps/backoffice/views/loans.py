"""Loan 360° and the statement for printing."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_GET

from apps.backoffice.access import StaffRequest, show, staff_page
from apps.backoffice.loan_page import loan_page
from apps.loans import selectors as loans


def _loan(request: HttpRequest, loan_id: UUID) -> Any:
    found = loans.loans(request.user).filter(id=loan_id).first()
    if found is None:
        raise loans.LoanUnknown
    return found


@require_GET
@staff_page("loans.view")
def loan(request: StaffRequest, loan_id: UUID) -> HttpResponse:
    """A loan from all sides."""
    may_operate = request.user.can("loans.adjust")  # type: ignore[union-attr]
    return show(request, "backoffice/loan.html", {"page": loan_page(_loan(request, loan_id), request.user), "may_operate": may_operate})


@require_GET
@staff_page("loans.view")
def statement(request: StaffRequest, loan_id: UUID) -> HttpResponse:
    """The loan's transactions on paper."""
    return show(request, "backoffice/statement.html", {"page": loan_page(_loan(request, loan_id), request.user), "now": request.now})
