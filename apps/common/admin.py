"""Base of every page of the back office: scoped to what the person may see, read-only, masked; deeds are actions that call services."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin

from apps.common import models, outbox


class CarloanModelAdmin(ModelAdmin):
    """Lists start at `visible_to`; viewing asks the role permission `<context>.view`; nothing is added, changed or deleted by hand.

    A context that lets people edit rows overrides `edit_permission` and says which service saves them.
    """

    view_permission = ""
    list_per_page = 50
    show_full_result_count = False
    compressed_fields = True
    actions: Any = []

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        queryset = super().get_queryset(request)
        return queryset.visible_to(request.user) if hasattr(queryset, "visible_to") else queryset

    def _may_view(self, request: HttpRequest) -> bool:
        permission = self.view_permission or f"{self.opts.app_label}.view"
        return request.user.is_authenticated and request.user.can(permission)  # type: ignore[union-attr]

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self._may_view(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may_view(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(models.Job)
class JobAdmin(CarloanModelAdmin):
    view_permission = "jobs.view"
    list_display = ("kind", "state", "done", "total", "actor", "started_at", "ended_at")
    list_filter = ("state", "kind")


@admin.register(models.OutboxDelivery)
class OutboxDeliveryAdmin(CarloanModelAdmin):
    view_permission = "jobs.view"
    list_display = ("id", "message", "handler", "state", "attempts", "due_at", "done_at")
    list_filter = ("state",)
    list_select_related = ("message",)
    actions = ("retry",)

    @admin.action(description=_("Retry failed deliveries"), permissions=["retry"])
    def retry(self, request: HttpRequest, queryset: QuerySet[models.OutboxDelivery]) -> None:
        for delivery in queryset:
            outbox.retry(delivery.id)

    def has_retry_permission(self, request: HttpRequest) -> bool:
        return request.user.can("outbox.retry")  # type: ignore[union-attr]


@admin.register(models.GatewayCall)
class GatewayCallAdmin(CarloanModelAdmin):
    view_permission = "jobs.view"
    list_display = ("created_at", "gateway", "operation", "direction", "outcome", "http_status", "milliseconds", "reference")
    list_filter = ("gateway", "outcome", "direction")
    search_fields = ("reference",)


@admin.register(models.WorkingDay)
class WorkingDayAdmin(CarloanModelAdmin):
    view_permission = "organisations.view"
    list_display = ("day", "is_working", "name")


@admin.register(models.ChangeRequest)
class ChangeRequestAdmin(CarloanModelAdmin):
    view_permission = "approvals.check"
    list_display = ("proposed_at", "kind", "subject", "amount", "state", "maker", "checker")
    list_filter = ("state", "kind")
