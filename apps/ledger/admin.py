"""Back office pages of the books: to look at, never to write."""

from django.contrib import admin
from unfold.admin import TabularInline

from apps.common.admin import CarloanModelAdmin
from apps.ledger import models


@admin.register(models.Account)
class AccountAdmin(CarloanModelAdmin):
    list_display = ("code", "name", "kind", "side", "legal_entity")
    list_filter = ("kind", "legal_entity")
    search_fields = ("code", "name")


@admin.register(models.PostingRule)
class PostingRuleAdmin(CarloanModelAdmin):
    list_display = ("event", "component", "party", "leg", "debit", "credit", "version", "effective_from")
    list_filter = ("event", "party", "version")
    list_select_related = ("debit", "credit")


class JournalLineInline(TabularInline):
    model = models.JournalLine
    fields = ("account", "debit", "credit", "component", "party_ref", "subject_ref")
    readonly_fields = fields
    can_delete = False
    extra = 0

    def has_add_permission(self, request: object, obj: object = None) -> bool:
        return False


@admin.register(models.JournalEntry)
class JournalEntryAdmin(CarloanModelAdmin):
    list_display = ("business_date", "event", "reference", "narrative", "total", "actor", "created_at")
    list_filter = ("event", "legal_entity")
    search_fields = ("reference", "narrative")
    date_hierarchy = "business_date"
    inlines = (JournalLineInline,)


@admin.register(models.JournalLine)
class JournalLineAdmin(CarloanModelAdmin):
    list_display = ("business_date", "entry", "account", "debit", "credit", "component", "subject_ref")
    list_filter = ("business_date",)
    search_fields = ("account__code", "entry__reference")
    list_select_related = ("entry", "account")


@admin.register(models.LedgerDay)
class LedgerDayAdmin(CarloanModelAdmin):
    list_display = ("date", "legal_entity", "entries", "total", "created_at")
    list_filter = ("legal_entity",)
