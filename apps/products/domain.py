"""Plans: which products fit a person and a car, what each costs, and which to show first. Rules: docs/rules/plans.md.

Money in yuan; rates and shares as fractions (0.108 = 10.8 %) except `apr_irr` and `effective_rate`, which are disclosed in percent.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from decimal import ROUND_DOWN, Decimal
from enum import StrEnum
from statistics import mode
from typing import Any, Final
from uuid import UUID

from apps.common.money import CENT, MAX_MONEY, ZERO, round_money
from apps.loans.domain.daycount import DayCount, month_day
from apps.loans.domain.duedates import IsWorkingDay
from apps.loans.domain.errors import BadTerms, RateAboveCap
from apps.loans.domain.errors import said as _
from apps.loans.domain.fees import FeeBasis, FeeRule, FeeTime
from apps.loans.domain.parsing import parse_further_terms
from apps.loans.domain.quote import Quote, make_quote
from apps.loans.domain.terms import Funder, LoanTerms, Method, MonthEnd, due_in_month
from apps.products.revive import revive

ONE: Final = Decimal(1)
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


class Power(StrEnum):
    """What drives a car: combustion (hybrids without plug included), or new energy (battery, plug-in, range extender)."""

    ICE = "ice"
    NEV = "nev"


class Kind(StrEnum):
    """正租: the lender owns the car, the customer pays a deposit. 回租: the customer owns it and pays down. Cash: no car."""

    CAR_LEASE_DIRECT = "car_lease_direct"
    CAR_LEASE_BACK = "car_lease_back"
    CASH = "cash"


KIND_OF_LEASE: Final[Mapping[str, Kind]] = {"direct": Kind.CAR_LEASE_DIRECT, "leaseback": Kind.CAR_LEASE_BACK}


@dataclass(frozen=True)
class VehicleBrief:
    """A car of the catalogue; `name` is what pages and contracts call it."""

    id: UUID
    brand: str
    series: str
    model_year: int
    trim: str
    name: str
    guide_price: Decimal
    power: str


@dataclass(frozen=True)
class OptionFacts:
    """A way to repay that a version offers; `rate_delta` is added to the customer's rate."""

    id: UUID
    code: str
    installments: int
    method: str
    rate_delta: Decimal
    fee_rate: Decimal
    balloon_share: Decimal


@dataclass(frozen=True)
class ProductFacts:
    """A product version as others may know it; `id` is the version's. `terms` are further ones of the core, with the keys of a replay."""

    id: UUID
    product_id: UUID
    legal_entity_id: UUID
    code: str
    version: int
    kind: str
    state: str
    name: str
    financing_party: str
    guarantee: str
    purpose: str
    borrower: str
    amount_min: Decimal
    amount_max: Decimal
    max_ltv: Mapping[str, Decimal]
    min_share_down: Decimal
    rates: Mapping[str, Decimal]
    rate_min: Decimal
    rate_max: Decimal
    day_count: str
    penalty_uplift: Decimal
    grace_days: int
    prepay_fee_rate: Decimal
    prepay_fee_free_after: int | None
    min_age: int
    max_age_at_end: int
    min_income: Decimal
    funders: tuple[str, ...]
    options: tuple[OptionFacts, ...]
    is_finance_lease: bool = False
    offsets_deposit: bool = False
    purchase_price: Decimal | None = None
    terms: Mapping[str, Any] = field(default_factory=dict)

    def rate_for(self, grade: str, decided: Decimal | None) -> Decimal | None:
        """The customer's rate: the decided one, else the grade's; kept between least and greatest. None: not for the grade."""
        if grade not in self.rates:
            return None
        return min(max(decided if decided is not None else self.rates[grade], self.rate_min), self.rate_max)


@dataclass(frozen=True)
class Wish:
    """What the customer wants and may have, as of a day. `ltv_caps` are the market's, by power; `rate_cap` the lender type's."""

    on: dt.date
    amount: Decimal
    term: int | None
    grade: str
    rate_cap: Decimal
    limit: Decimal | None = None
    annual_rate: Decimal | None = None
    vehicle_price: Decimal | None = None
    guide_price: Decimal | None = None
    power: str | None = None
    ltv_caps: Mapping[str, Decimal] = field(default_factory=dict)
    max_term: int | None = None
    monthly_income: Decimal | None = None
    monthly_debts: Decimal = ZERO
    age: int | None = None

    @property
    def value(self) -> Decimal:
        """What the car is worth as a security: the lower of its price and its guide price; zero without a car."""
        known = [price for price in (self.vehicle_price, self.guide_price) if price is not None]
        return min(known) if self.vehicle_price is not None else ZERO


@dataclass(frozen=True)
class PlanRow:
    """An instalment of a plan; `total` is all that is paid on the day, the `fee` of the terms included."""

    no: int
    due_date: dt.date
    principal: Decimal
    interest: Decimal
    total: Decimal
    balance: Decimal
    fee: Decimal = ZERO


@dataclass(frozen=True)
class CostRow:
    """A line of the full cost table: `rate` is its standard (fraction); its share of the annual cost in percent, both ways of counting.

    A fee of the terms has its own `name`, its `rate` is of `basis` (a flat one has none), and it is between `least` and `most`.
    """

    code: str
    amount: Decimal | None
    rate: Decimal | None
    annual_simple: Decimal | None
    annual_compound: Decimal | None
    contingent: bool
    free_after: int | None = None
    name: str = ""
    basis: str = ""
    least: Decimal | None = None
    most: Decimal | None = None

    @property
    def annualised(self) -> Decimal | None:
        """The share of the annual cost that the cost table shows: compounded, in percent."""
        return self.annual_compound


@dataclass(frozen=True)
class Reason:
    """Why a plan stands where it does; `points` of the score, `value` the figure behind them (a fraction, or None)."""

    code: str
    points: Decimal
    value: Decimal | None = None


@dataclass(frozen=True)
class Plan:
    """One way to pay, with all its costs. `down_payment` is the customer's own money in 回租, `deposit` in 正租; the other is zero.

    `fees` are all that a loan paid in time costs; of them `fee_upfront` is the service fee (None: all are), the rest those of `terms`.
    """

    product_version_id: UUID
    option_id: UUID
    product_code: str
    kind: str
    name: str
    financing_party: str
    method: str
    principal: Decimal
    installments: int
    annual_rate: Decimal
    installment: Decimal
    first_installment: Decimal
    last_installment: Decimal
    total_interest: Decimal
    fees: Decimal
    total_cost: Decimal
    total_paid: Decimal
    apr_irr: Decimal
    effective_rate: Decimal
    balloon: Decimal
    vehicle_price: Decimal
    down_payment: Decimal
    deposit: Decimal
    ltv: Decimal | None
    ltv_cap: Decimal | None
    payment_to_income: Decimal | None
    day_count: str
    penalty_uplift: Decimal
    rate_cap: Decimal
    grace_days: int
    prepay_fee_rate: Decimal
    prepay_fee_free_after: int | None
    funders: tuple[str, ...]
    schedule: tuple[PlanRow, ...]
    cost_rows: tuple[CostRow, ...]
    score: Decimal = ZERO
    reasons: tuple[Reason, ...] = ()
    reduced: bool = False
    fee_upfront: Decimal | None = None
    terms: Mapping[str, Any] = field(default_factory=dict)

    @property
    def penalty_rate(self) -> Decimal:
        """Annual rate on what is overdue, as a fraction; never above the cap."""
        return min(self.annual_rate * (1 + self.penalty_uplift), self.rate_cap)


@dataclass(frozen=True)
class Refusal:
    """Why an option gives no plan; `facts` hold the figures."""

    product_code: str
    option: str
    code: str
    facts: Mapping[str, str]


@dataclass(frozen=True)
class Matching:
    """Plans that fit, best first, and why the others do not."""

    plans: tuple[Plan, ...]
    refusals: tuple[Refusal, ...]


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


def scored(plan: Plan, wish: Wish) -> Plan:
    """The plan with its score of 0 to 105 and the points of each part."""
    chance = approval_chance(plan, wish.grade)
    payment = plan.payment_to_income
    ease = Decimal("0.5") if payment is None else _share_of_scale(payment, EASY_PAYMENT, MAX_PAYMENT_TO_INCOME)
    cost = plan.total_cost / plan.principal
    reasons = [
        Reason("approval_chance", _points(WEIGHT_CHANCE * chance), _fraction(chance)),
        Reason("payment_to_income" if payment is not None else "income_unknown", _points(WEIGHT_PAYMENT * ease), payment),
        Reason("total_cost", _points(WEIGHT_COST * _share_of_scale(cost, ZERO, HIGHEST_COST)), _fraction(cost)),
    ]
    if wish.term == plan.installments:
        reasons.append(Reason("term_as_asked", AS_ASKED_POINTS))
    if plan.reduced:
        reasons.append(Reason("amount_reduced", ZERO, _fraction(plan.principal / wish.amount)))
    if plan.balloon:
        reasons.append(Reason("balloon_at_end", ZERO, _fraction(plan.balloon / plan.principal)))
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
        ltv=_fraction(principal / wish.value) if product.max_ltv and wish.value else None,
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
    return _fraction((max(plan.installment, average) + wish.monthly_debts) / wish.monthly_income)


def _share_of_scale(value: Decimal, best: Decimal, worst: Decimal) -> Decimal:
    """1 at the best end or beyond, 0 at the worst or beyond, straight between."""
    return min(max((worst - value) / (worst - best), Decimal(0)), ONE)


def _points(value: Decimal) -> Decimal:
    return value.quantize(CENT)


def _fraction(value: Decimal) -> Decimal:
    return value.quantize(Decimal("0.0001"))


def plan_to_json(plan: Plan) -> dict[str, Any]:
    """A plan as it is kept with an offer: amounts, rates, dates and ids as text."""
    document: dict[str, Any] = json.loads(json.dumps(asdict(plan), default=str))
    return document


def plan_from_json(document: Mapping[str, Any]) -> Plan:
    """The plan that `plan_to_json` wrote down."""
    plan: Plan = revive(Plan, document)
    return plan
