"""Customers in the back office: masked, changed by deeds with a reason only; values in clear only through `services.unmask`."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _
from unfold.admin import TabularInline
from unfold.widgets import UnfoldAdminSelectWidget

from apps.common import clock
from apps.common.admin import CarloanModelAdmin
from apps.common.crypto import blind_index
from apps.common.deeds import ReasonForm, ask_and_carry_out, line
from apps.customers import models, services


class ReadOnlyInline(TabularInline):
    """Rows beside their customer; nothing is changed here."""

    extra = 0
    can_delete = False
    show_change_link = False

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.can("customers.view")  # type: ignore[union-attr]

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class ContactInline(ReadOnlyInline):
    model = models.Contact
    fields = ("relation", "masked_name", "masked_phone")


class WorkInline(ReadOnlyInline):
    model = models.WorkProfile
    fields = ("employer", "industry", "position", "monthly_income", "employed_since", "education", "marital_status", "housing")


class CheckInline(ReadOnlyInline):
    model = models.IdentityCheck
    fields = ("kind", "purpose", "state", "provider", "score", "reason", "requested_at", "finished_at", "expires_at")
    ordering = ("-requested_at",)


class CardInline(ReadOnlyInline):
    model = models.BankCard
    fields = ("masked_number", "bank_name", "state", "is_default", "debit_agreed", "agreement_no", "bound_at")


class ConsentInline(ReadOnlyInline):
    model = models.Consent
    fields = ("kind", "version", "given_at", "withdrawn_at")
    ordering = ("-given_at",)


class FindingForm(forms.Form):
    """What a person found who saw the papers."""

    outcome = forms.ChoiceField(
        label=_("Finding"), choices=[("passed", _("passed")), ("failed", _("failed"))], widget=UnfoldAdminSelectWidget()
    )
    reason = line(_("What was seen"))


@admin.register(models.Customer)
class CustomerAdmin(CarloanModelAdmin):
    actions = ("restrict", "lift_restriction")
    list_display = ("masked_name", "masked_phone", "masked_id_number", "state", "verified_at", "created_at")
    list_filter = ("state",)
    list_display_links = ("masked_name", "masked_phone")
    fields = (
        "masked_name",
        "masked_phone",
        "masked_id_number",
        "id_valid_until",
        "state",
        "verified_at",
        "restricted_reason",
        "legal_entity",
        "created_at",
    )
    search_fields = ("id",)
    search_help_text = "ID"
    ordering = ("-created_at",)
    inlines = (WorkInline, ContactInline, CheckInline, CardInline, ConsentInline)

    @admin.action(description=_("Stop from borrowing"), permissions=["restrict"])
    def restrict(self, request: HttpRequest, queryset: QuerySet[models.Customer]) -> HttpResponse | None:
        return ask_and_carry_out(
            self,
            request,
            queryset,
            title=_("Stop from borrowing"),
            form=ReasonForm,
            deed=lambda row, actor, said: services.restrict_customer(
                customer_id=row.id, reason=said["reason"], actor=actor, now=clock.now()
            ),
        )

    @admin.action(description=_("Let borrow again"), permissions=["restrict"])
    def lift_restriction(self, request: HttpRequest, queryset: QuerySet[models.Customer]) -> HttpResponse | None:
        return ask_and_carry_out(
            self,
            request,
            queryset,
            title=_("Let borrow again"),
            form=ReasonForm,
            deed=lambda row, actor, said: services.lift_restriction(
                customer_id=row.id, reason=said["reason"], actor=actor, now=clock.now()
            ),
        )

    def has_restrict_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.can("customers.restrict"))  # type: ignore[union-attr]

    def get_search_results(self, request: HttpRequest, queryset: QuerySet[Any], search_term: str) -> tuple[QuerySet[Any], bool]:
        """Whole phone or ID number, found by blind index: parts of them cannot be searched."""
        term = "".join(search_term.split())
        if not term:
            return queryset, False
        hashes = {"phone_hash": blind_index(term, purpose="phone"), "id_number_hash": blind_index(term, purpose="id_number")}
        return queryset.filter(phone_hash=hashes["phone_hash"]) | queryset.filter(id_number_hash=hashes["id_number_hash"]), False


@admin.register(models.IdentityCheck)
class IdentityCheckAdmin(CarloanModelAdmin):
    list_display = ("requested_at", "customer", "kind", "purpose", "state", "provider", "score", "reason", "finished_at")
    list_filter = ("state", "kind", "purpose")
    list_select_related = ("customer",)
    ordering = ("-requested_at",)
    actions = ("decide",)

    @admin.action(description=_("Decide by hand"), permissions=["verify"])
    def decide(self, request: HttpRequest, queryset: QuerySet[models.IdentityCheck]) -> HttpResponse | None:
        return ask_and_carry_out(
            self,
            request,
            queryset,
            title=_("Decide by hand"),
            form=FindingForm,
            deed=lambda row, actor, said: services.decide_check_by_person(check_id=row.id, **said, actor=actor, now=clock.now()),
        )

    def has_verify_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.can("customers.verify"))  # type: ignore[union-attr]


@admin.register(models.LoginRecord)
class LoginRecordAdmin(CarloanModelAdmin):
    list_display = ("at", "customer", "device_name", "ip", "place")
    list_select_related = ("customer",)
    fields = ("at", "customer", "device_name", "ip", "place")
    ordering = ("-at",)


@admin.register(models.Consent)
class ConsentAdmin(CarloanModelAdmin):
    list_display = ("given_at", "customer", "kind", "version", "withdrawn_at")
    list_filter = ("kind",)
    list_select_related = ("customer",)
    fields = ("customer", "kind", "version", "text", "given_at", "ip", "withdrawn_at")
    ordering = ("-given_at",)


@admin.register(models.ConsentText)
class ConsentTextAdmin(CarloanModelAdmin):
    list_display = ("kind", "version", "title", "purpose", "effective_from", "legal_entity")
    list_filter = ("kind",)
    list_select_related = ("legal_entity",)
    ordering = ("kind", "-version")


@admin.register(models.DisclosureLog)
class DisclosureLogAdmin(CarloanModelAdmin):
    view_permission = "audit.view"
    list_display = ("at", "actor", "customer", "field", "reason")
    list_select_related = ("customer",)
    ordering = ("-at",)
