"""What happened to a loan: an append-only set of transactions, their order, and reversal as "never happened".

Rules: docs/rules/back-dating.md.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum

from apps.loans.domain.errors import BadTerms
from apps.loans.domain.terms import Component, LoanTerms


class Kind(StrEnum):
    """Every kind, in the order in which transactions of one value date take effect; a reversal has no place."""

    DISBURSEMENT = "disbursement"
    RATE_RESET = "rate_reset"
    EXTENSION = "extension"
    TERM_CHANGE = "term_change"
    DUE_DAY_CHANGE = "due_day_change"
    RE_AMORTISE = "re_amortise"
    RE_AGE = "re_age"
    INTEREST_PAUSE = "interest_pause"
    FEE = "fee"
    WAIVER = "waiver"
    ADJUSTMENT = "adjustment"
    REPAYMENT = "repayment"
    PREPAYMENT = "prepayment"
    EARLY_SETTLEMENT = "early_settlement"
    REFUND = "refund"
    CHARGEBACK = "chargeback"
    WRITE_OFF = "write_off"
    RECOVERY = "recovery"
    TERMINATION = "termination"
    OWNER_TRANSFER = "owner_transfer"
    REVERSAL = "reversal"


class PrepaymentMode(StrEnum):
    REDUCE = "reduce"
    SHORTEN = "shorten"


_RANK = {kind: rank for rank, kind in enumerate(Kind)}
_NEEDS_AMOUNT = frozenset({Kind.DISBURSEMENT, Kind.FEE, Kind.REPAYMENT, Kind.PREPAYMENT, Kind.EARLY_SETTLEMENT, Kind.REFUND, Kind.RECOVERY})
_NEEDS_INSTALLMENTS = frozenset({Kind.EXTENSION, Kind.TERM_CHANGE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Transaction:
    """One event. `amount` in yuan, `annual_rate` a fraction, `installments` the loan's new total number.

    `components` splits a waiver; a component with None takes what the amount still allows.
    Raises `BadTerms` when the kind lacks what it needs. The booking time plays no part and is kept by the caller.
    """

    id: str
    kind: Kind
    value_date: date
    amount: Decimal | None = None
    reverses: str | None = None
    mode: PrepaymentMode = PrepaymentMode.REDUCE
    annual_rate: Decimal | None = None
    installments: int | None = None
    due_day: int | None = None
    components: Mapping[Component, Decimal | None] | None = None
    source: str = ""

    def __post_init__(self) -> None:
        if not self.id:
            raise BadTerms("id", "a transaction needs an id")
        # A settlement of nothing is one that the loan's credit pays in full.
        if self.kind in _NEEDS_AMOUNT and (self.amount is None or not (self.amount or self.kind is Kind.EARLY_SETTLEMENT)):
            raise BadTerms("amount", f"{self.kind} {self.id} needs an amount above 0")
        if self.amount is not None and self.amount < 0:
            raise BadTerms("amount", f"{self.kind} {self.id} must not be negative")
        if (self.kind is Kind.REVERSAL) != (self.reverses is not None):
            raise BadTerms("reverses", f"{self.kind} {self.id} must name its target if, and only if, it is a reversal")
        if self.kind is Kind.RATE_RESET and self.annual_rate is None:
            raise BadTerms("annual_rate", f"rate_reset {self.id} needs the new rate")
        if self.kind in _NEEDS_INSTALLMENTS and self.installments is None:
            raise BadTerms("installments", f"{self.kind} {self.id} needs the new total number of instalments")
        if self.kind is Kind.WAIVER and not self.amount and not self.components:
            raise BadTerms("amount", f"waiver {self.id} needs an amount or components")

    @property
    def order(self) -> tuple[date, int, str]:
        """Replay order: value date, rank of kind, id as text."""
        return self.value_date, _RANK[self.kind], self.id


def as_history(terms: LoanTerms, transactions: Iterable[Transaction]) -> tuple[Transaction, ...]:
    """The set of transactions in replay order; the same transaction twice counts once.

    Raises `BadTerms` for one id with two contents, an unknown or circular reversal, or a value date before the loan.
    """
    known: dict[str, Transaction] = {}
    for transaction in transactions:
        if known.setdefault(transaction.id, transaction) != transaction:
            raise BadTerms("id", f"{transaction.id} is used by two different transactions")
    first_day = min((item.value_date for item in known.values() if item.kind is Kind.DISBURSEMENT), default=terms.start)
    for transaction in known.values():
        if transaction.value_date < min(first_day, terms.start):
            raise BadTerms("value_date", f"{transaction.kind} {transaction.id} is dated before the loan starts")
        if transaction.reverses is not None and transaction.reverses not in known:
            raise BadTerms("reverses", f"{transaction.id} reverses {transaction.reverses}, which is not there")
    return tuple(sorted(known.values(), key=lambda item: item.order))


def reversals(history: Iterable[Transaction]) -> dict[str, str]:
    """Id of each transaction that never happened → id of the reversal that says so (the first, when several do).

    A reversal can itself be reversed, and then its target stands again. Raises `BadTerms` on a circle.
    """
    items = tuple(history)
    against: dict[str, list[Transaction]] = {}
    for item in items:
        if item.reverses is not None:
            against.setdefault(item.reverses, []).append(item)
    verdicts: dict[str, str | None] = {}

    def verdict(target: str, trail: tuple[str, ...]) -> str | None:
        if target in trail:
            raise BadTerms("reverses", f"{target} ends up reversing itself")
        if target not in verdicts:
            standing = (item.id for item in against.get(target, ()) if verdict(item.id, (*trail, target)) is None)
            verdicts[target] = next(standing, None)
        return verdicts[target]

    return {item.id: by for item in items if (by := verdict(item.id, ())) is not None}
