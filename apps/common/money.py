"""Money: CNY with two decimals, always `Decimal`, rounded in one place.

Rules: docs/rules/rounding.md and docs/rules/co-lending-split.md. Pure; safe to import from any domain module.
"""

import re
from collections.abc import Sequence
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal

CENT = Decimal("0.01")
ZERO = Decimal("0.00")
MAX_MONEY = Decimal("10000000000.00")

_ONE = Decimal(1)
_PLAIN_NUMBER = re.compile(r"\d{1,20}(\.\d{1,20})?", re.ASCII)
_DIGITS = "零壹贰叁肆伍陆柒捌玖"
_PLACES = ("", "拾", "佰", "仟")
_GROUPS = ("", "万", "亿")


def round_money(amount: Decimal, rounding: str = ROUND_HALF_UP, multiple: Decimal = CENT) -> Decimal:
    """Round yuan to the nearest `multiple` (0.01 = one 分, 1 = whole yuan); the answer always shows two decimals.

    `rounding` is a constant of the `decimal` module: `ROUND_HALF_UP` or `ROUND_HALF_EVEN`.
    """
    if multiple == CENT:
        return amount.quantize(CENT, rounding)
    return ((amount / multiple).quantize(_ONE, rounding) * multiple).quantize(CENT)


def allocate(amount: Decimal, parts: Sequence[int]) -> list[Decimal]:
    """Split an amount of whole 分 by `parts`; the shares add up to the whole, the residual goes to the first (lead).

    Each other party gets its rounded share, but never more than is left, so no share changes sign.
    Raises ValueError when there are no parts, a part is negative, or all are zero.
    """
    whole = sum(parts)
    if not parts or whole <= 0 or min(parts) < 0:
        raise ValueError("parts must be whole numbers, none negative, at least one above zero")
    sign, left = (1, amount) if amount >= 0 else (-1, -amount)
    others: list[Decimal] = []
    for part in parts[1:]:
        share = min((abs(amount) * part / whole).quantize(CENT, ROUND_HALF_UP), left)
        left -= share
        others.append(sign * share)
    return [sign * left, *others]


def parse_money(text: str) -> Decimal:
    """Read a plain amount of yuan such as "1234.5"; returns it with two decimals.

    Raises ValueError, saying why, for anything else: signs, exponents, NaN, infinity, more than two decimals,
    or more than 10 billion.
    """
    if not isinstance(text, str) or not _PLAIN_NUMBER.fullmatch(text.strip()):
        raise ValueError(f"{text!r} is not an amount: write it as digits with at most 2 decimals, for example 1234.50")
    amount = Decimal(text.strip())
    if amount != (cents := amount.quantize(CENT, ROUND_HALF_EVEN)):
        raise ValueError(f"{text} has more than 2 decimals")
    if cents > MAX_MONEY:
        raise ValueError(f"{text} is above the limit of {MAX_MONEY}")
    return cents


def to_capital_chinese(amount: Decimal) -> str:
    """Write an amount in the capital numerals of Chinese bills (人民币大写), e.g. 100010.05 → 壹拾万零壹拾元零伍分.

    Follows 支付结算办法 annex 1: 整 after 元 or 角, never after 分; one 零 for a run of zeros inside the number.
    Raises ValueError for a negative amount, one with more than two decimals, or one of 10¹² yuan and above.
    """
    if not amount.is_finite() or amount < 0 or amount >= Decimal(10) ** 12 or amount != round_money(amount):
        raise ValueError(f"{amount} cannot be written as an amount in capital numerals")
    yuan, cents = divmod(int(amount * 100), 100)
    jiao, fen = divmod(cents, 10)
    words = f"{_capital_integer(yuan)}元" if yuan else ""
    if not cents:
        return f"{words or '零元'}整"
    if jiao:
        words += f"{_DIGITS[jiao]}角"
    elif yuan:
        words += "零"
    return words + (f"{_DIGITS[fen]}分" if fen else "整")


def _capital_integer(number: int) -> str:
    groups: list[int] = []
    while number:
        number, group = divmod(number, 10_000)
        groups.append(group)
    words, gap = "", False
    for index in reversed(range(len(groups))):
        group = groups[index]
        if group:
            words += ("零" if words and (gap or group < 1000) else "") + _capital_group(group) + _GROUPS[index]
        gap = not group
    return words


def _capital_group(group: int) -> str:
    words, gap = "", False
    for place in (3, 2, 1, 0):
        digit = group // 10**place % 10
        if digit:
            words += ("零" if gap and words else "") + _DIGITS[digit] + _PLACES[place]
            gap = False
        else:
            gap = True
    return words
