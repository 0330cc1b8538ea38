"""Pages for everybody: verifying a paper, the calculator, the way into the customer's app, what a phone needs to install the portal."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.templatetags.static import static
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_http_methods

from apps.common import clock
from apps.contracts import selectors as contracts
from apps.disbursement import selectors as disbursement
from apps.documents import selectors as documents
from apps.documents import services as document_services
from apps.loans.domain import BadTerms, quote_from_json
from apps.portal.forms import CalculatorForm

NUMBER_LENGTH = 64
_TOO_LARGE = gettext_lazy("Choose a PDF file of at most %(limit)s MB.")


def home(request: HttpRequest) -> HttpResponse:
    """Each to the own pages: dealers to their orders, staff to the back office, others to the log-in."""
    if not request.user.is_authenticated:
        return redirect("portal:login")
    return redirect("admin:index" if request.user.is_staff else "portal:orders")


@require_http_methods(["GET", "POST"])
def verify(request: HttpRequest) -> HttpResponse:
    """Is this contract, voucher or certificate genuine and unchanged, and does it stand? By its number, or by the file itself."""
    context: dict[str, Any] = {"number": request.GET.get("number", "").strip().upper()[:NUMBER_LENGTH]}
    if request.method == "POST":
        upload = request.FILES.get("file")
        if upload is None or not upload.size or upload.size > settings.UPLOAD_MAX_BYTES:
            context["problem"] = _TOO_LARGE % {"limit": settings.UPLOAD_MAX_BYTES // 2**20}
        else:
            checked = document_services.verify(upload.read())
            context |= {"verification": checked, "filename": upload.name} | (_fate(checked.number) if checked.valid else {})
    elif context["number"]:
        context["voucher"] = disbursement.voucher_by_number(context["number"])
        context["document"] = None if context["voucher"] else documents.by_number(context["number"])
        context |= {"looked_up": True} | _fate(context["number"])
    return render(request, "portal/verify.html", context, status=422 if context.get("problem") else 200)


def _fate(number: str) -> dict[str, Any]:
    """What became of a genuine paper since: a contract voided, a voucher revoked."""
    voucher = disbursement.voucher_by_number(number) if number else None
    return {"voided_at": contracts.voided_at(number) if number else None, "revoked": voucher is not None and voucher.state == "revoked"}


@require_GET
def calculator(request: HttpRequest) -> HttpResponse:
    """Monthly payment and full cost, without log-in."""
    asked = "principal" in request.GET
    form = CalculatorForm(request.GET if asked else None)
    context: dict[str, Any] = {"form": form}
    if asked and form.is_valid():
        try:
            quote = quote_from_json(_quote_request(form.cleaned_data, clock.local_date(clock.now())))
        except BadTerms:
            form.add_error(None, _("These figures give no loan. Change the amount, the rate or the instalments."))
        else:
            paid = form.cleaned_data["principal"] + Decimal(quote["total_cost"])
            context |= {"quote": quote, "wish": form.cleaned_data, "total_paid": paid, "last": quote["schedule"][-1]}
    template = "portal/parts/calculator.html" if getattr(request, "htmx", False) else "portal/calculator.html"
    return render(request, template, context, status=422 if asked and form.errors else 200)


def _quote_request(wish: dict[str, Any], today: dt.date) -> dict[str, Any]:
    start = today.replace(day=min(today.day, 28))
    first_due = (start.replace(day=1) + dt.timedelta(days=32)).replace(day=start.day)
    text = {name: str(value) for name, value in wish.items() if name != "installments"}
    return text | {
        "installments": wish["installments"],
        "day_count": "30/360",
        "start": start.isoformat(),
        "first_due": first_due.isoformat(),
    }


@require_GET
def app_page(request: HttpRequest, order_id: UUID | None = None) -> HttpResponse:
    """Where the code on the consultant's screen leads a phone: into the app, or to how to get there. Says nothing about the order."""
    link = f"carloan://orders/{order_id}" if order_id else "carloan://register"
    return render(request, "portal/app.html", {"link": link, "order_id": order_id})


@require_GET
def manifest(request: HttpRequest) -> JsonResponse:
    """Makes the portal installable on a phone."""
    return JsonResponse(
        {
            "id": "/",
            "name": _("Carloan dealer portal"),
            "short_name": _("Carloan"),
            "start_url": reverse("portal:orders"),
            "scope": "/",
            "display": "standalone",
            "background_color": "#f3f5f4",
            "theme_color": "#0f3a44",
            "icons": [{"src": static("img/logo.svg"), "sizes": "any", "type": "image/svg+xml", "purpose": "any"}],
        },
        content_type="application/manifest+json",
    )
