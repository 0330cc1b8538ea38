"""A new order: the form, the vehicle search in it, and its one submission."""

from __future__ import annotations

import hashlib
from typing import Any
from uuid import UUID

import structlog
from django.core.cache import cache
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpResponse
from django.shortcuts import redirect, render, resolve_url
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods
from django_htmx.http import HttpResponseClientRedirect

from apps.applications import services as applications
from apps.common import idempotency
from apps.common.errors import BadInput, CarloanError, NotFound, NotPermitted, TooMany
from apps.documents import qr
from apps.portal.access import DealerRequest, dealer_page
from apps.portal.forms import OrderForm
from apps.portal.order_page import public_url
from apps.products import selectors as products

# Refusals that tell something about the person behind an ID number: whoever collects them is not selling cars.
_TELLING = {"customer_unknown", "customer_not_verified", "consent_missing", "application_already_open", "cooling_off"}
MOST_REFUSALS = 10
_WINDOW_S = 3600
log = structlog.get_logger(__name__)

# Where a refusal belongs in the form; others stand above it.
_FIELD_OF = {"customer_unknown": "id_number", "no_such_vehicle": "vehicle", "upload_refused": "authorisation"}


@require_http_methods(["GET", "POST"])
@dealer_page
def new_order(request: DealerRequest) -> HttpResponse:
    """Enter a customer's order and submit it. The form's own key makes a double click or a second try harmless."""
    form = OrderForm(request.POST or None, request.FILES or None)
    error: CarloanError | None = None
    if request.method == "POST" and form.is_valid():
        try:
            url = resolve_url("portal:order", order_id=_create_and_submit(request, dict(form.cleaned_data)))
            return HttpResponseClientRedirect(url) if request.htmx else redirect(url)
        except CarloanError as refused:
            _count(request, refused)
            error = _place(form, refused)
    invitation = public_url("portal:app")
    context = {
        "form": form,
        "error": error,
        "vehicle": _vehicle_or_none(form.data.get("vehicle", "")),
        "invitation": invitation,
        "invitation_qr": qr.svg(invitation),
    }
    template = "portal/parts/order_form.html" if request.htmx else "portal/order_new.html"
    return render(request, template, context, status=422 if form.errors or error else 200)


def _place(form: OrderForm, refused: CarloanError) -> CarloanError | None:
    """Put a refusal beside the fields that it is about; gives it back when it is about none."""
    if isinstance(refused, idempotency.KeyReused):
        return BadInput(_("This form was sent before with other figures. Look at your orders, or begin a new one."))
    fields = refused.fields if isinstance(refused, BadInput) else {}
    if refused.code in _FIELD_OF:
        fields = {_FIELD_OF[refused.code]: [refused.detail]}
    known = {name: texts for name, texts in fields.items() if name in form.fields}
    for name, texts in known.items():
        form.add_error(name, texts)  # type: ignore[arg-type]
    return None if known else refused


def _key(request: DealerRequest) -> str:
    return f"portal:refused:{request.user.pk}"


def _count(request: DealerRequest, refused: CarloanError) -> None:
    if refused.code in _TELLING:
        cache.add(_key(request), 0, _WINDOW_S)
        log.warning("portal.lookup_refused", user=str(request.user.pk), code=refused.code, count=cache.incr(_key(request)))


def _vehicle_or_none(text: str) -> Any:
    try:
        return products.vehicle(UUID(text))
    except (ValueError, NotFound):
        return None


def _create_and_submit(request: DealerRequest, wish: dict[str, Any]) -> str:
    if not request.consultant:
        raise NotPermitted(_("You belong to no shop: ask your manager to add you."))
    if cache.get(_key(request), 0) >= MOST_REFUSALS:
        raise TooMany(_("Too many orders of yours were refused within an hour. Please wait before you enter another."))
    upload: UploadedFile = wish.pop("authorisation")
    key = wish.pop("idempotency_key")
    content = upload.read()

    def deed() -> tuple[int, Any]:
        who: dict[str, Any] = {"actor": request.actor, "now": request.now}
        facts = {name: value for name, value in wish.items() if name != "vehicle"}
        order = applications.create_application(consultant_id=request.consultant.id, vehicle_id=wish["vehicle"], **facts, **who)
        applications.attach_authorisation(application_id=order.id, content=content, filename=upload.name or "authorisation", **who)
        applications.submit(application_id=order.id, **who)
        return 201, {"id": str(order.id)}

    said = {name: str(value) for name, value in wish.items()}
    digest = idempotency.digest_of("order", said, hashlib.sha256(content).hexdigest())
    _status, body, _replayed = idempotency.once(owner=str(request.user.pk), key=key, digest=digest, deed=deed)
    return str(body["id"])


@require_GET
@dealer_page
def search_vehicles(request: DealerRequest) -> HttpResponse:
    """Vehicles while typing."""
    text = request.GET.get("q", "").strip()[:60]
    return render(request, "portal/parts/vehicles.html", {"vehicles": products.search_vehicles(text) if text else [], "q": text})
