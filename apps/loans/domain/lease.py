"""A vehicle lease: what the deposit pays, and how a car that comes back settles what is owed. Rules: docs/rules/vehicle-lease.md."""

from dataclasses import dataclass
from decimal import Decimal

from apps.common.money import ZERO


def deposit_for_due(*, held: Decimal, due: Decimal, falling_due: Decimal, coming: Decimal) -> Decimal:
    """What a deposit of `held` yuan pays of what is due, when it is there for the last instalments.

    It is kept for the instalments to come, and pays when it covers the one that falls due besides: whole instalments, the last ones.
    """
    free = held - coming
    return min(due, free) if free >= falling_due else ZERO


@dataclass(frozen=True, slots=True)
class CarReturn:
    """How a returned car and the deposit settle a claim, in yuan: the car pays first, then the deposit.

    `excess` of the car's value belongs to the customer, and what is left of the deposit; what neither pays stays owed.
    """

    by_car: Decimal
    by_deposit: Decimal
    excess: Decimal


def settle_return(*, claim: Decimal, car_value: Decimal, deposit: Decimal) -> CarReturn:
    """Set a car's value and a deposit off against a claim; all amounts in yuan, none below zero."""
    by_car = min(car_value, claim)
    by_deposit = min(deposit, claim - by_car)
    return CarReturn(by_car, by_deposit, car_value - by_car)
