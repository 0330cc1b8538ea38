"""What a plan costs: its terms, its days and sums, and the full cost table. Rules: docs/rules/plans.md."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from statistics import mode
from typing import Final

from apps.common.money import MAX_MONEY, ZERO, round_money
from apps.loans.domain.daycount import DayCount, month_day
from apps.loans.domain.duedates import IsWorkingDay
from apps.loans.domain.errors import BadTerms
from apps.loans.domain.errors import said as _
from apps.loans.domain.fees import FeeBasis, FeeRule, FeeTime
from apps.loans.domain.parsing import parse_further_terms
from apps.loans.domain.quote import Quote, make_quote
from apps.loans.domain.terms import Funder, LoanTerms, Method, MonthEnd, due_in_month
from apps.products.domain.facts import CostRow, Kind, OptionFacts, Plan, PlanRow, ProductFacts, Wish

ONE: Final = Decimal(1)


def build_terms(
    plan: Plan,
    start: dt.date,
    funders: Sequence[Funder | tuple[str, int]] = (),
    *,
    first_due: dt.date | None = None,
    due_day: int | None = None,
    borrower_ref: str = "",
    party_ref: str = "",
    branch_ref: str = "",
) -> LoanTerms:
    """Loan terms of a plan that is paid out on `start`; the first instalment falls due a month later unless `first_due` was signed.

    `funders` are the shares in parts per 10,000. Raises `BadTerms`.
    """
    day = due_day or (first_due.day if first_due else start.day)
    further = parse_further_terms(plan.terms)
    next_month = month_day(start.year, start.month + 1, 1)
    return LoanTerms(
        principal=plan.principal,
        annual_rate=plan.annual_rate,
        installments=plan.installments,
        method=Method(plan.method),
        day_count=DayCount(plan.day_count),
        start=start,
        first_due=first_due or due_in_month(next_month, day, further.get("month_end", MonthEnd.LAST_DAY)),
        due_day=day,
        fee_upfront=plan.fees if plan.fee_upfront is None else plan.fee_upfront,
        balloon=plan.balloon,
        penalty_uplift=plan.penalty_uplift,
        rate_cap=plan.rate_cap,
        grace_days=plan.grace_days,
        prepay_fee_rate=plan.prepay_fee_rate,
        prepay_fee_free_after=plan.prepay_fee_free_after,
        funders=tuple(funder if isinstance(funder, Funder) else Funder(*funder) for funder in funders),
        borrower_ref=borrower_ref,
        party_ref=party_ref,
        branch_ref=branch_ref,
        **further,
    )


def price(
    product: ProductFacts, option: OptionFacts, wish: Wish, principal: Decimal, *, is_working_day: IsWorkingDay | None = None
) -> Plan:
    """The plan of one option for a principal. Raises `RateAboveCap` with both numbers, and `BadTerms`."""
    base = product.rate_for(wish.grade, wish.annual_rate)
    if base is None:
        raise BadTerms("grade", _("%(grade)s has no rate in this product", grade=wish.grade))
    own_money = (wish.vehicle_price or ZERO) - principal if product.max_ltv else ZERO
    draft = _draft(product, option, wish, principal, annual_rate=base + option.rate_delta, own_money=own_money)
    plan, _quote = priced(draft, wish.on, fee_rate=option.fee_rate, is_working_day=is_working_day)
    return replace(plan, payment_to_income=_payment_to_income(plan, wish))


def priced(plan: Plan, start: dt.date, *, fee_rate: Decimal, is_working_day: IsWorkingDay | None = None) -> tuple[Plan, Quote]:
    """The plan with the sums, the days and the costs that follow from its terms when it is paid out on `start`.

    Raises `RateAboveCap` with both numbers, and `BadTerms`.
    """
    terms = build_terms(plan, start)
    quote = make_quote(terms, is_working_day=is_working_day)
    charged = quote.schedule.fees or (ZERO,) * len(quote.schedule.rows)
    rows = tuple(
        PlanRow(row.no, row.due_date, row.principal, row.interest, row.total + fee, row.balance, fee)
        for row, fee in zip(quote.schedule.rows, charged, strict=True)
    )
    totals = [row.total for row in rows]
    costed = replace(
        plan,
        # With further terms the first instalment may be like no other: what is asked most often stands for all.
        installment=mode(totals) if plan.terms else quote.installment,
        first_installment=totals[0],
        last_installment=totals[-1],
        total_interest=quote.total_interest,
        fees=quote.fees,
        fee_upfront=terms.fee_upfront,
        total_cost=quote.total_cost,
        total_paid=plan.principal + quote.total_cost,
        apr_irr=quote.apr_irr,
        effective_rate=quote.effective_rate,
        schedule=rows,
    )
    return replace(costed, cost_rows=_cost_rows(costed, terms, fee_rate, is_working_day)), quote


def _cost_rows(plan: Plan, terms: LoanTerms, fee_rate: Decimal, is_working_day: IsWorkingDay | None) -> tuple[CostRow, ...]:
    """The full cost table 综合融资成本明示表: normal costs, each annualised, then what only a default or a prepayment costs."""
    before = make_quote(replace(terms, fee_upfront=ZERO, fees=()), is_working_day=is_working_day)
    rows = [CostRow("interest", before.total_interest, terms.annual_rate, before.apr_irr, before.effective_rate, contingent=False)]
    late = [_fee_row(rule, None, None, None) for rule in terms.fees if rule.when is FeeTime.OVERDUE]
    in_time = [rule for rule in terms.fees if rule.when is not FeeTime.OVERDUE]
    # A fee's share of the annual cost is what it adds to that of the costs above it.
    for count in range(0 if terms.fee_upfront else 1, len(in_time) + 1):
        quote = make_quote(replace(terms, fees=tuple(in_time[:count])), is_working_day=is_working_day)
        adds = (quote.fees - before.fees, quote.apr_irr - before.apr_irr, quote.effective_rate - before.effective_rate)
        first = CostRow("service_fee", adds[0], fee_rate, *adds[1:], contingent=False)
        rows.append(_fee_row(in_time[count - 1], *adds) if count else first)
        before = quote
    rows.append(CostRow("penalty", None, plan.penalty_rate, None, None, contingent=True))
    rows += late
    if terms.prepay_fee_rate:
        free_after = terms.prepay_fee_free_after
        rows.append(CostRow("prepay_fee", None, terms.prepay_fee_rate, None, None, contingent=True, free_after=free_after))
    return tuple(rows)


def _fee_row(rule: FeeRule, amount: Decimal | None, simple: Decimal | None, compound: Decimal | None) -> CostRow:
    """A fee of the terms."""
    flat = rule.of is FeeBasis.FLAT
    return CostRow(
        f"fee_{rule.when}",
        amount,
        None if flat else rule.value,
        simple,
        compound,
        contingent=rule.when is FeeTime.OVERDUE,
        name=rule.name,
        basis=rule.of.value,
        least=rule.value if flat else rule.minimum or None,
        most=None if flat or rule.maximum == MAX_MONEY else rule.maximum,
    )


def ltv_cap_of(product: ProductFacts, wish: Wish) -> Decimal | None:
    """Greatest share of the car's value that may be financed: the product's, the market's, and what own money leaves. None without a car.

    A car of unknown power is held to the strictest.
    """
    if not product.max_ltv:
        return None
    powers = [wish.power] if wish.power else list(product.max_ltv)
    caps = [product.max_ltv[power] for power in powers if power in product.max_ltv]
    caps += [wish.ltv_caps[power] for power in powers if power in wish.ltv_caps]
    return min([*caps, 1 - product.min_share_down]) if caps else ZERO


def _draft(product: ProductFacts, option: OptionFacts, wish: Wish, principal: Decimal, *, annual_rate: Decimal, own_money: Decimal) -> Plan:
    """The plan before it is priced."""
    balloon = round_money(principal * option.balloon_share, multiple=ONE) if option.balloon_share else ZERO
    price_of_car = wish.vehicle_price or ZERO
    return Plan(
        product_version_id=product.id,
        option_id=option.id,
        product_code=product.code,
        kind=product.kind,
        name=product.name,
        financing_party=product.financing_party,
        method=option.method,
        principal=principal,
        installments=option.installments,
        annual_rate=annual_rate,
        installment=ZERO,
        first_installment=ZERO,
        last_installment=ZERO,
        total_interest=ZERO,
        fees=round_money(principal * option.fee_rate),
        total_cost=ZERO,
        total_paid=ZERO,
        apr_irr=ZERO,
        effective_rate=ZERO,
        balloon=balloon,
        vehicle_price=price_of_car if product.max_ltv else ZERO,
        down_payment=own_money if product.kind == Kind.CAR_LEASE_BACK else ZERO,
        deposit=own_money if product.kind == Kind.CAR_LEASE_DIRECT else ZERO,
        ltv=fraction(principal / wish.value) if product.max_ltv and wish.value else None,
        ltv_cap=ltv_cap_of(product, wish),
        payment_to_income=None,
        day_count=product.day_count,
        penalty_uplift=product.penalty_uplift,
        rate_cap=wish.rate_cap,
        grace_days=product.grace_days,
        prepay_fee_rate=product.prepay_fee_rate,
        prepay_fee_free_after=product.prepay_fee_free_after,
        funders=product.funders,
        schedule=(),
        cost_rows=(),
        reduced=principal < wish.amount,
        terms=product.terms,
    )


def _payment_to_income(plan: Plan, wish: Wish) -> Decimal | None:
    """Monthly payments, debts elsewhere included, over income. A balloon counts as if spread over the term: it must be saved up."""
    if not wish.monthly_income:
        return None
    average = sum((row.total for row in plan.schedule), start=ZERO) / len(plan.schedule)
    return fraction((max(plan.installment, average) + wish.monthly_debts) / wish.monthly_income)


def fraction(value: Decimal) -> Decimal:
    """A share to four places."""
    return value.quantize(Decimal("0.0001"))
