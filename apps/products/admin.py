"""Products and the vehicle catalogue in the back office."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django_fsm import TransitionNotAllowed
from import_export.admin import ImportExportMixin
from import_export.formats.base_formats import CSV
from unfold.admin import TabularInline
from unfold.contrib.import_export.forms import ExportForm, ImportForm
from unfold.widgets import UnfoldAdminTextareaWidget

from apps.common import clock
from apps.common.actors import Actor
from apps.common.admin import CarloanModelAdmin
from apps.common.errors import CarloanError, anticipate
from apps.products import models, services
from apps.products.services.catalogue import VehicleResource


@admin.register(models.VehicleModel)
class VehicleModelAdmin(ImportExportMixin, CarloanModelAdmin):
    """The catalogue is changed by importing a file, with preview; all of it or nothing."""

    resource_classes = (VehicleResource,)
    import_form_class = ImportForm
    export_form_class = ExportForm
    formats = (CSV,)
    skip_admin_log = True
    list_display = ("series", "model_year", "trim", "guide_price", "power", "is_active")
    list_filter = ("power", "is_active", "series__brand")
    list_select_related = ("series__brand",)
    search_fields = ("series__brand__name", "series__name", "trim")
    ordering = ("series__brand__name", "series__name", "-model_year", "guide_price")

    def has_import_permission(self, request: HttpRequest, *args: Any, **kwargs: Any) -> bool:
        return request.user.can("products.edit")  # type: ignore[union-attr]

    def has_export_permission(self, request: HttpRequest, *args: Any, **kwargs: Any) -> bool:
        return request.user.can("products.view")  # type: ignore[union-attr]


class OptionInline(TabularInline):
    model = models.ProductOption
    extra = 0
    can_delete = False
    fields = ("code", "installments", "method", "rate_delta", "fee_rate", "balloon_share")

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.can("products.view")  # type: ignore[union-attr]

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class _Indented(json.JSONEncoder):
    """One key a line, as people read it."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**(kwargs | {"indent": 2, "ensure_ascii": False}))


class ProductVersionForm(forms.ModelForm):
    terms = forms.JSONField(
        label=_("further terms"),
        required=False,
        encoder=_Indented,
        widget=UnfoldAdminTextareaWidget,
        help_text=_("A version that was sold keeps its terms: saving others drafts the next version. See the plans' rules for the keys."),
    )

    class Meta:
        model = models.ProductVersion
        fields = ("terms",)

    def clean_terms(self) -> dict[str, Any]:
        terms = self.cleaned_data["terms"] or {}
        try:
            services.check_further_terms(self.instance, terms, on=clock.local_date(clock.now()))
        except services.TermsIncomplete as refusal:
            raise forms.ValidationError(refusal.fields["terms"]) from None
        return terms


@admin.register(models.ProductVersion)
class ProductVersionAdmin(CarloanModelAdmin):
    """Lists and shows versions; of their terms the further ones can be edited."""

    form = ProductVersionForm
    list_display = ("name", "product", "version", "state", "amount_min", "amount_max", "rate_min", "rate_max", "on_sale_from", "on_sale_to")
    list_filter = ("state", "product__kind")
    list_select_related = ("product",)
    inlines = (OptionInline,)
    actions = ("put_on_sale", "withdraw")

    @admin.action(description=_("Put on sale"), permissions=["edit"])
    def put_on_sale(self, request: HttpRequest, queryset: QuerySet[models.ProductVersion]) -> None:
        self._each(request, queryset, services.put_on_sale)

    @admin.action(description=_("Withdraw from sale"), permissions=["edit"])
    def withdraw(self, request: HttpRequest, queryset: QuerySet[models.ProductVersion]) -> None:
        self._each(request, queryset, services.withdraw_version)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return [field.name for field in self.opts.fields if field.name != "terms"]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_edit_permission(request)

    def save_model(self, request: HttpRequest, obj: models.ProductVersion, form: Any, change: bool) -> None:
        terms = form.cleaned_data["terms"]
        saved = services.set_further_terms(version_id=obj.id, terms=terms, actor=Actor.of(request.user), now=clock.now())
        if saved.id != obj.id:
            told = _("Version %(version)s is drafted with these terms. Put it on sale when it is to replace the one sold now.")
            self.message_user(request, told % {"version": saved.version}, messages.WARNING)

    def _each(self, request: HttpRequest, queryset: QuerySet[models.ProductVersion], deed: Callable[..., Any]) -> None:
        for row in queryset:
            try:
                deed(version_id=row.id, actor=Actor.of(request.user), now=clock.now())
            except (CarloanError, TransitionNotAllowed) as error:
                told = anticipate(error)
                self.message_user(request, f"{row}: {told.detail if told else error}", messages.ERROR)

    def has_edit_permission(self, request: HttpRequest) -> bool:
        return request.user.can("products.edit")  # type: ignore[union-attr]


@admin.register(models.Product)
class ProductAdmin(CarloanModelAdmin):
    list_display = ("code", "kind", "legal_entity")
    list_select_related = ("legal_entity",)
    list_filter = ("kind",)
