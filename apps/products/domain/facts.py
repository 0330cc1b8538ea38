"""Products, what a customer wishes, and plans: what each is.

Money in yuan; rates and shares as fractions (0.108 = 10.8 %) except `apr_irr` and `effective_rate`, which are disclosed in percent.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from apps.common.money import ZERO
from apps.products.revive import revive


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


def plan_to_json(plan: Plan) -> dict[str, Any]:
    """A plan as it is kept with an offer: amounts, rates, dates and ids as text."""
    document: dict[str, Any] = json.loads(json.dumps(asdict(plan), default=str))
    return document


def plan_from_json(document: Mapping[str, Any]) -> Plan:
    """The plan that `plan_to_json` wrote down."""
    plan: Plan = revive(Plan, document)
    return plan
