"""Maker and checker: proposals that wait for a second person, with what they would do."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.text import Truncator
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from apps.backoffice import counter_page
from apps.backoffice.access import StaffRequest, show, staff_page
from apps.backoffice.navigation import APPROVAL_PERMISSIONS
from apps.common import approvals
from apps.common.errors import BadInput, CarloanError, NotFound
from apps.common.models import ChangeRequest

OPEN = ("proposed", "failed")
PAGE_SIZE = 50
MAX_SHOWN = 500  # characters of one value: the file of a take-over is not for reading here


def _requests(request: HttpRequest) -> Any:
    return ChangeRequest.objects.visible_to(request.user)


def _find(request: HttpRequest, request_id: UUID) -> ChangeRequest:
    found = _requests(request).filter(id=request_id).first()
    if found is None:
        raise NotFound(_("There is no such proposal."))
    return found


def _may_decide(request: HttpRequest, change: ChangeRequest) -> bool:
    if change.state not in OPEN or change.maker_id == request.user.pk:
        return False
    try:
        kind = approvals.kind_named(change.kind)
    except approvals.UnknownKind:
        return False
    return bool(request.user.can(kind.checker_permission(change.amount)))  # type: ignore[union-attr]


@require_GET
@staff_page(*APPROVAL_PERMISSIONS)
def inbox(request: StaffRequest) -> HttpResponse:
    """Open proposals, the oldest first; then those decided lately."""
    waiting = _requests(request).filter(state__in=OPEN).order_by("proposed_at", "id")
    decided = _requests(request).exclude(state__in=OPEN).order_by("-decided_at", "-id")
    context = {"page": Paginator(waiting, PAGE_SIZE).get_page(request.GET.get("page")), "decided": decided[:PAGE_SIZE]}
    return show(request, "backoffice/approvals.html", context)


def _show(request: StaffRequest, request_id: UUID, *, error: CarloanError | None = None) -> HttpResponse:
    change = _find(request, request_id)
    effect = counter_page.effect_of(change.preview)
    context = {
        "change": change,
        "effect": effect,
        "preview": () if effect else rows_of(change.preview),
        "payload": counter_page.content_of(change.payload) if effect else rows_of(change.payload),
        "result": rows_of(change.result) if change.result and not effect else (),
        "may_decide": _may_decide(request, change),
        "is_mine": change.maker_id == request.user.pk,
        "error": error,
    }
    return show(request, "backoffice/approval.html", context, status=error.status if error else 200)


@require_GET
@staff_page(*APPROVAL_PERMISSIONS)
def change_request(request: StaffRequest, request_id: UUID) -> HttpResponse:
    """One proposal with its preview."""
    return _show(request, request_id)


@require_POST
@staff_page(*APPROVAL_PERMISSIONS)
def decide(request: StaffRequest, request_id: UUID) -> HttpResponse:
    """Approve and execute, reject with a reason, or take one's own back."""
    change = _find(request, request_id)
    note = request.POST.get("reason", "").strip()
    who: dict[str, Any] = {"request_id": change.id, "actor": request.actor, "now": request.now}
    try:
        outcome = request.POST.get("outcome", "")
        if outcome == "approve":
            done = approvals.approve(**who, note=note)
            if done.state == ChangeRequest.State.FAILED:
                messages.error(request, _("Approved, but it could not be carried out: %(error)s") % {"error": done.error})
            else:
                messages.success(request, _("Approved and carried out."))
        elif outcome == "reject":
            approvals.reject(**who, reason=note)
            messages.success(request, _("Rejected."))
        elif outcome == "withdraw":
            approvals.withdraw(**who)
            messages.success(request, _("Taken back."))
        else:
            raise BadInput(_("Choose approve or reject."))
    except CarloanError as error:
        return _show(request, request_id, error=error)
    return redirect("admin:approval", change.id)


def rows_of(data: Any, prefix: str = "") -> tuple[tuple[str, str], ...]:
    """A JSON document as lines of (name, value), nested names joined by a dot, for people to read."""
    if isinstance(data, dict):
        return tuple(row for key, value in data.items() for row in rows_of(value, f"{prefix}{key} "))
    if isinstance(data, list):
        return tuple(row for number, value in enumerate(data, start=1) for row in rows_of(value, f"{prefix}{number} "))
    return ((prefix.strip().replace("_", " "), _shown(data)),)


def _shown(value: Any) -> str:
    if value is None or value == "":
        return "–"
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, int | Decimal):
        return f"{value:,}"
    return Truncator(value).chars(MAX_SHOWN)
