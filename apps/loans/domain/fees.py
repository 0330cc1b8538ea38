"""Fees that a loan's terms charge by themselves: when, of what, and how much. Rules: docs/rules/waterfall.md."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from apps.common.money import MAX_MONEY, ZERO, round_money
from apps.loans.domain.errors import BadTerms
from apps.loans.domain.errors import said as _

MAX_FEES = 20


class FeeTime(StrEnum):
    DISBURSEMENT = "disbursement"
    INSTALMENT = "instalment"
    OVERDUE = "overdue"


class FeeBasis(StrEnum):
    """What a fee is a part of; `flat` is an amount of its own, `overdue` the instalment's unpaid principal and interest."""

    FLAT = "flat"
    AMOUNT = "amount"
    INSTALMENT = "instalment"
    PRINCIPAL = "principal"
    INTEREST = "interest"
    OVERDUE = "overdue"


_AT_DISBURSEMENT = (FeeBasis.FLAT, FeeBasis.AMOUNT)


@dataclass(frozen=True, slots=True, kw_only=True)
class FeeRule:
    """A fee charged at each disbursement, on each due date, or once for an instalment unpaid beyond the days of grace.

    `value` is yuan for a flat fee, else a fraction of `of`. Raises `BadTerms` when it cannot be right.
    """

    name: str
    when: FeeTime
    of: FeeBasis
    value: Decimal
    minimum: Decimal = ZERO
    maximum: Decimal = MAX_MONEY

    def __post_init__(self) -> None:
        if not self.name:
            raise BadTerms("fees", _("a fee needs a name"))
        if self.value <= 0 or (self.of is not FeeBasis.FLAT and self.value > 1):
            raise BadTerms("fees", _("%(name)s: must be above 0, and at most 100 %% of its basis", name=self.name))
        if self.minimum > self.maximum:
            raise BadTerms("fees", _("%(name)s: min is above max", name=self.name))
        if (self.when is FeeTime.DISBURSEMENT and self.of not in _AT_DISBURSEMENT) or (
            self.of is FeeBasis.OVERDUE and self.when is not FeeTime.OVERDUE
        ):
            raise BadTerms("fees", _("%(name)s: there is no %(of)s at %(when)s", name=self.name, of=self.of, when=self.when))

    def amount_of(self, base: Decimal, rounding: str) -> Decimal:
        """The fee in yuan on a basis of `base`."""
        fee = self.value if self.of is FeeBasis.FLAT else round_money(base * self.value, rounding)
        return min(max(fee, self.minimum), self.maximum)
