"""Back office pages of loans: to look at; deeds go through services."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from unfold.admin import TabularInline

from apps.common.admin import CarloanModelAdmin
from apps.loans import models


class _ReadOnlyInline(TabularInline):
    can_delete = False
    extra = 0
    show_change_link = False

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.fields

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.is_authenticated and request.user.can("loans.view")  # type: ignore[union-attr]


class BalanceInline(_ReadOnlyInline):
    model = models.LoanBalance
    fields = (
        "as_of",
        "principal",
        "interest",
        "penalty",
        "fee",
        "accrued_interest",
        "credit",
        "overdue",
        "dpd",
        "next_due_date",
        "asset_class",
        "is_non_accrual",
    )


class InstalmentInline(_ReadOnlyInline):
    model = models.Instalment
    fields = (
        "no",
        "due_date",
        "principal",
        "interest",
        "penalty",
        "fee",
        "paid_principal",
        "paid_interest",
        "paid_penalty",
        "paid_fee",
        "status",
    )


class TransactionInline(_ReadOnlyInline):
    model = models.LoanTransaction
    fields = ("value_date", "kind", "amount", "source", "business_date", "reference", "reverses", "actor")


@admin.register(models.Loan)
class LoanAdmin(CarloanModelAdmin):
    list_display = ("number", "state", "branch", "principal", "opened_on", "outstanding", "overdue", "dpd", "next_due_date", "asset_class")
    list_filter = ("state", "balance__asset_class", "balance__is_watched", "balance__is_marked", "branch", "legal_entity")
    figures = ("outstanding", "overdue", "dpd")
    search_fields = ("number", "extras__values")
    list_select_related = ("balance", "branch")
    inlines = (BalanceInline, InstalmentInline, TransactionInline)

    @admin.display(description=models.LoanBalance._meta.get_field("principal").verbose_name, ordering="balance__principal")
    def outstanding(self, loan: models.Loan) -> Any:
        return loan.balance.principal

    @admin.display(description=models.LoanBalance._meta.get_field("overdue").verbose_name, ordering="balance__overdue")
    def overdue(self, loan: models.Loan) -> Any:
        return loan.balance.overdue

    @admin.display(description=models.LoanBalance._meta.get_field("dpd").verbose_name, ordering="balance__dpd")
    def dpd(self, loan: models.Loan) -> Any:
        return loan.balance.dpd

    @admin.display(description=models.LoanBalance._meta.get_field("next_due_date").verbose_name, ordering="balance__next_due_date")
    def next_due_date(self, loan: models.Loan) -> Any:
        return loan.balance.next_due_date

    @admin.display(description=models.LoanBalance._meta.get_field("asset_class").verbose_name, ordering="balance__asset_class")
    def asset_class(self, loan: models.Loan) -> Any:
        return loan.balance.get_asset_class_display()


@admin.register(models.LoanTransaction)
class LoanTransactionAdmin(CarloanModelAdmin):
    list_display = ("loan", "value_date", "kind", "amount", "source", "business_date", "reference", "actor")
    list_filter = ("kind", "source")
    search_fields = ("loan__number", "reference")
    list_select_related = ("loan",)
    date_hierarchy = "value_date"


@admin.register(models.Instalment)
class InstalmentAdmin(CarloanModelAdmin):
    list_display = ("loan", "no", "due_date", "principal", "interest", "penalty", "fee", "status")
    list_filter = ("status",)
    search_fields = ("loan__number",)
    list_select_related = ("loan",)
    date_hierarchy = "due_date"


@admin.register(models.TakenOverLoan)
class TakenOverLoanAdmin(CarloanModelAdmin):
    list_display = ("external_number", "loan", "taken_over_on", "file_name", "line_no", "actor")
    search_fields = ("external_number", "loan__number", "file_name")
    list_select_related = ("loan",)
    date_hierarchy = "taken_over_on"


@admin.register(models.Collateral)
class CollateralAdmin(CarloanModelAdmin):
    list_display = ("number", "kind", "identifier", "description", "legal_entity")
    list_filter = ("kind",)
    search_fields = ("number", "identifier")
    list_select_related = ("legal_entity",)


@admin.register(models.Pledge)
class PledgeAdmin(CarloanModelAdmin):
    list_display = ("loan", "collateral", "pledged_on", "released_on", "by_settlement", "reason")
    search_fields = ("loan__number", "collateral__number")
    list_select_related = ("loan", "collateral")


@admin.register(models.LoanParty)
class LoanPartyAdmin(CarloanModelAdmin):
    list_display = ("loan", "role", "parts", "since", "ended_on", "reason")
    list_filter = ("role",)
    search_fields = ("loan__number",)
    list_select_related = ("loan",)


@admin.register(models.Lease)
class LeaseAdmin(CarloanModelAdmin):
    list_display = ("loan", "kind", "state", "vehicle", "vehicle_name", "deposit", "offsets_deposit", "purchase_price", "ended_on")
    list_filter = ("kind", "state")
    search_fields = ("loan__number", "vehicle")
    list_select_related = ("loan",)


@admin.register(models.CompensationClaim)
class CompensationClaimAdmin(CarloanModelAdmin):
    list_display = ("loan", "payer", "transaction", "created_at")
    search_fields = ("loan__number", "payer")
    list_select_related = ("loan", "transaction")


@admin.register(models.ClaimRecovery)
class ClaimRecoveryAdmin(CarloanModelAdmin):
    list_display = ("claim", "recovered_on", "amount", "note", "actor")
    search_fields = ("claim__loan__number", "claim__payer")
    list_select_related = ("claim",)
    date_hierarchy = "recovered_on"


@admin.register(models.LoanExtras)
class LoanExtrasAdmin(CarloanModelAdmin):
    list_display = ("loan", "values")
    search_fields = ("loan__number", "values")
    list_select_related = ("loan",)
