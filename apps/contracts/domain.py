"""What a contract says, in the words of the papers. Money in yuan; rates as fractions (0.108 = 10.8 %) unless said otherwise."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Final

from apps.loans.domain.quote import Quote, make_quote
from apps.products.domain import CostRow, Plan, build_terms, cost_rows

TEMPLATE_VERSION: Final = "2026-01"
COST_TABLE_VERSION: Final = "MS2026-01"
KINDS: Final = {"car_lease_direct": "direct", "car_lease_back": "leaseback", "cash": "cash"}
METHODS: Final = {
    "equal_installment": "等额本息",
    "equal_principal": "等额本金",
    "interest_first": "先息后本",
    "flat": "等本等息",
    "bullet": "到期一次还本付息",
    "balloon": "等额本息加尾款",
    "custom": "约定金额",
    "step": "阶梯还款",
}
POWERS: Final = {"ice": "燃油（含不插电混动）", "nev": "新能源"}
_DAY_COUNTS: Final = {
    "30/360": "每月按 30 天、一年按 360 天计",
    "act/360": "按实际天数、一年按 360 天计",
    "act/365": "按实际天数、一年按 365 天计",
    "act/364": "按实际天数、一年按 364 天计",
    "act/act": "按实际天数计",
}
_PERCENT: Final = Decimal(100)


@dataclass(frozen=True)
class Priced:
    """A plan as the contract fixes it: dated from the day of the contract."""

    plan: Plan
    quote: Quote
    costs: tuple[CostRow, ...]
    first_due: dt.date


@dataclass(frozen=True)
class CostLine:
    """One line of the full cost table in its own words; `amount` in yuan, `annualised` as a fraction."""

    code: str
    name: str
    how: str
    standard: str
    collector: str
    amount: Decimal | None
    annualised: Decimal | None


@dataclass(frozen=True)
class CostTable:
    """The full cost table 综合融资成本明示表: normal costs with their share, contingent ones apart, and the whole as a yearly rate.

    `annual_all_in` is the internal rate per month × 12 (simple), the sum of the rows' shares; `annual_compound` the same compounded.
    """

    version: str
    principal: Decimal
    rows: tuple[CostLine, ...]
    contingent: tuple[CostLine, ...]
    total: Decimal
    annual_all_in: Decimal
    annual_compound: Decimal


def price_from(plan: Plan, made_on: dt.date) -> Priced:
    """The accepted plan with the due days and sums that follow from the day of the contract.

    Raises `loans.domain.errors.RateAboveCap` should the dates lift the cost above the cap.
    """
    terms = build_terms(plan, made_on)
    quote = make_quote(terms)
    service = next((row.rate for row in plan.cost_rows if row.code == "service_fee"), None)
    totals = [row.total for row in quote.schedule.rows]
    dated = replace(
        plan,
        installment=quote.installment,
        first_installment=totals[0],
        last_installment=totals[-1],
        total_interest=quote.total_interest,
        fees=quote.fees,
        total_cost=quote.total_cost,
        total_paid=plan.principal + quote.total_cost,
        apr_irr=quote.apr_irr,
        effective_rate=quote.effective_rate,
    )
    costs = cost_rows(dated, terms, quote, fee_rate=service or Decimal(0))
    return Priced(dated, quote, costs, quote.schedule.rows[0].due_date)


def cost_table(priced: Priced, *, collector: str) -> CostTable:
    """The full cost table of a priced plan; `collector` is who charges (the lender)."""
    lines = [(row, _line(row, priced.plan, collector)) for row in priced.costs if row.code not in ("principal", "all_in")]
    return CostTable(
        version=COST_TABLE_VERSION,
        principal=priced.plan.principal,
        rows=tuple(line for row, line in lines if not row.contingent),
        contingent=tuple(line for row, line in lines if row.contingent),
        total=priced.quote.total_cost,
        annual_all_in=priced.quote.apr_irr / _PERCENT,
        annual_compound=priced.quote.effective_rate / _PERCENT,
    )


def percent_text(share: Decimal) -> str:
    """`0.108` → `10.80%`; more decimals only when they are needed."""
    value = (share * _PERCENT).normalize()
    return f"{value:.{max(2, -int(value.as_tuple().exponent))}f}%"


def _line(row: CostRow, plan: Plan, collector: str) -> CostLine:
    name, how, standard = _words(row, plan)
    return CostLine(
        code=row.code,
        name=name,
        how=how,
        standard=standard,
        collector=collector,
        amount=row.amount,
        annualised=None if row.annualised is None else row.annualised / _PERCENT,
    )


def _words(row: CostRow, plan: Plan) -> tuple[str, str, str]:
    """(name, how it is charged, standard) of a line. Raises KeyError for a cost that the papers have no words for: none goes unsaid."""
    rate = percent_text(row.rate) if row.rate is not None else "–"
    free = f"第 {row.free_after} 期后不收" if row.free_after else "全期适用"
    days = _DAY_COUNTS.get(plan.day_count, "按实际占用时间计")
    words = {
        "interest": ("利息", "随每期款项支付，不预先扣除", f"年利率 {rate}，按剩余本金和占用时间计收，{days}"),
        "service_fee": ("手续费", "放款时一次性支付", f"融资本金的 {rate}"),
        "penalty": ("逾期罚息", "未按期足额付款，自逾期次日起", f"逾期本金按年利率 {rate} 按日计收"),
        "prepay_fee": ("提前清偿违约金", f"提前清偿时；{free}", f"提前清偿本金的 {rate}"),
    }
    return words[row.code]


def plan_words(priced: Priced) -> dict[str, Any]:
    """The plan as the contract's template wants it."""
    plan = priced.plan
    own_money = plan.deposit or plan.down_payment
    return {
        "name": plan.name,
        "principal": plan.principal,
        "installments": plan.installments,
        "annual_rate": plan.annual_rate,
        "method_name": METHODS[plan.method],
        "installment": plan.installment,
        "total_interest": plan.total_interest,
        "total_fees": plan.fees,
        "total_payable": plan.total_paid,
        "deposit": plan.deposit,
        "down_payment": plan.down_payment,
        "own_money": own_money,
        "own_money_name": "保证金" if plan.deposit else "首付款",
        "penalty_rate": plan.penalty_rate,
        "penalty_markup": plan.penalty_uplift,
        "prepay_fee_rate": plan.prepay_fee_rate,
        "grace_days": plan.grace_days,
        "balloon": plan.balloon,
        "day_count_words": _DAY_COUNTS.get(plan.day_count, ""),
    }
