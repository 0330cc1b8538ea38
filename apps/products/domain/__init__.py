"""Plans: which products fit a person and a car, what each costs, and which to show first. Rules: docs/rules/plans.md."""

from apps.products.domain.facts import (
    KIND_OF_LEASE,
    CostRow,
    Kind,
    Matching,
    OptionFacts,
    Plan,
    Power,
    ProductFacts,
    Reason,
    VehicleBrief,
    Wish,
    plan_from_json,
    plan_to_json,
)
from apps.products.domain.matching import MAX_PAYMENT_TO_INCOME, match
from apps.products.domain.pricing import build_terms, ltv_cap_of, price, priced

__all__ = [
    "CostRow",
    "KIND_OF_LEASE",
    "Kind",
    "MAX_PAYMENT_TO_INCOME",
    "Matching",
    "OptionFacts",
    "Plan",
    "Power",
    "ProductFacts",
    "Reason",
    "VehicleBrief",
    "Wish",
    "build_terms",
    "ltv_cap_of",
    "match",
    "plan_from_json",
    "plan_to_json",
    "price",
    "priced",
]
