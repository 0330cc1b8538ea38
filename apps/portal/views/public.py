"""Pages for everybody: verifying a paper, the calculator, what a phone needs to install the portal."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.templatetags.static import static
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods

from apps.common import clock
from apps.common.errors import CarloanError
from apps.disbursement import selectors as disbursement
from apps.documents import selectors as documents
from apps.documents import services as document_services
from apps.loans.domain import BadTerms, quote_from_json
from apps.portal.forms import CalculatorForm

MAX_FILE_BYTES = 20 * 1024 * 1024


def home(request: HttpRequest) -> HttpResponse:
    """Each to the own pages: dealers to their orders, staff to the back office, others to the log-in."""
    if not request.user.is_authenticated:
        return redirect("portal:login")
    return redirect("admin:index" if request.user.is_staff else "portal:orders")


@require_http_methods(["GET", "POST"])
def verify(request: HttpRequest) -> HttpResponse:
    """Is this contract, voucher or certificate genuine and unchanged? By its number, or by the file itself."""
    context: dict[str, Any] = {"number": request.GET.get("number", "").strip()[:64]}
    if request.method == "POST":
        upload = request.FILES.get("file")
        if upload is None or upload.size is None or upload.size > MAX_FILE_BYTES:
            context["problem"] = _("Choose a PDF file of at most 20 MB.")
        else:
            context["verification"] = document_services.verify(upload.read())
    elif context["number"]:
        context["document"] = documents.by_number(context["number"])
        context["voucher"] = disbursement.voucher_by_number(context["number"])
    return render(request, "portal/verify.html", context, status=422 if context.get("problem") else 200)


@require_GET
def calculator(request: HttpRequest) -> HttpResponse:
    """Monthly payment and full cost, without log-in."""
    form = CalculatorForm(request.GET if "principal" in request.GET else None)
    context: dict[str, Any] = {"form": form}
    if form.is_bound and form.is_valid():
        try:
            context["quote"] = quote_from_json(_quote_request(form.cleaned_data, clock.local_date(clock.now())))
        except (BadTerms, CarloanError) as error:
            context["problem"] = str(error)
    template = "portal/parts/quote.html" if getattr(request, "htmx", False) else "portal/calculator.html"
    return render(request, template, context, status=422 if form.errors or context.get("problem") else 200)


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
def manifest(request: HttpRequest) -> JsonResponse:
    """Makes the portal installable on a phone."""
    return JsonResponse(
        {
            "name": _("Carloan dealer portal"),
            "short_name": _("Carloan"),
            "start_url": reverse("portal:orders"),
            "display": "standalone",
            "background_color": "#f3f5f4",
            "theme_color": "#0f3a44",
            "icons": [{"src": static("img/logo.svg"), "sizes": "any", "type": "image/svg+xml"}],
        },
        content_type="application/manifest+json",
    )
