"""Back office pages of post-loan work."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _
from unfold.admin import TabularInline
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget, UnfoldBooleanWidget

from apps.common import clock
from apps.common.admin import CarloanModelAdmin
from apps.common.deeds import ReasonForm, ask_and_carry_out, carry_out, line
from apps.postloan import models, services


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


class PromiseForm(forms.Form):
    """What the debtor promised."""

    promised_on = forms.DateField(label=_("Payment promised for"), widget=UnfoldAdminTextInputWidget(attrs={"type": "date"}))
    amount = forms.DecimalField(
        label=_("Amount (yuan)"), max_digits=16, decimal_places=2, widget=UnfoldAdminTextInputWidget(attrs={"inputmode": "decimal"})
    )


class ContactForm(forms.Form):
    """An attempt to reach somebody."""

    channel = forms.ChoiceField(label=_("Channel"), choices=models.CollectionContact.Channel.choices, widget=UnfoldAdminSelectWidget())
    phone = forms.RegexField(
        r"^[0-9]{7,15}$", label=_("Number dialled"), widget=UnfoldAdminTextInputWidget(attrs={"inputmode": "tel", "autocomplete": "off"})
    )
    result = forms.ChoiceField(label=_("Result"), choices=models.CollectionContact.Result.choices, widget=UnfoldAdminSelectWidget())
    third_party = forms.BooleanField(label=_("A third person, not the debtor"), required=False, widget=UnfoldBooleanWidget())
    note = line(_("Note"), required=False, max_length=500)


@admin.register(models.CollectionCase)
class CollectionCaseAdmin(CarloanModelAdmin):
    list_display = ("number", "state", "grade", "days_past_due", "overdue_amount", "opened_on", "promised_on", "closed_on", "outcome")
    list_filter = ("state", "grade")
    search_fields = ("number",)
    inlines = (CollectionLoanInline, CollectionContactInline)
    actions = ("take", "promise", "contact")

    @admin.action(description=_("Take into work"), permissions=["collect"])
    def take(self, request: HttpRequest, queryset: QuerySet[models.CollectionCase]) -> None:
        carry_out(request, queryset, lambda row, actor: services.take_case(case_id=row.id, actor=actor, now=clock.now()))

    @admin.action(description=_("Note a promise to pay"), permissions=["collect"])
    def promise(self, request: HttpRequest, queryset: QuerySet[models.CollectionCase]) -> HttpResponse | None:
        return ask_and_carry_out(
            self,
            request,
            queryset,
            title=_("Note a promise to pay"),
            form=PromiseForm,
            deed=lambda row, actor, said: services.note_promise(case_id=row.id, **said, actor=actor, now=clock.now()),
        )

    @admin.action(description=_("Write down a contact"), permissions=["collect"])
    def contact(self, request: HttpRequest, queryset: QuerySet[models.CollectionCase]) -> HttpResponse | None:
        return ask_and_carry_out(
            self,
            request,
            queryset,
            title=_("Write down a contact"),
            form=ContactForm,
            deed=lambda row, actor, said: services.record_contact(case_id=row.id, **said, actor=actor, now=clock.now()),
        )

    def has_collect_permission(self, request: Any) -> bool:
        return bool(request.user.can("postloan.collect"))


@admin.register(models.DeliveryPaper)
class DeliveryPaperAdmin(CarloanModelAdmin):
    list_display = ("application_ref", "kind", "state", "due_date", "received_at", "checked_by")
    list_filter = ("state", "kind")
    actions = ("check_off", "send_back")

    @admin.action(description=_("The paper is right"), permissions=["papers"])
    def check_off(self, request: HttpRequest, queryset: QuerySet[models.DeliveryPaper]) -> None:
        carry_out(request, queryset, lambda row, actor: services.check_paper(paper_id=row.id, accept=True, actor=actor, now=clock.now()))

    @admin.action(description=_("Send the paper back"), permissions=["papers"])
    def send_back(self, request: HttpRequest, queryset: QuerySet[models.DeliveryPaper]) -> HttpResponse | None:
        return ask_and_carry_out(
            self,
            request,
            queryset,
            title=_("Send the paper back"),
            form=ReasonForm,
            deed=lambda row, actor, said: services.check_paper(
                paper_id=row.id, accept=False, reason=said["reason"], actor=actor, now=clock.now()
            ),
        )

    def has_papers_permission(self, request: Any) -> bool:
        return bool(request.user.can("postloan.papers"))


@admin.register(models.SettlementCertificate)
class SettlementCertificateAdmin(CarloanModelAdmin):
    list_display = ("number", "loan_number", "settled_on", "document_ref", "withdrawn_at")
    search_fields = ("number", "loan_number")


@admin.register(models.TitleRelease)
class TitleReleaseAdmin(CarloanModelAdmin):
    list_display = ("loan_number", "state", "settled_on", "due_date", "released_at", "released_by")
    list_filter = ("state",)
    search_fields = ("loan_number",)
    actions = ("release",)

    @admin.action(description=_("The title is released"), permissions=["papers"])
    def release(self, request: HttpRequest, queryset: QuerySet[models.TitleRelease]) -> None:
        carry_out(request, queryset, lambda row, actor: services.release_title(release_id=row.id, actor=actor, now=clock.now()))

    def has_papers_permission(self, request: Any) -> bool:
        return bool(request.user.can("postloan.papers"))
