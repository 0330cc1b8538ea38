"""Orders of a consultant or a shop: the list, the page of one order, its parts anew, its voucher."""

from __future__ import annotations

import datetime as dt
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.core.paginator import Paginator
from django.db.models import Count, QuerySet
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods
from django_htmx.http import replace_url

from apps.applications import selectors as applications
from apps.common import clock
from apps.common.errors import NotFound
from apps.portal import order_page, progress
from apps.portal.access import DealerRequest, dealer_page

PAGE_SIZE = 20


@require_http_methods(["GET", "POST"])
@dealer_page
def orders(request: DealerRequest) -> HttpResponse:
    """My orders, or the shop's, by whose turn it is, newest first.

    Searches are posted, since addresses end in logs and in the browser's memory: only an order's number may stand in one.
    """
    asked = request.POST if request.method == "POST" else request.GET
    group = asked.get("group", "all")
    group = group if group in progress.GROUPS else "all"
    search = asked.get("q", "").strip()[:40]
    public = applications.is_order_number(search)
    if request.method == "GET" and search and not public:
        return redirect("portal:orders")
    found = applications.orders_of(request.user, search=search)
    counts = _counts(found)
    states = progress.GROUPS[group][1]
    shown = (found.filter(state__in=states) if states else found).select_related("vehicle__series__brand")
    page = Paginator(shown, PAGE_SIZE).get_page(asked.get("page"))
    context = {
        "page": page,
        "lines": [_line(row, request.now) for row in page],
        "group": group,
        "groups": [(code, name, counts[code]) for code, (name, _states) in progress.GROUPS.items()],
        "q": search,
        "now_ms": int(request.now.timestamp() * 1000),
        "today": clock.local_date(request.now),
    }
    if not request.htmx:
        return render(request, "portal/orders.html", context)
    address = {"group": group} | ({"q": search} if public else {}) | ({"page": page.number} if page.number > 1 else {})
    return replace_url(render(request, "portal/parts/order_list.html", context), f"{request.path}?{urlencode(address)}")


def _line(row: Any, now: dt.datetime) -> dict[str, Any]:
    """An order of the list with its sign and, while the promise runs, its clock."""
    runs = row.state not in progress.ENDED | {"vouchered", "delivered"}
    sla = progress.sla_of(submitted_at=row.submitted_at, due_at=row.sla_due_at, kept_at=None, state=row.state, now=now) if runs else None
    return {"order": row, "sla": sla, "tone": progress.tone_of(row.state)}


def _counts(found: QuerySet[Any]) -> dict[str, int]:
    by_state = dict(found.order_by().values_list("state").annotate(n=Count("id")))
    return {
        code: sum(count for state, count in by_state.items() if not states or state in states)
        for code, (_name, states) in progress.GROUPS.items()
    }


@require_GET
@dealer_page
def order(request: DealerRequest, order_id: UUID) -> HttpResponse:
    """One order with everything that the consultant may know."""
    return render(request, "portal/order.html", {"page": order_page.build(order_page.glance(request.user, order_id), now=request.now)})


@require_GET
@dealer_page
def live(request: DealerRequest, order_id: UUID) -> HttpResponse:
    """The order's parts anew, or 204 when nothing changed since the version that the page shows."""
    seen = order_page.glance(request.user, order_id)
    if request.GET.get("v") == seen.version:
        return HttpResponse(status=204)
    return render(request, "portal/parts/order.html", {"page": order_page.build(seen, now=request.now)})


@require_GET
@dealer_page
def voucher(request: DealerRequest, order_id: UUID) -> HttpResponse:
    """The voucher by itself: to show, to scan, to print."""
    page = order_page.build(order_page.glance(request.user, order_id), now=request.now)
    if page.voucher is None:
        raise NotFound(_("There is no voucher yet. Do not hand over the car."))
    return render(request, "portal/voucher.html", {"page": page})
