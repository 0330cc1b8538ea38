"""Back office pages of reconciliation."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminSelectWidget

from apps.common import clock
from apps.common.admin import CarloanModelAdmin
from apps.common.deeds import ReasonForm, ask_and_carry_out, carry_out, line
from apps.reconciliation import models, services


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


class WayOutForm(forms.Form):
    """What to do about differences, and why."""

    way = forms.ChoiceField(label=_("Way out"), choices=models.Difference.Action.choices, widget=UnfoldAdminSelectWidget())
    reason = line(_("Reason"))


@admin.register(models.Difference)
class DifferenceAdmin(CarloanModelAdmin):
    list_display = ("created_at", "kind", "direction", "order_no", "serial", "our_amount", "bank_amount", "state", "action", "proposed_by")
    list_filter = ("state", "kind")
    search_fields = ("order_no", "serial")
    actions = ("propose", "agree", "refuse")

    @admin.action(description=_("Propose a way out"), permissions=["work"])
    def propose(self, request: HttpRequest, queryset: QuerySet[models.Difference]) -> HttpResponse | None:
        return ask_and_carry_out(
            self,
            request,
            queryset,
            title=_("Propose a way out"),
            form=WayOutForm,
            deed=lambda row, actor, said: services.propose_way_out(
                difference_id=row.id, action=said["way"], reason=said["reason"], actor=actor, now=clock.now()
            ),
        )

    @admin.action(description=_("Agree with the way out and carry it out"), permissions=["work"])
    def agree(self, request: HttpRequest, queryset: QuerySet[models.Difference]) -> None:
        carry_out(
            request,
            queryset,
            lambda row, actor: services.decide_way_out(difference_id=row.id, approve=True, actor=actor, now=clock.now()),
        )

    @admin.action(description=_("Refuse the way out"), permissions=["work"])
    def refuse(self, request: HttpRequest, queryset: QuerySet[models.Difference]) -> HttpResponse | None:
        return ask_and_carry_out(
            self,
            request,
            queryset,
            title=_("Refuse the way out"),
            form=ReasonForm,
            deed=lambda row, actor, said: services.decide_way_out(
                difference_id=row.id, approve=False, note=said["reason"], actor=actor, now=clock.now()
            ),
        )

    def has_work_permission(self, request: Any) -> bool:
        return bool(request.user.can("reconciliation.work"))
