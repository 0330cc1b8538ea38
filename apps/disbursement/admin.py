"""Back office pages of money movement: read-only lists, and deeds as actions that call services."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy
from unfold.admin import TabularInline

from apps.common import clock
from apps.common.admin import CarloanModelAdmin
from apps.common.deeds import carry_out
from apps.disbursement import models, services


@admin.register(models.Funder)
class FunderAdmin(CarloanModelAdmin):
    list_display = ("code", "name", "kind", "is_active", "cost_rate", "day_quota", "weight")
    list_filter = ("kind", "is_active")


class PositionMovementInline(TabularInline):
    model = models.PositionMovement
    fields = ("business_date", "kind", "amount", "reference", "actor")
    readonly_fields = fields
    ordering = ("-created_at",)
    can_delete = False
    extra = 0

    def has_add_permission(self, request: object, obj: object = None) -> bool:
        return False


@admin.register(models.FundingAccount)
class FundingAccountAdmin(CarloanModelAdmin):
    list_display = ("funder", "bank", "account_masked", "topped_up", "reserved", "paid", "available", "used")
    list_select_related = ("funder",)
    exclude = ("account_number",)
    inlines = (PositionMovementInline,)

    @admin.display(description=gettext_lazy("available"))
    def available(self, row: models.FundingAccount) -> str:
        return f"{row.position.available:,.2f}"

    @admin.display(description=gettext_lazy("used"))
    def used(self, row: models.FundingAccount) -> str:
        return f"{row.position.used_share:.1%}"


class TransferOrderInline(TabularInline):
    model = models.TransferOrder
    fields = ("order_no", "account", "amount", "sent_at")
    readonly_fields = fields
    can_delete = False
    extra = 0

    def has_add_permission(self, request: object, obj: object = None) -> bool:
        return False


@admin.register(models.Disbursement)
class DisbursementAdmin(CarloanModelAdmin):
    list_display = (
        "number",
        "application_number",
        "payee_label",
        "payee_masked",
        "amount",
        "state",
        "due_at",
        "approved_by",
        "finished_at",
    )
    list_filter = ("state",)
    search_fields = ("number", "application_number", "order_no")
    exclude = ("payee_name", "payee_account")
    inlines = (TransferOrderInline,)
    actions = ("approve", "send_again")

    @admin.action(description=gettext_lazy("Approve and issue the voucher"), permissions=["review"])
    def approve(self, request: HttpRequest, queryset: QuerySet[models.Disbursement]) -> None:
        carry_out(
            request,
            queryset,
            lambda row, actor: services.review_disbursement(
                disbursement_id=row.id, outcome="approve", reason="", actor=actor, now=clock.now()
            ),
        )

    @admin.action(description=gettext_lazy("Send a failed payment again"), permissions=["pay"])
    def send_again(self, request: HttpRequest, queryset: QuerySet[models.Disbursement]) -> None:
        carry_out(request, queryset, lambda row, actor: services.reroute(disbursement_id=row.id, actor=actor, now=clock.now()))

    def has_review_permission(self, request: HttpRequest) -> bool:
        return request.user.can("disbursement.review")  # type: ignore[union-attr]

    def has_pay_permission(self, request: HttpRequest) -> bool:
        return request.user.can("disbursement.pay")  # type: ignore[union-attr]


@admin.register(models.Voucher)
class VoucherAdmin(CarloanModelAdmin):
    list_display = ("number", "disbursement", "amount", "state", "issued_at", "valid_until", "used_at")
    list_filter = ("state",)
    list_select_related = ("disbursement",)
    search_fields = ("number",)


@admin.register(models.RepaymentOrder)
class RepaymentOrderAdmin(CarloanModelAdmin):
    list_display = ("order_no", "purpose", "origin", "amount", "business_date", "card_masked", "state", "reason", "next_debit_date")
    list_filter = ("state", "purpose", "origin")
    search_fields = ("order_no", "bank_ref")
    date_hierarchy = "business_date"


@admin.register(models.BankNotice)
class BankNoticeAdmin(CarloanModelAdmin):
    list_display = ("received_at", "kind", "order_no", "outcome", "amount", "verdict", "reason")
    list_filter = ("verdict", "kind")
    search_fields = ("order_no", "bank_ref")
