"""What several pages use: papers, values in clear, and the way from a list's row to its page."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_GET, require_POST

from apps.backoffice.access import StaffRequest, show, staff_page
from apps.customers import services as customers
from apps.documents import services as documents


@require_GET
@staff_page("documents.view")
def document(request: StaffRequest, document_id: UUID) -> HttpResponse:
    """A paper out of the archive, shown in the browser; who took it out is written down."""
    paper = documents.download(document_id=document_id, actor=request.actor, now=request.now)
    disposition = "attachment" if "download" in request.GET else "inline"
    headers = {"Content-Disposition": f"{disposition}; filename*=UTF-8''{quote(paper.filename)}"}
    return HttpResponse(paper.content, content_type=paper.content_type, headers=headers)


@require_POST
@staff_page("customers.unmask")
def unmask(request: StaffRequest, customer_id: UUID) -> HttpResponse:
    """One value of a customer in clear, for a reason that is written down."""
    told = customers.unmask(
        customer_id=customer_id,
        field=request.POST.get("field", ""),
        reason=request.POST.get("reason", ""),
        actor=request.actor,
        now=request.now,
    )
    return show(request, "backoffice/parts/unmasked.html", {"told": told})


def to_page(name: str) -> Callable[..., HttpResponse]:
    """A view that sends a list's row link to the page of the thing; the page asks for permission and scope."""

    @require_GET
    def onward(request: HttpRequest, object_id: UUID) -> HttpResponse:
        return redirect(name, object_id)

    return onward
