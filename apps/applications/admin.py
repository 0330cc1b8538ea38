"""Orders in the back office: lists and timelines. The review page has a place of its own."""

from __future__ import annotations

from django.contrib import admin

from apps.applications import models
from apps.common.admin import CarloanModelAdmin


@admin.register(models.Application)
class ApplicationAdmin(CarloanModelAdmin):
    list_display = ("number", "state", "customer", "vehicle", "requested_amount", "requested_term", "grade", "shop", "sla_due_at")
    list_filter = ("state", "kind", "lease_type")
    list_select_related = ("customer", "vehicle__series__brand", "shop")
    search_fields = ("number",)
    ordering = ("-created_at",)


@admin.register(models.ApplicationEvent)
class ApplicationEventAdmin(CarloanModelAdmin):
    list_display = ("at", "application", "deed", "from_state", "to_state", "actor", "origin", "reason")
    list_filter = ("deed", "to_state")
    list_select_related = ("application",)
    search_fields = ("application__number",)


@admin.register(models.Offer)
class OfferAdmin(CarloanModelAdmin):
    list_display = ("application", "round", "rank", "name", "principal", "installments", "annual_rate", "installment", "apr_irr")
    list_select_related = ("application",)
    search_fields = ("application__number",)
