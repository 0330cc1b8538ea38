"""The loan core: pure functions on frozen dataclasses. No Django, no clock, no I/O; `as_of` is a parameter."""

from apps.loans.domain.daycount import DayCount
from apps.loans.domain.earnings import Income, incomes_of, interest_refund
from apps.loans.domain.errors import BadTerms, RateAboveCap, RefusedOnEntry
from apps.loans.domain.fees import FeeBasis, FeeRule, FeeTime
from apps.loans.domain.floating import floating_rate, next_reset, reset_dates
from apps.loans.domain.installments import Amounts, Installment
from apps.loans.domain.irr import periodic_irr, xirr
from apps.loans.domain.parsing import parse_quote_request, parse_terms, parse_transaction, parse_transactions
from apps.loans.domain.payments import Payoff
from apps.loans.domain.position import Allocation
from apps.loans.domain.public import quote_from_json, quote_to_json, replay_from_json, state_to_json, terms_to_json
from apps.loans.domain.quote import Quote, make_quote
from apps.loans.domain.replay import check_entry, replay
from apps.loans.domain.schedule import Schedule, ScheduleRow, build_schedule
from apps.loans.domain.shares import share_of, split_components, split_flow
from apps.loans.domain.state import LoanState, LoanStatus, RowState, RowStatus, TransactionState
from apps.loans.domain.terms import (
    COMPONENTS,
    Advance,
    AllocationOrder,
    AllocationRule,
    AssetClass,
    Bucket,
    ClassBounds,
    Component,
    FirstInterest,
    Floating,
    Frequency,
    Funder,
    GraceInterest,
    LoanTerms,
    Method,
    MonthEnd,
    Repricing,
    Rounding,
    Tranche,
)
from apps.loans.domain.transactions import Kind, Pauses, PrepaymentMode, Transaction, Unearned

__all__ = [
    "COMPONENTS",
    "Advance",
    "Allocation",
    "AllocationOrder",
    "AllocationRule",
    "Amounts",
    "AssetClass",
    "BadTerms",
    "Bucket",
    "ClassBounds",
    "Component",
    "DayCount",
    "FeeBasis",
    "FeeRule",
    "FeeTime",
    "FirstInterest",
    "Floating",
    "Frequency",
    "Funder",
    "GraceInterest",
    "Income",
    "Installment",
    "Kind",
    "LoanState",
    "LoanStatus",
    "LoanTerms",
    "Method",
    "MonthEnd",
    "Pauses",
    "Payoff",
    "PrepaymentMode",
    "Quote",
    "RateAboveCap",
    "RefusedOnEntry",
    "Repricing",
    "Rounding",
    "RowState",
    "RowStatus",
    "Schedule",
    "ScheduleRow",
    "Tranche",
    "Transaction",
    "TransactionState",
    "Unearned",
    "build_schedule",
    "check_entry",
    "floating_rate",
    "incomes_of",
    "interest_refund",
    "make_quote",
    "next_reset",
    "parse_quote_request",
    "parse_terms",
    "parse_transaction",
    "parse_transactions",
    "periodic_irr",
    "quote_from_json",
    "quote_to_json",
    "replay",
    "replay_from_json",
    "reset_dates",
    "share_of",
    "split_components",
    "split_flow",
    "state_to_json",
    "terms_to_json",
    "xirr",
]
