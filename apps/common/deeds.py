"""Deeds on the chosen rows of a list of the back office, with a form first where a deed needs to know more."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin import ModelAdmin, helpers
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from unfold.widgets import UnfoldAdminTextInputWidget

from apps.common.actors import Actor
from apps.common.errors import anticipate


def carry_out(request: HttpRequest, rows: QuerySet[Any], deed: Callable[[Any, Actor], object]) -> None:
    """Do a deed on each chosen row; those that refuse say why and do not stop the others."""
    done, actor = 0, Actor.of(request.user)
    for row in rows:
        try:
            deed(row, actor)
        except Exception as error:
            refused = anticipate(error)
            if refused is None:
                raise
            messages.error(request, f"{row}: {refused.detail}")
        else:
            done += 1
    if done:
        messages.success(request, ngettext("Done for %(count)d row.", "Done for %(count)d rows.", done) % {"count": done})


def ask_and_carry_out(
    model_admin: ModelAdmin,
    request: HttpRequest,
    rows: QuerySet[Any],
    *,
    title: Any,
    form: type[forms.Form],
    deed: Callable[[Any, Actor, dict[str, Any]], object],
) -> TemplateResponse | None:
    """Show a form about the chosen rows; filled in well, do the deed on each of them with what it says.

    The form's fields must not be called `action`, by which the page says what is to be done.
    """
    asked = form(request.POST if "filled_in" in request.POST else None)
    if asked.is_valid():
        carry_out(request, rows, lambda row, actor: deed(row, actor, asked.cleaned_data))
        return None
    context = {
        **model_admin.admin_site.each_context(request),
        "title": title,
        "form": asked,
        "rows": rows,
        "action": request.POST["action"],
        "checkbox": helpers.ACTION_CHECKBOX_NAME,
        "opts": model_admin.opts,
    }
    return TemplateResponse(request, "admin/deed.html", context)


def line(label: Any, *, required: bool = True, max_length: int = 300) -> forms.CharField:
    """A field of one line of text, in the looks of the back office."""
    return forms.CharField(label=label, required=required, max_length=max_length, widget=UnfoldAdminTextInputWidget())


class ReasonForm(forms.Form):
    """A deed that needs nothing but its reason."""

    reason = line(_("Reason"))
