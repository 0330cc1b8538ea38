"""Checks of single values of terms; each raises `BadTerms` naming the field."""

from decimal import Decimal

from apps.common.money import CENT, MAX_MONEY
from apps.loans.domain.errors import BadTerms
from apps.loans.domain.errors import said as _


def check_money(field: str, amount: Decimal, *, above_zero: bool = False) -> None:
    """An amount of yuan with at most two decimals."""
    if not isinstance(amount, Decimal) or not amount.is_finite():
        raise BadTerms(field, _("must be a finite Decimal"))
    if amount < 0 or (above_zero and amount == 0):
        raise BadTerms(field, _("must be above 0") if above_zero else _("must not be negative"))
    if amount > MAX_MONEY:
        raise BadTerms(field, _("is above the limit of %(max_money)s", max_money=MAX_MONEY))
    if amount != amount.quantize(CENT):
        raise BadTerms(field, _("has more than 2 decimals"))


def check_rate(field: str, rate: Decimal, limit: Decimal) -> None:
    """A fraction a year, at most `limit`."""
    if not isinstance(rate, Decimal) or not rate.is_finite():
        raise BadTerms(field, _("must be a finite Decimal"))
    if not 0 <= rate <= limit:
        raise BadTerms(field, _("must not be negative") if rate < 0 else _("is out of reach"))
    # Balance x rate x units must stay exact in 28 digits (see `daycount`).
    if rate != rate.quantize(Decimal("1E-8")):
        raise BadTerms(field, _("has more than 6 decimals as a percentage"))


def check_whole(field: str, number: int, low: int, high: int) -> None:
    """A whole number from `low` to `high`."""
    if not isinstance(number, int) or isinstance(number, bool) or not low <= number <= high:
        raise BadTerms(field, _("must be a whole number from %(low)s to %(high)s", low=low, high=high))
