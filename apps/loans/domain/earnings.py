"""Sums beside a loan's own: income earned over its life, and the interest a merchant's refund gives back.

Rules: docs/rules/prepayment.md.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal

from apps.common.money import ZERO, round_money
from apps.loans.domain.duedates import IsWorkingDay
from apps.loans.domain.replay import replay
from apps.loans.domain.state import LoanState, LoanStatus
from apps.loans.domain.terms import LoanTerms
from apps.loans.domain.transactions import Kind, Transaction, Unearned


@dataclass(frozen=True, slots=True)
class Income:
    """An income received in advance, in yuan, on `LoanState.as_of`: earned so far, and given back to the payer."""

    kind: Kind
    amount: Decimal
    earned: Decimal
    returned: Decimal


_OVER_THE_LIFE = (Kind.CAPITALISED_INCOME, Kind.BUY_DOWN)


def incomes_of(state: LoanState) -> list[Income]:
    """Capitalised income and buy-downs 贴息 of a loan, each earned by days from its value date to the last due date as the plan is.

    When the loan ends before that date, all of an income is earned at once, or the rest of a buy-down is given back, as agreed.
    """
    if state.opened_on is None or state.status is LoanStatus.CANCELLED:
        return []
    standing = (told.transaction for told in state.transactions if told.reversed_by is None and told.remark is None)
    return [_income(state, item) for item in standing if item.kind in _OVER_THE_LIFE]


def _income(state: LoanState, item: Transaction) -> Income:
    amount = item.amount or ZERO
    if state.ended_early is not None:
        until, last = state.ended_early
    else:
        until, last = state.as_of, max((row.installment.end for row in state.rows), default=state.as_of)
    gone, whole = (until - item.value_date).days, (last - item.value_date).days
    earned = amount if gone >= whole else round_money(amount * gone / whole, state.terms.rounding.value)
    if state.ended_early is None:
        return Income(item.kind, amount, earned, ZERO)
    returned = amount - earned if item.unearned is Unearned.RETURNED else ZERO
    return Income(item.kind, amount, amount - returned, returned)


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
