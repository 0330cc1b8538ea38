"""Pages of legal entities, people, parameters and business days in the legal-entity console 法人控制台."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.contrib import admin, messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django_otp.plugins.otp_static.models import StaticDevice
from django_otp.plugins.otp_totp.models import TOTPDevice

from apps.common import clock
from apps.common.actors import Actor
from apps.common.admin import CarloanModelAdmin
from apps.common.errors import CarloanError
from apps.organisations import services
from apps.organisations.models import Branch, BusinessDay, ExtraField, LegalEntity, Parameter, SecondFactorEnrolment, StepRun, User

# Keys of second factors are nobody's to see.
for device in (TOTPDevice, StaticDevice):
    if admin.site.is_registered(device):
        admin.site.unregister(device)


@admin.register(LegalEntity)
class LegalEntityAdmin(CarloanModelAdmin):
    list_display = ("code", "short_name", "name", "lender_type", "phone")
    search_fields = ("code", "name")


@admin.register(Branch)
class BranchAdmin(CarloanModelAdmin):
    list_display = ("code", "name", "city", "legal_entity")
    list_select_related = ("legal_entity",)
    search_fields = ("code", "name")


@admin.register(User)
class UserAdmin(CarloanModelAdmin):
    list_display = ("username", "display_name", "kind", "roles", "branch", "is_active", "last_login")
    list_filter = ("kind", "is_active")
    list_select_related = ("branch",)
    search_fields = ("username",)
    exclude = ("password", "scope_kind", "scope_ref")
    actions = ("deactivate",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        # Customers are shown among the customers, masked.
        return super().get_queryset(request).exclude(kind=User.Kind.CUSTOMER)

    @admin.action(description=_("Deactivate"), permissions=["edit"])
    def deactivate(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        for user in queryset:
            try:
                services.deactivate_user(user_id=user.id, actor=Actor.of(request.user), now=clock.now())
            except CarloanError as error:
                self.message_user(request, f"{user.username}: {error.detail}", messages.ERROR)

    def has_edit_permission(self, request: HttpRequest) -> bool:
        return request.user.can("organisations.edit")  # type: ignore[union-attr]


@admin.register(SecondFactorEnrolment)
class SecondFactorEnrolmentAdmin(CarloanModelAdmin):
    list_display = ("at", "user", "actor", "replaced")
    list_select_related = ("user",)
    search_fields = ("user__username", "actor")
    ordering = ("-at",)


@admin.register(Parameter)
class ParameterAdmin(CarloanModelAdmin):
    list_display = ("code", "value", "effective_from", "effective_to", "legal_entity", "product_code", "certainty", "source")
    list_filter = ("certainty",)
    list_select_related = ("legal_entity",)
    search_fields = ("code", "source")
    ordering = ("code", "-effective_from")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        # The market's rules belong to no entity and are shown to everybody who may see parameters.
        scope = request.user.data_scope  # type: ignore[union-attr]
        rows = Parameter.objects.all()
        return rows if scope.kind == "all" else rows.filter(Q(legal_entity=None) | Q(legal_entity_id=scope.owner_id))


@admin.register(ExtraField)
class ExtraFieldAdmin(CarloanModelAdmin):
    list_display = ("name", "about", "kind", "label_zh", "label_en", "is_required", "is_retired", "legal_entity")
    list_filter = ("kind", "is_retired")
    list_select_related = ("legal_entity",)


@admin.register(BusinessDay)
class BusinessDayAdmin(CarloanModelAdmin):
    list_display = ("date", "legal_entity", "state", "closing_at", "closed_at")
    list_filter = ("state",)
    list_select_related = ("legal_entity",)
    ordering = ("-date",)
    actions = ("close_up_to",)

    @admin.action(description=_("Close up to this day, or go on where it stopped"), permissions=["run"])
    def close_up_to(self, request: HttpRequest, queryset: QuerySet[BusinessDay]) -> None:
        last: dict[Any, dt.date] = {}
        for day in queryset:
            last[day.legal_entity_id] = max(day.date, last.get(day.legal_entity_id, day.date))
        for entity_id, date in last.items():
            services.ask_end_of_day(entity_id=entity_id, to=date, actor=Actor.of(request.user))
        self.message_user(request, _("The end of day has been asked for. Its progress is among the jobs."))

    def has_run_permission(self, request: HttpRequest) -> bool:
        return request.user.can("eod.run")  # type: ignore[union-attr]


@admin.register(StepRun)
class StepRunAdmin(CarloanModelAdmin):
    list_display = ("day", "phase", "step", "partition_no", "state", "done_count", "aside", "attempts", "milliseconds")
    list_filter = ("state", "phase", "step")
    ordering = ("-day", "-started_at")

    @admin.display(description=_("set aside"))
    def aside(self, row: StepRun) -> int:
        return len(row.set_aside)
