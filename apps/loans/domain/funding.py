"""Fees between the parties of a co-lent loan, paid in pace with principal. Rules: docs/rules/co-lending-split.md."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from apps.common.money import MAX_MONEY, ZERO, round_money
from apps.loans.domain.errors import BadTerms
from apps.loans.domain.errors import said as _

WHOLE_LOAN = ""


class FundingFeeKind(StrEnum):
    GUIDE = "guide"
    GUARANTEE = "guarantee"
    SERVICE = "service"


@dataclass(frozen=True, slots=True, kw_only=True)
class FundingFeeLine:
    """A term of a funding agreement: `payer_ref` owes `payee_ref` a rate of the principal of `basis_ref`, or an amount for each loan.

    `rate` is a fraction of principal for the whole life, `amount` yuan; one of the two. Raises `BadTerms`, naming the field.
    """

    kind: FundingFeeKind
    payer_ref: str
    payee_ref: str
    basis_ref: str = WHOLE_LOAN
    rate: Decimal | None = None
    amount: Decimal | None = None

    def __post_init__(self) -> None:
        if not self.payer_ref or not self.payee_ref or self.payer_ref == self.payee_ref:
            raise BadTerms("payee_ref", _("payer and payee must be two parties"))
        if (self.rate is None) == (self.amount is None):
            raise BadTerms("rate", _("give either a rate or an amount"))
        if self.rate is not None and not _is_rate(self.rate):
            raise BadTerms("rate", _("must be a fraction above 0 and below 1 with at most 6 decimals"))
        if self.amount is not None and not _is_amount(self.amount):
            raise BadTerms("amount", _("must be above 0, at most %(max_money)s, with at most 2 decimals", max_money=MAX_MONEY))

    def agreed(self, principal: Decimal) -> Decimal:
        """The fee of the whole life on this much principal, in yuan."""
        if self.amount is not None:
            return self.amount if principal else ZERO
        return round_money(principal * (self.rate or 0))

    def due(self, principal: Decimal, repaid: Decimal) -> Decimal:
        """What of it is due when `repaid` of the `principal` has come back; a running total, so that all of it makes exactly `agreed`.

        Raises `ValueError` when more came back than was lent.
        """
        if not ZERO <= repaid <= principal:
            raise ValueError(f"repaid {repaid} of {principal}")
        return round_money(self.agreed(principal) * repaid / principal) if principal else ZERO


def _is_rate(rate: Decimal) -> bool:
    return rate.is_finite() and 0 < rate < 1 and rate == rate.quantize(Decimal("1E-6"))


def _is_amount(amount: Decimal) -> bool:
    return amount.is_finite() and ZERO < amount <= MAX_MONEY and amount == round_money(amount)
