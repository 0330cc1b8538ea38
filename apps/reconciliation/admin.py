"""Back office pages of reconciliation."""

from __future__ import annotations

from django.contrib import admin

from apps.common.admin import CarloanModelAdmin
from apps.reconciliation import models


@admin.register(models.ReconciliationBatch)
class ReconciliationBatchAdmin(CarloanModelAdmin):
    list_display = ("day", "channel", "legal_entity", "state", "line_count", "matched_count", "difference_count", "total_in", "total_out")
    list_filter = ("state", "channel")
    date_hierarchy = "day"


@admin.register(models.BankLine)
class BankLineAdmin(CarloanModelAdmin):
    list_display = ("serial", "occurred_at", "direction", "amount", "order_no", "result", "matched_order_no", "matched_by")
    list_filter = ("result", "direction")
    search_fields = ("serial", "order_no", "matched_order_no")


@admin.register(models.Difference)
class DifferenceAdmin(CarloanModelAdmin):
    list_display = ("created_at", "kind", "direction", "order_no", "serial", "our_amount", "bank_amount", "state", "action", "proposed_by")
    list_filter = ("state", "kind")
    search_fields = ("order_no", "serial")
