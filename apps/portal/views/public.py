"""Pages for everybody: verifying a paper, the calculator, the way into the customer's app, what a phone needs to install the portal."""

from __future__ import annotations

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
from apps.organisations import selectors as organisations
from apps.portal.forms import CalculatorForm
from apps.postloan import selectors as postloan
from apps.products import services as products
from apps.products.services.plans import CostAboveCap, QuoteRefused

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
    """What became of a genuine paper since: a contract voided, a certificate withdrawn, a voucher revoked or run out unused."""
    voucher = disbursement.voucher_by_number(number) if number else None
    return {
        "voided_at": (contracts.voided_at(number) or postloan.withdrawn_at(number)) if number else None,
        "revoked": voucher is not None and voucher.state == "revoked",
        "run_out": voucher is not None and voucher.state == "issued" and voucher.valid_until < clock.local_date(clock.now()),
    }


@require_GET
def calculator(request: HttpRequest) -> HttpResponse:
    """Monthly payment and full cost of a loan taken today, without log-in; above the lender's cap of today it is refused."""
    asked = "principal" in request.GET
    form = CalculatorForm(request.GET if asked else None, lenders=organisations.entities())
    context: dict[str, Any] = {"form": form}
    if asked and form.is_valid():
        wish = form.cleaned_data
        try:
            quote = products.calculate(
                legal_entity_id=wish["lender"],
                principal=wish["principal"],
                annual_rate=wish["annual_rate"] / 100,
                installments=wish["installments"],
                method=wish["method"],
                on=clock.local_date(clock.now()),
            )
        except CostAboveCap as refused:
            form.add_error("annual_rate", refused.detail)
        except QuoteRefused:
            form.add_error(None, _("These figures give no loan. Change the amount, the rate or the instalments."))
        else:
            context |= {"quote": quote, "rows": quote.schedule.rows, "wish": wish, "total_paid": wish["principal"] + quote.total_cost}
    template = "portal/parts/calculator.html" if getattr(request, "htmx", False) else "portal/calculator.html"
    return render(request, template, context, status=422 if asked and form.errors else 200)


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
