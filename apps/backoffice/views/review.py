"""Manual credit review: one page with everything for the decision, and the decision."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from apps.applications import selectors as applications
from apps.applications import services as application_services
from apps.backoffice import queue
from apps.backoffice.access import StaffRequest, show, staff_page
from apps.backoffice.case import REASONS, case_page, sum_of
from apps.backoffice.forms import CalculatorForm, DecisionForm
from apps.common.errors import CarloanError


def _case(request: StaffRequest, application_id: UUID) -> applications.ReviewCase:
    applications.visible_order(request.user, application_id)
    return applications.review_case(application_id)


def _show(request: StaffRequest, application_id: UUID, *, error: CarloanError | None = None, form: Any = None) -> HttpResponse:
    context = {
        "page": case_page(_case(request, application_id), request.user, request.now),
        "queue": queue.mine_and_waiting(request.user, request.now),
        "reasons": REASONS["review"],
        "error": error,
        "form": form,
    }
    return show(request, "backoffice/review.html", context, status=error.status if error else 200)


@require_GET
@staff_page("applications.view")
def review(request: StaffRequest, application_id: UUID) -> HttpResponse:
    """An order with all that is known of it."""
    return _show(request, application_id)


@require_POST
@staff_page("applications.review")
def decide(request: StaffRequest, application_id: UUID) -> HttpResponse:
    """Approve, decline, or ask for more papers; refused decisions come back to the page with their reason."""
    order = applications.visible_order(request.user, application_id)
    form = DecisionForm(request.POST)
    try:
        wish = form.read()
        application_services.review(
            application_id=application_id,
            outcome=wish["outcome"],
            reason=wish["reason"],
            approved_amount=wish["approved_amount"],
            grade=wish["grade"],
            actor=request.actor,
            now=request.now,
        )
    except CarloanError as error:
        return _show(request, application_id, error=error, form=form)
    said = {"approve": _("%(number)s approved."), "decline": _("%(number)s declined."), "more_info": _("%(number)s sent back for papers.")}
    messages.success(request, said[wish["outcome"]] % {"number": order.number})
    return redirect("admin:workbench")


@require_POST
@staff_page("applications.review")
def screen_again(request: StaffRequest, application_id: UUID) -> HttpResponse:
    """Back to the machine, e.g. when a source that was out answers again."""
    order = applications.visible_order(request.user, application_id)
    try:
        application_services.screen_again(
            application_id=application_id, reason=request.POST.get("reason", "")[:300], actor=request.actor, now=request.now
        )
    except CarloanError as error:
        return _show(request, application_id, error=error, form=DecisionForm(request.POST))
    messages.success(request, _("%(number)s is being screened again.") % {"number": order.number})
    return redirect("admin:workbench")


@require_GET
@staff_page("applications.view")
def calculator(request: StaffRequest, application_id: UUID) -> HttpResponse:
    """Other terms tried out on the same person; a part of the page."""
    case = _case(request, application_id)
    form = CalculatorForm(request.GET)
    wish = form.cleaned_data if form.is_valid() else {}
    rate = wish.get("rate")
    answer = sum_of(
        case, amount=wish.get("amount"), annual_rate=None if rate is None else rate / 100, term=wish.get("term"), now=request.now
    )
    status = 422 if form.errors or answer.problem else 200
    return render(request, "backoffice/parts/sum.html", {"sum": answer, "form": form}, status=status)
