"""Base of every page of the back office: scoped to what the person may see, read-only, masked; deeds are actions that call services."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from functools import cached_property
from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import get_fields_from_path
from django.core.exceptions import FieldDoesNotExist
from django.db.models import DateField, DecimalField, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin

from apps.common import clock, models, outbox, searches
from apps.common.scope import visible


def shown(value: Any) -> Any:
    """A value as lists show it: `120,000.00` with a true minus, `2026-11-20`, `2026-11-20 14:03` in Beijing; others as they are."""
    if isinstance(value, Decimal):
        places = max(-int(value.as_tuple().exponent), 2)
        return f"{value:,.{places}f}".replace("-", "−")
    if isinstance(value, dt.datetime):
        return f"{value.astimezone(clock.BEIJING):%Y-%m-%d %H:%M}"
    return f"{value:%Y-%m-%d}" if isinstance(value, dt.date) else value


class VisibleRelatedFilter(admin.RelatedFieldListFilter):
    """A list's filter by a related row that offers only rows the person may see."""

    def field_choices(self, field: Any, request: HttpRequest, model_admin: Any) -> Any:
        offered = visible(field.remote_field.model._default_manager.all(), request.user)
        ordering = self.field_admin_ordering(field, request, model_admin)
        return field.get_choices(include_blank=False, ordering=ordering, limit_choices_to={"pk__in": offered.values("pk")})


class CarloanModelAdmin(ModelAdmin):
    """Lists start at `visible_to`; viewing asks the role permission `<context>.view`; nothing is added, changed or deleted by hand.

    A context that lets people edit rows overrides `edit_permission` and says which service saves them. Amounts stand right-aligned with
    separators; a column made by a method says so in `figures`.
    """

    view_permission = ""
    list_per_page = 50
    show_full_result_count = False
    compressed_fields = True
    actions: Any = []
    figures: tuple[str, ...] = ()

    def get_list_display(self, request: HttpRequest) -> Any:
        return [self._columns.setdefault(name, self._column(name)) for name in super().get_list_display(request)]

    @cached_property
    def _columns(self) -> dict[Any, Any]:
        """Columns are compared by identity: each is made once."""
        return {}

    def _column(self, name: Any) -> Any:
        """The column that shows a name's values: as it is, or by `shown`; figures carry the class `field-num_…`."""
        if not isinstance(name, str) or name == "__str__":
            return name
        if hasattr(self, name):
            method = getattr(self, name)
            return _told(method, f"num_{name}" if name in self.figures else name, vars(method.__func__))
        try:
            field: Any = self.opts.get_field(name)
        except FieldDoesNotExist:
            return name
        prefix = "num" if isinstance(field, DecimalField) else "day" if isinstance(field, DateField) else ""
        told = {"short_description": field.verbose_name, "admin_order_field": name}
        return _told(lambda row: getattr(row, name), f"{prefix}_{name}", told) if prefix else name

    def get_list_filter(self, request: HttpRequest) -> Any:
        return [self._filter(each) for each in super().get_list_filter(request)]

    def _filter(self, name: Any) -> Any:
        """A filter by a relation offers only visible rows; others stay as they are."""
        if not isinstance(name, str):
            return name
        field = get_fields_from_path(self.model, name)[-1]
        return (name, VisibleRelatedFilter) if field.is_relation else name

    def get_inline_instances(self, request: HttpRequest, obj: Any = None) -> Any:
        inlines = super().get_inline_instances(request, obj)
        for inline in inlines:
            inline.hide_title = True  # a row of unfold's that repeats the row's name
        return inlines

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[searches.SealedChangeList]:
        return searches.SealedChangeList

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        return searches.turned(request) or super().changelist_view(request, extra_context)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return visible(super().get_queryset(request), request.user)

    def _may_view(self, request: HttpRequest) -> bool:
        permission = self.view_permission or f"{self.opts.app_label}.view"
        return request.user.is_authenticated and request.user.can(permission)

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


def _told(read: Callable[[Any], Any], name: str, attributes: dict[str, Any]) -> Callable[[Any], Any]:
    def column(row: Any) -> Any:
        return shown(read(row))

    column.__name__ = name
    vars(column).update(attributes)
    return column


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
