"""A quote: the plan with all its costs, refused above the rate cap. Rules: docs/rules/amortisation.md."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal

from apps.common.money import ZERO
from apps.loans.domain.duedates import IsWorkingDay
from apps.loans.domain.errors import BadTerms, RateAboveCap
from apps.loans.domain.errors import said as _
from apps.loans.domain.fees import FeeBasis, FeeRule, FeeTime
from apps.loans.domain.irr import disclosed_rates
from apps.loans.domain.replay import replay
from apps.loans.domain.schedule import Schedule, ScheduleRow, build_schedule
from apps.loans.domain.terms import LoanTerms, Tranche


@dataclass(frozen=True, slots=True)
class Quote:
    """Money in yuan; `apr_irr` and `effective_rate` in percent with two decimals; `total_cost` = interest + fees.

    `fees` are all that will be charged as long as everything is paid in time: up front, at each payout, with each instalment.
    """

    installment: Decimal
    total_interest: Decimal
    fees: Decimal
    total_cost: Decimal
    apr_irr: Decimal
    effective_rate: Decimal
    schedule: Schedule


def make_quote(terms: LoanTerms, *, is_working_day: IsWorkingDay | None = None) -> Quote:
    """Plan, costs and disclosed rates of a loan on these terms, its fees and planned tranches counted in.

    Raises `RateAboveCap` when the annual rate with all fees, as disclosed, is above `terms.rate_cap`.
    """
    payouts = terms.tranches or (Tranche(terms.start, terms.principal),)
    schedule = build_schedule(terms, is_working_day=is_working_day) if len(payouts) == 1 else _in_tranches(terms, is_working_day)
    fees = terms.fee_upfront
    paid_out = [payout.amount for payout in payouts]
    paid_out[0] -= terms.fee_upfront
    if terms.fees:
        upfront = [_charged(terms, FeeTime.DISBURSEMENT, {FeeBasis.AMOUNT: payout.amount}) for payout in payouts]
        paid_out = [amount - fee for amount, fee in zip(paid_out, upfront, strict=True)]
        schedule = replace(schedule, fees=tuple(_instalment_fee(terms, row, payouts) for row in schedule.rows))
        fees += sum(upfront, start=ZERO) + sum(schedule.fees, start=ZERO)
    days = [_periods_to(schedule.rows, payout.on, terms.start) for payout in payouts[1:]]
    later = list(zip(days, paid_out[1:], strict=True))
    totals = [row.total for row in schedule.rows]
    if schedule.fees:
        totals = [total + fee for total, fee in zip(totals, schedule.fees, strict=True)]
    apr_irr, effective_rate = disclosed_rates(terms, totals, paid_out=paid_out[0], later=later)
    cap = terms.rate_cap * 100
    if apr_irr > cap:
        raise RateAboveCap(f"{apr_irr:.2f}", f"{cap:.2f}")
    interest = schedule.total_interest
    return Quote(
        installment=schedule.installment,
        total_interest=interest,
        fees=fees,
        total_cost=interest + fees,
        apr_irr=apr_irr,
        effective_rate=effective_rate,
        schedule=schedule,
    )


def _in_tranches(terms: LoanTerms, is_working_day: IsWorkingDay | None) -> Schedule:
    """The plan once all planned tranches are paid out, each on its day."""
    state = replay(terms, [], terms.tranches[-1].on, is_working_day=is_working_day)
    if wrong := next((told for told in state.transactions if told.remark), None):
        raise BadTerms("tranches", _("%(value_date)s: %(remark)s", value_date=wrong.transaction.value_date, remark=wrong.remark))
    rows, repaid = [], ZERO
    for told in state.rows:
        row = told.installment
        repaid += row.principal - row.capitalised
        balance = _paid_out(terms.tranches, row.end) - repaid
        asked, days = row.asked_interest, (row.end - row.start).days
        rows.append(ScheduleRow(row.no, row.due_date, days, row.principal, asked, row.principal + asked, balance))
    grown = tuple(told.installment.capitalised for told in state.rows) if terms.capitalises else ()
    return Schedule(tuple(rows), grown)


def _paid_out(payouts: Sequence[Tranche], by: date) -> Decimal:
    return sum((payout.amount for payout in payouts if payout.on <= by), start=ZERO)


def _instalment_fee(terms: LoanTerms, row: ScheduleRow, payouts: Sequence[Tranche]) -> Decimal:
    bases = {
        FeeBasis.INSTALMENT: row.total,
        FeeBasis.PRINCIPAL: row.principal,
        FeeBasis.INTEREST: row.interest,
        # What is paid out on a due day comes after the instalment.
        FeeBasis.AMOUNT: _paid_out(payouts, row.due_date - timedelta(days=1)),
    }
    return _charged(terms, FeeTime.INSTALMENT, bases)


def _charged(terms: LoanTerms, when: FeeTime, bases: dict[FeeBasis, Decimal]) -> Decimal:
    def fee(rule: FeeRule) -> Decimal:
        return rule.amount_of(bases.get(rule.of, ZERO), terms.rounding.value)

    return sum((fee(rule) for rule in terms.fees if rule.when is when), start=ZERO)


def _periods_to(rows: Sequence[ScheduleRow], day: date, start: date) -> float:
    """Where a day lies among the periods of the plan: 1.5 in the middle of the second."""
    for place, row in enumerate(rows):
        end = start + timedelta(days=row.days)
        if day < end:
            return place + (day - start).days / row.days
        start = end
    return float(len(rows))
