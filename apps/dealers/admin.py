"""Dealers in the back office; deeds are actions that call services."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django_fsm import TransitionNotAllowed

from apps.common import clock
from apps.common.actors import Actor
from apps.common.admin import CarloanModelAdmin
from apps.common.errors import CarloanError, anticipate
from apps.dealers import models, services


@admin.register(models.Dealer)
class DealerAdmin(CarloanModelAdmin):
    list_display = ("code", "name", "scene", "state", "quota", "deposit", "agreement_no", "signed_at")
    list_filter = ("state", "scene")
    search_fields = ("code", "name", "uscc", "agreement_no")
    fields = (
        "code",
        "name",
        "scene",
        "state",
        "uscc",
        "licence_valid_until",
        "masked_legal_representative",
        "address",
        "masked_contact_phone",
        "quota",
        "deposit",
        "agreement_no",
        "signed_at",
        "suspended_reason",
        "legal_entity",
    )
    actions = ("start_signing", "return_to_draft", "resume")

    @admin.action(description=_("Have the agreement signed"), permissions=["edit"])
    def start_signing(self, request: HttpRequest, queryset: QuerySet[models.Dealer]) -> None:
        self._each(request, queryset, services.start_signing)

    @admin.action(description=_("Return to draft"), permissions=["edit"])
    def return_to_draft(self, request: HttpRequest, queryset: QuerySet[models.Dealer]) -> None:
        self._each(request, queryset, services.return_to_draft)

    @admin.action(description=_("Lift the suspension"), permissions=["edit"])
    def resume(self, request: HttpRequest, queryset: QuerySet[models.Dealer]) -> None:
        self._each(request, queryset, services.resume_dealer)

    def _each(self, request: HttpRequest, queryset: QuerySet[models.Dealer], deed: Callable[..., Any]) -> None:
        for row in queryset:
            try:
                deed(dealer_id=row.id, actor=Actor.of(request.user), now=clock.now())
            except (CarloanError, TransitionNotAllowed) as error:
                told = anticipate(error)
                self.message_user(request, f"{row}: {told.detail if told else error}", messages.ERROR)

    def has_edit_permission(self, request: HttpRequest) -> bool:
        return request.user.can("dealers.edit")  # type: ignore[union-attr]


@admin.register(models.Shop)
class ShopAdmin(CarloanModelAdmin):
    list_display = ("name", "dealer", "code", "city", "bank_name", "masked_account_no", "is_active")
    list_select_related = ("dealer",)
    search_fields = ("name", "code")
    fields = ("dealer", "code", "name", "city", "address", "account_name", "masked_account_no", "bank_name", "bank_code", "is_active")


@admin.register(models.Consultant)
class ConsultantAdmin(CarloanModelAdmin):
    list_display = ("name", "shop", "masked_phone", "is_manager", "is_active")
    list_select_related = ("shop",)
    search_fields = ("name",)
    fields = ("name", "shop", "user", "masked_phone", "is_manager", "is_active")
