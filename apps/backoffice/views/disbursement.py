"""Disbursement review: the last look before the voucher and the transfer."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from apps.backoffice import queue
from apps.backoffice.access import StaffRequest, show, staff_page
from apps.backoffice.case import REASONS
from apps.backoffice.forms import DecisionForm
from apps.backoffice.payment import payment_page
from apps.common.errors import CarloanError, NotFound
from apps.disbursement import selectors as disbursement
from apps.disbursement import services


def _payment(request: HttpRequest, disbursement_id: UUID) -> Any:
    found = disbursement.disbursements_of(request.user).filter(id=disbursement_id).first()
    if found is None:
        raise NotFound(_("There is no such disbursement."))
    return found


def _show(request: StaffRequest, disbursement_id: UUID, *, error: CarloanError | None = None, form: Any = None) -> HttpResponse:
    context = {
        "page": payment_page(_payment(request, disbursement_id), request.user, request.now),
        "queue": queue.mine_and_waiting(request.user, request.now),
        "reasons": REASONS["disbursement"],
        "error": error,
        "form": form,
    }
    return show(request, "backoffice/disbursement.html", context, status=error.status if error else 200)


@require_GET
@staff_page("disbursement.view")
def disbursement_page(request: StaffRequest, disbursement_id: UUID) -> HttpResponse:
    """A payment with everything that must hold before money moves."""
    return _show(request, disbursement_id)


@require_POST
@staff_page("disbursement.review")
def decide(request: StaffRequest, disbursement_id: UUID) -> HttpResponse:
    """Approve, refuse, or send back for a new contract."""
    payment = _payment(request, disbursement_id)
    form = DecisionForm(request.POST)
    try:
        wish = form.read()
        services.review_disbursement(
            disbursement_id=disbursement_id, outcome=wish["outcome"], reason=wish["reason"], actor=request.actor, now=request.now
        )
    except CarloanError as error:
        return _show(request, disbursement_id, error=error, form=form)
    said = {
        "approve": _("%(number)s approved: the voucher is issued, the transfer follows."),
        "refuse": _("%(number)s refused."),
        "return": _("%(number)s sent back: the contract is made again."),
    }
    messages.success(request, said[wish["outcome"]] % {"number": payment.number})
    return redirect("admin:workbench")


@require_POST
@staff_page("disbursement.pay")
def send_again(request: StaffRequest, disbursement_id: UUID) -> HttpResponse:
    """Route a payment that certainly failed once more."""
    payment = _payment(request, disbursement_id)
    services.reroute(disbursement_id=payment.id, actor=request.actor, now=request.now)
    messages.success(request, _("%(number)s is on its way again.") % {"number": payment.number})
    return redirect("admin:disbursement", payment.id)
