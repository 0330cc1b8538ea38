"""Risk in the back office: flows with their deeds, decisions, queries, lists. Raw reports and inputs stay unseen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from apps.common import clock
from apps.common.actors import Actor
from apps.common.admin import CarloanModelAdmin
from apps.common.errors import CarloanError
from apps.risk import models, services


def _each(request: HttpRequest, queryset: QuerySet[Any], deed: Callable[..., Any]) -> None:
    """One service call per chosen row; what a service refuses is shown, the rest goes on."""
    for row in queryset:
        try:
            deed(row, Actor.of(request.user), clock.now())
        except CarloanError as error:
            messages.error(request, f"{row}: {error.detail}")
        else:
            messages.success(request, f"{row}")


@admin.register(models.DecisionFlowVersion)
class DecisionFlowVersionAdmin(CarloanModelAdmin):
    list_display = ("flow_code", "version", "state", "legal_entity", "author", "submitter", "publisher", "gray_share_bp", "live_at")
    list_filter = ("state", "flow_code")
    list_select_related = ("legal_entity",)
    actions = ("prove", "submit", "take_back", "go_live", "retire")

    @admin.action(description=_("Test"), permissions=["edit"])
    def prove(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        _each(request, queryset, lambda row, actor, now: services.check_version(version_id=row.id, actor=actor, now=now))

    @admin.action(description=_("Hand over for publishing"), permissions=["edit"])
    def submit(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        _each(request, queryset, lambda row, actor, now: services.submit_version(version_id=row.id, actor=actor, now=now))

    @admin.action(description=_("Take back to draft"), permissions=["edit"])
    def take_back(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        _each(request, queryset, lambda row, actor, now: services.take_back_version(version_id=row.id, actor=actor, now=now))

    @admin.action(description=_("Publish, or roll back to it"), permissions=["publish"])
    def go_live(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        _each(request, queryset, lambda row, actor, now: services.publish_version(version_id=row.id, actor=actor, now=now))

    @admin.action(description=_("Retire"), permissions=["publish"])
    def retire(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        _each(request, queryset, lambda row, actor, now: services.retire_version(version_id=row.id, actor=actor, now=now))

    def has_edit_permission(self, request: HttpRequest) -> bool:
        return request.user.can("risk.edit")  # type: ignore[union-attr]

    def has_publish_permission(self, request: HttpRequest) -> bool:
        return request.user.can("risk.publish")  # type: ignore[union-attr]


@admin.register(models.DecisionRequest)
class DecisionRequestAdmin(CarloanModelAdmin):
    list_display = ("requested_at", "flow_code", "reference", "state", "due_at", "asked_by")
    list_filter = ("state", "flow_code")
    search_fields = ("reference",)


@admin.register(models.Decision)
class DecisionAdmin(CarloanModelAdmin):
    list_display = ("decided_at", "outcome", "grade", "score", "limit", "annual_rate", "reasons", "flow_version", "latency_ms")
    list_filter = ("outcome", "grade")
    list_select_related = ("flow_version",)
    search_fields = ("request__reference",)
    exclude = ("inputs",)


@admin.register(models.BureauQuery)
class BureauQueryAdmin(CarloanModelAdmin):
    list_display = ("at", "outcome", "reason_code", "authorisation_no", "detail")
    list_filter = ("outcome",)
    search_fields = ("authorisation_no",)


@admin.register(models.BureauReport)
class BureauReportAdmin(CarloanModelAdmin):
    list_display = ("fetched_at", "report_no", "reason_code", "no_record", "readable")
    list_filter = ("readable", "no_record")
    exclude = ("raw",)


@admin.register(models.ListEntry)
class ListEntryAdmin(CarloanModelAdmin):
    list_display = ("masked", "colour", "kind", "reason", "source", "valid_from", "valid_until", "added_by")
    list_filter = ("colour", "kind")
    actions = ("end",)

    @admin.action(description=_("End the validity"), permissions=["edit"])
    def end(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        _each(request, queryset, lambda row, actor, now: services.end_list_entry(entry_id=row.id, actor=actor, now=now))

    def has_edit_permission(self, request: HttpRequest) -> bool:
        return request.user.can("risk.edit")  # type: ignore[union-attr]


@admin.register(models.ListHit)
class ListHitAdmin(CarloanModelAdmin):
    list_display = ("at", "entry", "decision")
    list_select_related = ("entry", "decision")
