"""A quote: the plan with all its costs, refused above the rate cap. Rules: docs/rules/amortisation.md."""

from dataclasses import dataclass
from decimal import Decimal

from apps.loans.domain.duedates import IsWorkingDay
from apps.loans.domain.errors import RateAboveCap
from apps.loans.domain.irr import disclosed_rates
from apps.loans.domain.schedule import Schedule, build_schedule
from apps.loans.domain.terms import LoanTerms


@dataclass(frozen=True, slots=True)
class Quote:
    """Money in yuan; `apr_irr` and `effective_rate` in percent with two decimals; `total_cost` = interest + fees."""

    installment: Decimal
    total_interest: Decimal
    fees: Decimal
    total_cost: Decimal
    apr_irr: Decimal
    effective_rate: Decimal
    schedule: Schedule


def make_quote(terms: LoanTerms, *, is_working_day: IsWorkingDay | None = None) -> Quote:
    """Plan, costs and disclosed rates of a loan on these terms.

    Raises `RateAboveCap` when the annual rate with all fees, as disclosed, is above `terms.rate_cap`.
    """
    schedule = build_schedule(terms, is_working_day=is_working_day)
    apr_irr, effective_rate = disclosed_rates(terms, [row.total for row in schedule.rows])
    cap = terms.rate_cap * 100
    if apr_irr > cap:
        raise RateAboveCap(f"{apr_irr:.2f}", f"{cap:.2f}")
    interest = schedule.total_interest
    return Quote(
        installment=schedule.installment,
        total_interest=interest,
        fees=terms.fee_upfront,
        total_cost=interest + terms.fee_upfront,
        apr_irr=apr_irr,
        effective_rate=effective_rate,
        schedule=schedule,
    )
