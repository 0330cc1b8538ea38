"""Flows, their runs and tasks in the back office."""

from __future__ import annotations

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from apps.common import clock
from apps.common.actors import Actor
from apps.common.admin import CarloanModelAdmin
from apps.common.errors import BadInput, CarloanError
from apps.flows import services
from apps.flows.models import FlowRun, FlowTask, FlowVersion


@admin.register(FlowVersion)
class FlowVersionAdmin(CarloanModelAdmin):
    list_display = ("code", "version", "product_code", "legal_entity", "state", "author", "published_at")
    list_filter = ("state", "code")
    list_select_related = ("legal_entity",)
    actions = ("publish",)

    @admin.action(description=_("Publish"), permissions=["edit"])
    def publish(self, request: HttpRequest, queryset: QuerySet[FlowVersion]) -> None:
        for version in queryset:
            try:
                services.publish_version(version_id=version.id, actor=Actor.of(request.user), now=clock.now())
            except CarloanError as error:
                wrong = error.fields.get("definition", []) if isinstance(error, BadInput) else []
                self.message_user(request, f"{version}: {' '.join([error.detail, *wrong])}", messages.ERROR)

    def has_edit_permission(self, request: HttpRequest) -> bool:
        return request.user.can("flows.edit")  # type: ignore[union-attr]


@admin.register(FlowRun)
class FlowRunAdmin(CarloanModelAdmin):
    list_display = ("created_at", "version", "subject_kind", "state", "outcome", "ended_at")
    list_filter = ("state", "subject_kind")
    list_select_related = ("version",)


@admin.register(FlowTask)
class FlowTaskAdmin(CarloanModelAdmin):
    list_display = ("created_at", "activity", "subject_kind", "state", "claimed_label", "due_at", "outcome")
    list_filter = ("state", "activity")
    ordering = ("-created_at",)
    actions = ("hand_back",)

    @admin.action(description=_("Hand back to the team"), permissions=["edit"])
    def hand_back(self, request: HttpRequest, queryset: QuerySet[FlowTask]) -> None:
        for task in queryset.filter(state=FlowTask.State.CLAIMED):
            services.hand_back_task(task_id=task.id, actor=Actor.of(request.user), now=clock.now())

    def has_edit_permission(self, request: HttpRequest) -> bool:
        return request.user.can("flows.edit")  # type: ignore[union-attr]
