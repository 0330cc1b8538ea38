"""Contracts in the back office: read only."""

from __future__ import annotations

from django.contrib import admin

from apps.common.admin import CarloanModelAdmin
from apps.contracts import models


@admin.register(models.Contract)
class ContractAdmin(CarloanModelAdmin):
    list_display = ("number", "state", "kind", "application", "amount", "installments", "annual_rate", "made_on", "signed_at")
    list_filter = ("state", "kind", "legal_entity")
    search_fields = ("number", "application__number")
    list_select_related = ("application",)
    date_hierarchy = "made_on"


@admin.register(models.SigningConsent)
class SigningConsentAdmin(CarloanModelAdmin):
    list_display = ("contract", "at", "cost_table_version", "seconds_read", "seconds_required", "actor")
    list_select_related = ("contract",)
