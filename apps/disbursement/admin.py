"""Back office pages of money movement: read-only lists, and deeds as actions that call services."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext, gettext_lazy
from unfold.admin import TabularInline
from unfold.widgets import UnfoldAdminDecimalFieldWidget

from apps.common import clock
from apps.common.admin import CarloanModelAdmin
from apps.common.deeds import ReasonForm, ask_and_carry_out, carry_out, line
from apps.disbursement import models, services

END_QUESTIONS = gettext_lazy("Say what was done about contradiction, suspense or credit")


def _end_questions(page: CarloanModelAdmin, request: HttpRequest, rows: QuerySet[Any]) -> HttpResponse | None:
    """One action of payments out and in."""
    return ask_and_carry_out(
        page,
        request,
        rows,
        title=str(END_QUESTIONS),
        form=ReasonForm,
        deed=lambda row, actor, said: services.end_questions(order_id=row.id, **said, actor=actor, now=clock.now()),
    )


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


class TopUpForm(forms.Form):
    """Money that has come in on a funding account; booked once per reference."""

    amount = forms.DecimalField(
        label=gettext_lazy("amount"), min_value=Decimal("0.01"), max_digits=18, decimal_places=2, widget=UnfoldAdminDecimalFieldWidget()
    )
    reference = line(gettext_lazy("bank's number"), max_length=64)


@admin.register(models.FundingAccount)
class FundingAccountAdmin(CarloanModelAdmin):
    list_display = ("funder", "bank", "account_masked", "topped_up", "reserved", "paid", "available", "used")
    list_select_related = ("funder",)
    exclude = ("account_number",)
    inlines = (PositionMovementInline,)
    actions = ("top_up",)

    @admin.action(description=gettext_lazy("Book money brought in"), permissions=["pay"])
    def top_up(self, request: HttpRequest, queryset: QuerySet[models.FundingAccount]) -> HttpResponse | None:
        return ask_and_carry_out(
            self,
            request,
            queryset,
            title=gettext("Book money brought in"),
            form=TopUpForm,
            deed=lambda row, actor, said: services.top_up(account_id=row.id, **said, actor=actor, now=clock.now()),
        )

    def has_pay_permission(self, request: Any) -> bool:
        return bool(request.user.can("disbursement.pay"))

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
    actions = ("approve", "send_again", "end_questions")

    @admin.action(description=gettext_lazy("Approve and issue the voucher"), permissions=["review"])
    def approve(self, request: HttpRequest, queryset: QuerySet[models.Disbursement]) -> None:
        carry_out(
            request,
            queryset,
            lambda row, actor: services.review_disbursement(
                disbursement_id=row.id, outcome="approve", reason="", actor=actor, now=clock.now()
            ),
        )

    @admin.action(description=END_QUESTIONS, permissions=["pay"])
    def end_questions(self, request: HttpRequest, queryset: QuerySet[models.Disbursement]) -> HttpResponse | None:
        return _end_questions(self, request, queryset)

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
    actions = ("revoke",)

    @admin.action(description=gettext_lazy("Revoke, with payment and order"), permissions=["review"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[models.Voucher]) -> HttpResponse | None:
        return ask_and_carry_out(
            self,
            request,
            queryset,
            title=gettext("Revoke, with payment and order"),
            form=ReasonForm,
            deed=lambda row, actor, said: services.revoke_voucher(voucher_id=row.id, **said, actor=actor, now=clock.now()),
        )

    def has_review_permission(self, request: Any) -> bool:
        return bool(request.user.can("disbursement.review"))


BOOKED_AS = {
    "repayment": gettext_lazy("repayment"),
    "prepayment": gettext_lazy("part prepayment"),
    "early_settlement": gettext_lazy("early settlement"),
    "suspense": gettext_lazy("suspense"),
}


class BookedAsFilter(admin.SimpleListFilter):
    """As what the money of a payment stands in the books."""

    title = gettext_lazy("booked as")
    parameter_name = "booked_as"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return list(BOOKED_AS.items())

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(booked_as=self.value()) if self.value() in BOOKED_AS else queryset


@admin.register(models.RepaymentOrder)
class RepaymentOrderAdmin(CarloanModelAdmin):
    list_display = ("order_no", "purpose", "origin", "amount", "business_date", "card_masked", "state", "booked", "reason")
    list_filter = ("state", BookedAsFilter, "purpose", "origin")
    search_fields = ("order_no", "bank_ref")
    date_hierarchy = "business_date"
    actions = ("cancel", "end_questions")

    @admin.action(description=gettext_lazy("Take back before it reaches the bank"), permissions=["pay"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[models.RepaymentOrder]) -> HttpResponse | None:
        return ask_and_carry_out(
            self,
            request,
            queryset,
            title=gettext("Take back before it reaches the bank"),
            form=ReasonForm,
            deed=lambda row, actor, said: services.cancel_order(order_id=row.id, **said, actor=actor, now=clock.now()),
        )

    @admin.action(description=END_QUESTIONS, permissions=["pay"])
    def end_questions(self, request: HttpRequest, queryset: QuerySet[models.RepaymentOrder]) -> HttpResponse | None:
        return _end_questions(self, request, queryset)

    def has_pay_permission(self, request: Any) -> bool:
        return bool(request.user.can("disbursement.pay"))

    @admin.display(description=gettext_lazy("booked as"), ordering="booked_as")
    def booked(self, row: models.RepaymentOrder) -> str:
        return str(BOOKED_AS.get(row.booked_as, row.booked_as))


@admin.register(models.BankNotice)
class BankNoticeAdmin(CarloanModelAdmin):
    list_display = ("received_at", "kind", "order_no", "outcome", "amount", "verdict", "reason")
    list_filter = ("verdict", "kind")
    search_fields = ("order_no", "bank_ref")
