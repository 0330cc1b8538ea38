"""Small parts that the pages of all edges use: signs, money, times."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

from django import template
from django.templatetags.static import static
from django.utils.html import format_html
from django.utils.safestring import SafeString

from apps.common import clock

register = template.Library()


@register.simple_tag
def icon(name: str) -> SafeString:
    """A sign from the sprite; decorative, so a word always stands beside it."""
    return format_html('<svg class="ico" aria-hidden="true"><use href="{}#i-{}"/></svg>', static("img/icons.svg"), name)


@register.filter
def money(amount: Decimal | None, places: int = 2) -> str:
    """`120000` → `120,000.00`; a true minus; a dash for nothing."""
    if amount is None or amount == "":
        return "–"
    value = Decimal(str(amount))
    return f"{value:,.{places}f}".replace("-", "−")


@register.filter
def percent(share: Any, places: int = 2) -> str:
    """A fraction as a percentage, with two decimals unless told: `0.108` → `10.80%`."""
    return "–" if share is None else f"{Decimal(str(share)) * 100:.{places}f}%"


@register.filter
def beijing_time(moment: dt.datetime | None, today: dt.date | None = None) -> str:
    """`14:39`, with the day before it when it is not today."""
    if moment is None:
        return "–"
    local = moment.astimezone(clock.BEIJING)
    return f"{local:%H:%M}" if today and local.date() == today else f"{local:%Y-%m-%d %H:%M}"
