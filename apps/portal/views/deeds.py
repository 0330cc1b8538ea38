"""What a consultant does on an order's page. Each deed may be sent twice without harm.

With HTMX the answer tells the page to look for news (`order-changed`), or brings the refusal; without, the order's page follows.
"""

from __future__ import annotations

from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST
from django_htmx.http import trigger_client_event

from apps.applications import selectors as applications
from apps.applications import services as application_services
from apps.common import clock
from apps.common.errors import BadInput, CarloanError, NotFound
from apps.contracts import services as contract_services
from apps.disbursement import selectors as disbursement
from apps.disbursement import services as disbursement_services
from apps.portal.access import DealerRequest, dealer_page
from apps.postloan import selectors as postloan
from apps.postloan import services as postloan_services


def _done(request: DealerRequest, order_id: UUID, response: HttpResponse | None = None) -> HttpResponse:
    if request.htmx:
        return trigger_client_event(response or HttpResponse(status=204), "order-changed")
    return redirect("portal:order", order_id=order_id)


@require_POST
@dealer_page
def submit_again(request: DealerRequest, order_id: UUID) -> HttpResponse:
    """Hand the order in once more, with a better authorisation when one is sent along."""
    applications.visible_order(request.user, order_id)
    upload = request.FILES.get("authorisation")
    if upload is not None:
        application_services.attach_authorisation(
            application_id=order_id,
            content=upload.read(),
            filename=upload.name or "authorisation",
            actor=request.actor,
            now=request.now,
        )
    application_services.submit(application_id=order_id, actor=request.actor, now=request.now)
    return _done(request, order_id)


@require_POST
@dealer_page
def apply_again(request: DealerRequest, order_id: UUID) -> HttpResponse:
    """Have an order with plans screened once more, when something about the customer has become better."""
    applications.visible_order(request.user, order_id)
    reason = request.POST.get("reason", "")[:300]
    application_services.apply_again(application_id=order_id, reason=reason, actor=request.actor, now=request.now)
    return _done(request, order_id)


@require_POST
@dealer_page
def make_contract(request: DealerRequest, order_id: UUID) -> HttpResponse:
    """Have the contract made; it appears when it is rendered."""
    applications.visible_order(request.user, order_id)
    contract_services.generate_contract(application_id=order_id, actor=request.actor, now=request.now)
    return _done(request, order_id)


@require_POST
@dealer_page
def pick_up(request: DealerRequest, order_id: UUID) -> HttpResponse:
    """The customer drives away: the voucher is used."""
    order = applications.visible_order(request.user, order_id)
    voucher = disbursement.voucher_of(order_id)
    if voucher is None:
        raise NotFound(_("There is no voucher yet. Do not hand over the car."))
    if order.state not in {"delivered", "completed"}:
        disbursement_services.use_voucher(voucher_id=voucher.id, actor=request.actor, now=request.now)
    return _done(request, order_id)


@require_POST
@dealer_page
def withdraw(request: DealerRequest, order_id: UUID) -> HttpResponse:
    """The customer does not want it any more."""
    applications.visible_order(request.user, order_id)
    reason = request.POST.get("reason", "")[:300]
    application_services.withdraw(application_id=order_id, reason=reason, actor=request.actor, now=request.now)
    return _done(request, order_id)


@require_POST
@dealer_page
def upload_paper(request: DealerRequest, order_id: UUID, kind: str) -> HttpResponse:
    """A delivery paper, photographed or as PDF. With HTMX its row comes back, with the reason when it was refused."""
    applications.visible_order(request.user, order_id)
    upload = request.FILES.get("file")
    try:
        if upload is None:
            raise BadInput(_("Choose a photo or a PDF first."))
        postloan_services.receive_paper(
            application_id=order_id, kind=kind, content=upload.read(), filename=upload.name or kind, actor=request.actor, now=request.now
        )
    except CarloanError as refused:
        if not request.htmx:
            raise
        return _paper_row(request, order_id, kind, refused)
    return _done(request, order_id, _paper_row(request, order_id, kind) if request.htmx else None)


def _paper_row(request: DealerRequest, order_id: UUID, kind: str, refused: CarloanError | None = None) -> HttpResponse:
    paper = next((paper for paper in postloan.papers_of(order_id) if paper.kind == kind), None)
    if paper is None:
        raise refused or NotFound
    context = {"paper": paper, "order_id": order_id, "refused": refused, "today": clock.local_date(request.now)}
    return render(request, "portal/parts/paper.html", context, status=refused.status if refused else 200)
