"""The loan core: pure functions on frozen dataclasses. No Django, no clock, no I/O; `as_of` is a parameter."""

from apps.loans.domain.daycount import DayCount
from apps.loans.domain.errors import BadTerms, RateAboveCap, RefusedOnEntry, UnsupportedTransaction
from apps.loans.domain.irr import periodic_irr, xirr
from apps.loans.domain.public import quote_from_json, quote_to_json
from apps.loans.domain.quote import Quote, make_quote
from apps.loans.domain.schedule import Schedule, ScheduleRow, build_schedule
from apps.loans.domain.terms import (
    COMPONENTS,
    AllocationOrder,
    Component,
    Frequency,
    Funder,
    LoanTerms,
    Method,
    Rounding,
)
from apps.loans.domain.transactions import Kind, PrepaymentMode, Transaction

__all__ = [
    "COMPONENTS",
    "AllocationOrder",
    "BadTerms",
    "Component",
    "DayCount",
    "Frequency",
    "Funder",
    "Kind",
    "LoanTerms",
    "Method",
    "PrepaymentMode",
    "Quote",
    "RateAboveCap",
    "RefusedOnEntry",
    "Rounding",
    "Schedule",
    "ScheduleRow",
    "Transaction",
    "UnsupportedTransaction",
    "build_schedule",
    "make_quote",
    "periodic_irr",
    "quote_from_json",
    "quote_to_json",
    "xirr",
]
