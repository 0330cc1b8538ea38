"""What only the portal's pages need."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

from django import template

from apps.common import clock
from apps.common.money import to_capital_chinese

register = template.Library()


@register.filter
def capital_chinese(amount: Decimal) -> str:
    """`120000` → `人民币壹拾贰万元整`."""
    text = to_capital_chinese(amount)
    return text if text.startswith("人民币") else f"人民币{text}"


@register.filter
def clock_time(moment: dt.datetime) -> str:
    """The time of day in Beijing, `14:39`."""
    return f"{moment.astimezone(clock.BEIJING):%H:%M}"
