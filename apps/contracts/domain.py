"""What a contract says, in the words of the papers. Money in yuan; rates as fractions (0.108 = 10.8 %) unless said otherwise."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from apps.loans.domain.duedates import IsWorkingDay
from apps.loans.domain.quote import Quote
from apps.products.domain import Plan
from apps.products.domain import priced as priced_on

TEMPLATE_VERSION: Final = "2026-01"
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


@dataclass(frozen=True)
class Priced:
    """A plan as the contract fixes it: dated from the day of the contract."""

    plan: Plan
    quote: Quote
    first_due: dt.date


def price_from(plan: Plan, made_on: dt.date, *, is_working_day: IsWorkingDay | None = None) -> Priced:
    """The accepted plan with the due days and sums that follow from the day of the contract.

    Raises `loans.domain.errors.RateAboveCap` should the dates lift the cost above the cap.
    """
    service = next((row.rate for row in plan.cost_rows if row.code == "service_fee"), None)
    dated, quote = priced_on(plan, made_on, fee_rate=service or Decimal(0), is_working_day=is_working_day)
    return Priced(dated, quote, dated.schedule[0].due_date)


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
        "row_fees": sum((row.fee for row in plan.schedule), start=Decimal(0)),
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
