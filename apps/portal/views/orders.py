"""Orders of a consultant or a shop."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.core.paginator import Paginator
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from apps.applications import selectors as applications
from apps.applications import services as application_services
from apps.common import clock, idempotency
from apps.common.errors import BadInput, CarloanError, NotFound
from apps.contracts import selectors as contracts
from apps.contracts import services as contract_services
from apps.dealers import selectors as dealers
from apps.disbursement import selectors as disbursement
from apps.disbursement import services as disbursement_services
from apps.documents import services as documents
from apps.portal import order_page
from apps.portal.access import DealerRequest, dealer_page
from apps.portal.forms import OrderForm
from apps.postloan import services as postloan_services
from apps.products import selectors as products

GROUPS: dict[str, tuple[str, ...]] = {
    "all": (),
    "mine": ("draft", "more_info", "offered", "accepted", "vouchered"),
    "waiting": ("submitted", "screening", "manual_review", "contracting", "signed", "disbursement_review", "approved"),
    "done": ("delivered", "completed"),
    "ended": ("declined", "refused", "withdrawn", "expired", "cancelled"),
}


def _order(request: HttpRequest, order_id: UUID) -> applications.PortalOrder:
    applications.visible_order(request.user, order_id)
    return applications.portal_order(order_id)


def _page(request: DealerRequest, order_id: UUID) -> order_page.OrderPage:
    verify_url = request.build_absolute_uri(reverse("portal:verify"))
    return order_page.build(_order(request, order_id), verify_url=verify_url, now=request.now)


@require_GET
@dealer_page
def orders(request: DealerRequest) -> HttpResponse:
    """My orders, or the shop's, by group, newest first."""
    group = request.GET.get("group", "all")
    found = applications.orders_of(request.user, states=GROUPS.get(group, ()), search=request.GET.get("q", ""))
    page = Paginator(found, 20).get_page(request.GET.get("page"))
    groups = [("all", _("All")), ("mine", _("My turn")), ("waiting", _("Waiting")), ("done", _("Done")), ("ended", _("Ended"))]
    context = {
        "page": page,
        "group": group,
        "groups": groups,
        "q": request.GET.get("q", ""),
        "now": request.now,
        "today": clock.local_date(request.now),
    }
    return render(request, "portal/parts/order_list.html" if request.htmx else "portal/orders.html", context)  # type: ignore[attr-defined]


@require_http_methods(["GET", "POST"])
@dealer_page
def new_order(request: DealerRequest) -> HttpResponse:
    """Enter a customer's order and submit it. The form's own key makes a double click harmless."""
    form = OrderForm(request.POST or None, request.FILES or None)
    error: CarloanError | None = None
    if request.method == "POST" and form.is_valid():
        try:
            return redirect("portal:order", order_id=_create_and_submit(request, form.cleaned_data))
        except CarloanError as refused:
            error = refused
    vehicle = None
    if form.data.get("vehicle"):
        vehicle = _vehicle_or_none(form.data["vehicle"])
    status = 422 if form.errors or error else 200
    return render(request, "portal/order_new.html", {"form": form, "error": error, "vehicle": vehicle}, status=status)


def _vehicle_or_none(text: str) -> Any:
    try:
        return products.vehicle(UUID(text))
    except (ValueError, NotFound):
        return None


def _create_and_submit(request: DealerRequest, wish: dict[str, Any]) -> str:
    upload = wish.pop("authorisation")
    key = wish.pop("idempotency_key")

    def deed() -> tuple[int, Any]:
        consultant = dealers.consultant_of(request.user.pk)
        vehicle_id = wish.pop("vehicle")
        order = application_services.create_application(
            consultant_id=consultant.id, vehicle_id=vehicle_id, **wish, actor=request.actor, now=request.now
        )
        application_services.attach_authorisation(
            application_id=order.id, content=upload.read(), filename=upload.name, actor=request.actor, now=request.now
        )
        application_services.submit(application_id=order.id, actor=request.actor, now=request.now)
        return 201, {"id": str(order.id)}

    digest = idempotency.digest_of("order", {name: str(value) for name, value in wish.items()})
    _status, body, _replayed = idempotency.once(owner=str(request.user.pk), key=key, digest=digest, deed=deed)
    return str(body["id"])


@require_GET
@dealer_page
def order(request: DealerRequest, order_id: UUID) -> HttpResponse:
    """One order with everything that the consultant may know."""
    return render(request, "portal/order.html", {"page": _page(request, order_id)})


@require_GET
@dealer_page
def live(request: DealerRequest, order_id: UUID) -> HttpResponse:
    """The order's parts anew, or 204 when nothing changed since the version that the page shows."""
    page = _page(request, order_id)
    if request.GET.get("v") == page.version:
        return HttpResponse(status=204)
    return render(request, "portal/parts/order.html", {"page": page})


@require_POST
@dealer_page
def make_contract(request: DealerRequest, order_id: UUID) -> HttpResponse:
    """Have the contract made; it appears when it is rendered."""
    _order(request, order_id)
    contract_services.generate_contract(application_id=order_id, actor=request.actor, now=request.now)
    return redirect("portal:order", order_id=order_id)


@require_POST
@dealer_page
def pick_up(request: DealerRequest, order_id: UUID) -> HttpResponse:
    """The customer drives away: the voucher is used."""
    _order(request, order_id)
    voucher = disbursement.voucher_of(order_id)
    if voucher is None:
        raise NotFound(_("There is no voucher yet. Do not hand over the car."))
    disbursement_services.use_voucher(voucher_id=voucher.id, actor=request.actor, now=request.now)
    return redirect("portal:order", order_id=order_id)


@require_POST
@dealer_page
def withdraw(request: DealerRequest, order_id: UUID) -> HttpResponse:
    """The customer does not want it any more."""
    _order(request, order_id)
    application_services.withdraw(application_id=order_id, reason=request.POST.get("reason", ""), actor=request.actor, now=request.now)
    return redirect("portal:order", order_id=order_id)


@require_POST
@dealer_page
def upload_paper(request: DealerRequest, order_id: UUID, kind: str) -> HttpResponse:
    """A delivery paper, photographed or as PDF."""
    _order(request, order_id)
    upload = request.FILES.get("file")
    if upload is None:
        raise BadInput(_("Choose a photo or a PDF first."))
    with transaction.atomic():
        postloan_services.receive_paper(
            application_id=order_id, kind=kind, content=upload.read(), filename=upload.name or kind, actor=request.actor, now=request.now
        )
    if request.htmx:  # type: ignore[attr-defined]
        return render(request, "portal/parts/order.html", {"page": _page(request, order_id)})
    return redirect("portal:order", order_id=order_id)


@require_GET
@dealer_page
def voucher_pdf(request: DealerRequest, order_id: UUID) -> HttpResponse:
    """The sealed voucher as PDF."""
    _order(request, order_id)
    voucher = disbursement.voucher_of(order_id)
    if voucher is None or voucher.document_ref is None:
        raise NotFound(_("There is no voucher yet. Do not hand over the car."))
    return _pdf(documents.read(voucher.document_ref), f"{voucher.number}.pdf")


@require_GET
@dealer_page
def contract_pdf(request: DealerRequest, order_id: UUID) -> HttpResponse:
    """The contract as PDF: signed when it is signed."""
    _order(request, order_id)
    contract = contracts.contract_of(order_id)
    if contract is None or contract.document_id is None:
        raise NotFound(_("The contract is not ready yet."))
    return _pdf(documents.read(contract.document_id), f"{contract.number}.pdf")


def _pdf(content: bytes, filename: str) -> HttpResponse:
    return HttpResponse(content, content_type="application/pdf", headers={"Content-Disposition": f'inline; filename="{filename}"'})


@require_GET
@dealer_page
def search_vehicles(request: DealerRequest) -> HttpResponse:
    """Vehicles while typing."""
    text = request.GET.get("q", "").strip()
    return render(request, "portal/parts/vehicles.html", {"vehicles": products.search_vehicles(text) if text else [], "q": text})
