"""A payment without a result: what is known of it, and a person's proposal how it ended, for another person to decide."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from apps.backoffice.access import StaffRequest, show, staff_page
from apps.common.errors import BadInput, CarloanError, NotFound
from apps.common.models import ChangeRequest
from apps.common.money import parse_money
from apps.disbursement import selectors as disbursement
from apps.disbursement import services

WAITING = ("submitted", "processing", "unknown")


def _show(request: StaffRequest, order_no: str, *, error: CarloanError | None = None) -> HttpResponse:
    payment = _payment(request, order_no)
    open_ones = ChangeRequest.objects.visible_to(request.user).filter(subject=order_no, state__in=["proposed", "failed"])
    context = {
        "payment": payment,
        "order_no": order_no,
        "is_out": hasattr(payment, "payee_label"),
        "notices": disbursement.notices_of(request.user, order_no),
        "proposal": open_ones.first(),
        "may_propose": payment.state in WAITING and request.user.can("disbursement.pay"),  # type: ignore[union-attr]
        "error": error,
        "data": request.POST,
    }
    return show(request, "backoffice/payment_result.html", context, status=error.status if error else 200)


def _payment(request: HttpRequest, order_no: str) -> Any:
    found = disbursement.payment_under(request.user, order_no)
    if found is None:
        raise NotFound(_("There is no payment with this order number."))
    return found


@require_GET
@staff_page("disbursement.view")
def payment_result(request: StaffRequest, order_no: str) -> HttpResponse:
    """Order, state, what the bank has said, and the proposal that waits."""
    return _show(request, order_no)


def _amount_that_came(text: str) -> Decimal | None:
    try:
        return parse_money(text) if text else None
    except ValueError:
        raise BadInput(fields={"amount": [_("Enter an amount in yuan, such as 1234.50.")]}) from None


@require_POST
@staff_page("disbursement.pay")
def propose(request: StaffRequest, order_no: str) -> HttpResponse:
    """Propose that the payment succeeded or failed."""
    _payment(request, order_no)
    try:
        services.propose_result(
            order_no=order_no,
            outcome=request.POST.get("outcome", ""),
            bank_ref=request.POST.get("bank_ref", ""),
            reason=request.POST.get("reason", ""),
            amount=_amount_that_came(request.POST.get("amount", "").strip()),
            actor=request.actor,
            now=request.now,
        )
    except CarloanError as error:
        return _show(request, order_no, error=error)
    messages.success(request, _("Proposed. Another person decides among the approvals."))
    return redirect("admin:payment_result", order_no)
