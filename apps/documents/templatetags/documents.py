"""How papers write amounts, dates and rates, and the QR code."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

from django import template
from django.utils.safestring import SafeString, mark_safe

from apps.common import clock, money
from apps.documents import qr

register = template.Library()


def _decimal(value: Any) -> Decimal:
    return value if isinstance(value, Decimal) else Decimal(str(value))


@register.filter
def yuan(value: Any) -> str:
    """`120000` → `120,000.00`; a true minus; a dash for nothing."""
    if value is None or value == "":
        return "–"
    amount = money.round_money(_decimal(value))
    return f"{amount:,.2f}".replace("-", "−")


@register.filter
def capital(value: Any) -> str:
    """The amount in capital Chinese numerals 人民币大写."""
    return f"人民币{money.to_capital_chinese(money.round_money(_decimal(value)))}"


@register.filter
def percent(value: Any) -> str:
    """A fraction as percent: `0.108` → `10.80%`, more decimals only when they are needed."""
    if value is None or value == "":
        return "–"
    share = (_decimal(value) * 100).normalize()
    places = max(2, -int(share.as_tuple().exponent))
    return f"{share:.{places}f}%"


@register.filter
def date_cn(value: dt.date | dt.datetime | str | None) -> str:
    """`2026-11-20` → `2026年11月20日`, moments by the Beijing calendar."""
    if not value:
        return "–"
    if isinstance(value, str):
        value = dt.date.fromisoformat(value[:10])
    day = clock.local_date(value) if isinstance(value, dt.datetime) else value
    return f"{day.year}年{day.month}月{day.day}日"


@register.filter
def moment_cn(value: dt.datetime) -> str:
    """A moment in Beijing time to the second."""
    return f"{value.astimezone(clock.BEIJING):%Y-%m-%d %H:%M:%S}"


@register.simple_tag
def qr_code(url: str) -> SafeString:
    """The QR code of an address, inline."""
    return mark_safe(qr.svg(url))  # noqa: S308  (made by us from an address that segno encodes)
