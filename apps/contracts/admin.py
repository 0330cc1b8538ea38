"""Contracts in the back office: read, and voided with a reason while no payment is approved."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _

from apps.common import clock
from apps.common.admin import CarloanModelAdmin
from apps.common.deeds import ReasonForm, ask_and_carry_out
from apps.contracts import models, services


@admin.register(models.Contract)
class ContractAdmin(CarloanModelAdmin):
    list_display = ("number", "state", "kind", "application", "amount", "installments", "annual_rate", "made_on", "signed_at")
    list_filter = ("state", "kind", "legal_entity")
    search_fields = ("number", "application__number")
    list_select_related = ("application",)
    date_hierarchy = "made_on"
    actions = ("void",)

    @admin.action(description=_("Void the contract"), permissions=["void"])
    def void(self, request: HttpRequest, queryset: QuerySet[models.Contract]) -> HttpResponse | None:
        return ask_and_carry_out(
            self,
            request,
            queryset,
            title=_("Void the contract"),
            form=ReasonForm,
            deed=lambda row, actor, said: services.void_contract(contract_id=row.id, reason=said["reason"], actor=actor, now=clock.now()),
        )

    def has_void_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.can("contracts.void"))  # type: ignore[union-attr]


@admin.register(models.SigningConsent)
class SigningConsentAdmin(CarloanModelAdmin):
    list_display = ("contract", "at", "cost_table_version", "seconds_read", "seconds_required", "actor")
    list_select_related = ("contract",)
