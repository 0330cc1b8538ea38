"""Which products fit a person and a car, and which plan to show first. Rules: docs/rules/plans.md."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from decimal import ROUND_DOWN, Decimal
from typing import Final

from apps.common.money import CENT, ZERO
from apps.loans.domain.duedates import IsWorkingDay
from apps.loans.domain.errors import BadTerms, RateAboveCap
from apps.products.domain.facts import Matching, OptionFacts, Plan, ProductFacts, Reason, Refusal, Wish
from apps.products.domain.pricing import ONE, fraction, ltv_cap_of, price

HUNDRED: Final = Decimal(100)
AMOUNT_STEP: Final = Decimal(100)
MAX_PAYMENT_TO_INCOME: Final = Decimal("0.70")

# The score's parts, and the two ends of each scale; docs/rules/plans.md tells why.
WEIGHT_CHANCE: Final = Decimal(40)
WEIGHT_PAYMENT: Final = Decimal(35)
WEIGHT_COST: Final = Decimal(25)
AS_ASKED_POINTS: Final = Decimal(5)
EASY_PAYMENT: Final = Decimal("0.20")
HIGHEST_COST: Final = Decimal("0.50")
STRAINED_PAYMENT: Final = Decimal("0.35")
GRADE_CHANCE: Final[Mapping[str, Decimal]] = {
    "A": Decimal("0.97"),
    "B": Decimal("0.90"),
    "C": Decimal("0.78"),
    "D": Decimal("0.60"),
    "E": Decimal("0.35"),
}
_UNKNOWN_GRADE_CHANCE: Final = Decimal("0.50")


def match(products: Iterable[ProductFacts], wish: Wish, *, is_working_day: IsWorkingDay | None = None) -> Matching:
    """All plans that fit the wish, ranked by score, and the refusals of the rest."""
    plans: list[Plan] = []
    refusals: list[Refusal] = []
    for product in products:
        principal = _principal(product, wish)
        problem = _unfit(product, wish, principal)
        for option in product.options:
            found = problem or _unfit_option(product, option, wish)
            if found:
                refusals.append(Refusal(product.code, option.code, found[0], found[1]))
                continue
            try:
                plan = price(product, option, wish, principal, is_working_day=is_working_day)
            except RateAboveCap as error:
                facts = {"apr_irr": error.apr_irr, "cap": error.cap}
                refusals.append(Refusal(product.code, option.code, "rate_above_cap", facts))
                continue
            except BadTerms as error:
                refusals.append(Refusal(product.code, option.code, "terms", {"field": error.field, "why": error.message}))
                continue
            if plan.payment_to_income is not None and plan.payment_to_income > MAX_PAYMENT_TO_INCOME:
                facts = {"payment_to_income": str(plan.payment_to_income), "cap": str(MAX_PAYMENT_TO_INCOME)}
                refusals.append(Refusal(product.code, option.code, "payment_above_income", facts))
                continue
            plans.append(scored(plan, wish))
    plans.sort(key=lambda plan: (-plan.score, plan.total_cost, plan.installments, plan.product_code, plan.option_id))
    return Matching(tuple(plans), tuple(refusals))


def scored(plan: Plan, wish: Wish) -> Plan:
    """The plan with its score of 0 to 105 and the points of each part."""
    chance = approval_chance(plan, wish.grade)
    payment = plan.payment_to_income
    ease = Decimal("0.5") if payment is None else _share_of_scale(payment, EASY_PAYMENT, MAX_PAYMENT_TO_INCOME)
    cost = plan.total_cost / plan.principal
    reasons = [
        Reason("approval_chance", _points(WEIGHT_CHANCE * chance), fraction(chance)),
        Reason("payment_to_income" if payment is not None else "income_unknown", _points(WEIGHT_PAYMENT * ease), payment),
        Reason("total_cost", _points(WEIGHT_COST * _share_of_scale(cost, ZERO, HIGHEST_COST)), fraction(cost)),
    ]
    if wish.term == plan.installments:
        reasons.append(Reason("term_as_asked", AS_ASKED_POINTS))
    if plan.reduced:
        reasons.append(Reason("amount_reduced", ZERO, fraction(plan.principal / wish.amount)))
    if plan.balloon:
        reasons.append(Reason("balloon_at_end", ZERO, fraction(plan.balloon / plan.principal)))
    return replace(plan, score=sum((reason.points for reason in reasons), start=ZERO), reasons=tuple(reasons))


def approval_chance(plan: Plan, grade: str) -> Decimal:
    """How likely the rest of the way is to succeed, 0.05 to 0.99: by grade, less for little own money and for a strained income."""
    chance = GRADE_CHANCE.get(grade, _UNKNOWN_GRADE_CHANCE)
    if plan.ltv is not None and plan.ltv_cap:
        chance -= Decimal("0.15") * (plan.ltv / plan.ltv_cap) ** 2
    if plan.payment_to_income is not None and plan.payment_to_income > STRAINED_PAYMENT:
        strain = (plan.payment_to_income - STRAINED_PAYMENT) / (MAX_PAYMENT_TO_INCOME - STRAINED_PAYMENT)
        chance -= Decimal("0.25") * min(strain, ONE)
    return min(max(chance, Decimal("0.05")), Decimal("0.99"))


def _principal(product: ProductFacts, wish: Wish) -> Decimal:
    """What may be lent of what was asked: never above limit, product and share of the value; cut to whole hundreds when it is less."""
    bounds = [product.amount_max]
    if wish.limit is not None:
        bounds.append(wish.limit)
    cap = ltv_cap_of(product, wish)
    if cap is not None:
        bounds.append((cap * wish.value).quantize(CENT, ROUND_DOWN))
    most = min(bounds)
    if wish.amount <= most:
        return wish.amount
    return ((most / AMOUNT_STEP).quantize(ONE, ROUND_DOWN) * AMOUNT_STEP).quantize(CENT)


Problem = tuple[str, Mapping[str, str]]


def _unfit(product: ProductFacts, wish: Wish, principal: Decimal) -> Problem | None:
    if product.max_ltv and wish.vehicle_price is None:
        return "vehicle_missing", {}
    if wish.grade not in product.rates:
        return "grade", {"grade": wish.grade}
    if principal < product.amount_min:
        return "amount_too_small", {"possible": str(principal), "least": str(product.amount_min)}
    if wish.age is not None and wish.age < product.min_age:
        return "age", {"age": str(wish.age), "least": str(product.min_age)}
    if wish.monthly_income is not None and wish.monthly_income < product.min_income:
        return "income", {"least": str(product.min_income)}
    return None


def _unfit_option(product: ProductFacts, option: OptionFacts, wish: Wish) -> Problem | None:
    if wish.max_term is not None and option.installments > wish.max_term:
        return "term", {"greatest": str(wish.max_term)}
    if wish.age is not None and wish.age + (option.installments + 11) // 12 > product.max_age_at_end:
        return "age_at_end", {"greatest": str(product.max_age_at_end)}
    return None


def _share_of_scale(value: Decimal, best: Decimal, worst: Decimal) -> Decimal:
    """1 at the best end or beyond, 0 at the worst or beyond, straight between."""
    return min(max((worst - value) / (worst - best), Decimal(0)), ONE)


def _points(value: Decimal) -> Decimal:
    return value.quantize(CENT)
