"""Sums beside a loan's own: a subsidy earned over its life, and the interest a merchant's refund gives back.

Rules: docs/rules/prepayment.md.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from decimal import Decimal

from apps.common.money import ZERO, round_money
from apps.loans.domain.duedates import IsWorkingDay
from apps.loans.domain.replay import replay
from apps.loans.domain.state import LoanState, LoanStatus
from apps.loans.domain.terms import LoanTerms
from apps.loans.domain.transactions import Kind, Transaction

_UNEARNED = (LoanStatus.PENDING, LoanStatus.CANCELLED)


def subsidy_earned(state: LoanState, amount: Decimal) -> Decimal:
    """What of a subsidy 贴息, or of any income received in advance, is earned on `state.as_of`: a running total in yuan.

    By days from the first day of the loan to its last due date, as the plan now is; all of it once nothing is owed.
    """
    if state.status in _UNEARNED or state.opened_on is None:
        return ZERO
    last = max((row.installment.end for row in state.rows), default=state.as_of)
    if state.status is LoanStatus.SETTLED or state.as_of >= last:
        return amount
    gone, whole = (state.as_of - state.opened_on).days, (last - state.opened_on).days
    return round_money(amount * gone / whole, state.terms.rounding.value)


def interest_refund(
    terms: LoanTerms, transactions: Iterable[Transaction], amount: Decimal, day: date, *, is_working_day: IsWorkingDay | None = None
) -> Decimal:
    """Interest that `amount` of the principal has cost by `day`: the loan's, less that of a loan lent so much less.

    A refund of the whole principal, or more, gives back all interest. The refund itself is a prepayment with source
    `merchant`, the interest a repayment with source `goodwill`.
    """
    history = list(transactions)
    state = replay(terms, history, day, is_working_day=is_working_day)
    cost = state.interest_accrued_to(day)
    if amount >= terms.principal or state.opened_on is None:
        return cost
    free = replace(terms, prepay_fee_rate=Decimal(0), prepay_fee_floor=ZERO)
    # Later than any other of its day, so that it finds the whole first disbursement paid out.
    returned = Transaction(id="\uffff", kind=Kind.PREPAYMENT, value_date=state.opened_on, amount=amount)
    without = replay(free, [*history, returned], day, is_working_day=is_working_day)
    return max(cost - without.interest_accrued_to(day), ZERO)
