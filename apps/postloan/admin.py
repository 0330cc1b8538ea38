"""Back office pages of post-loan work."""

from __future__ import annotations

from django.contrib import admin
from unfold.admin import TabularInline

from apps.common.admin import CarloanModelAdmin
from apps.postloan import models


class _ReadOnlyInline(TabularInline):
    can_delete = False
    extra = 0

    def has_add_permission(self, request: object, obj: object = None) -> bool:
        return False


class CollectionLoanInline(_ReadOnlyInline):
    model = models.CollectionLoan
    fields = ("loan_number", "days_past_due", "overdue_amount", "is_overdue", "seen_on")
    readonly_fields = fields


class CollectionContactInline(_ReadOnlyInline):
    model = models.CollectionContact
    fields = ("at", "channel", "number_masked", "third_party", "result", "note", "actor")
    readonly_fields = fields


@admin.register(models.CollectionCase)
class CollectionCaseAdmin(CarloanModelAdmin):
    list_display = ("number", "state", "grade", "days_past_due", "overdue_amount", "opened_on", "promised_on", "closed_on", "outcome")
    list_filter = ("state", "grade")
    search_fields = ("number",)
    inlines = (CollectionLoanInline, CollectionContactInline)


@admin.register(models.DeliveryPaper)
class DeliveryPaperAdmin(CarloanModelAdmin):
    list_display = ("application_ref", "kind", "state", "due_date", "received_at", "checked_by")
    list_filter = ("state", "kind")


@admin.register(models.SettlementCertificate)
class SettlementCertificateAdmin(CarloanModelAdmin):
    list_display = ("number", "loan_number", "settled_on", "document_ref", "withdrawn_at")
    search_fields = ("number", "loan_number")


@admin.register(models.TitleRelease)
class TitleReleaseAdmin(CarloanModelAdmin):
    list_display = ("loan_number", "state", "settled_on", "due_date", "released_at", "released_by")
    list_filter = ("state",)
    search_fields = ("loan_number",)
