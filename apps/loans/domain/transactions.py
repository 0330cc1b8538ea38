"""What happened to a loan: an append-only set of transactions, their order, and reversal as "never happened".

Rules: docs/rules/back-dating.md.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum

from apps.loans.domain.errors import BadTerms
from apps.loans.domain.errors import said as _
from apps.loans.domain.terms import Component, LoanTerms


class Kind(StrEnum):
    """Every kind, in the order in which transactions of one value date take effect; a reversal has no place."""

    DISBURSEMENT = "disbursement"
    CAPITALISED_INCOME = "capitalised_income"
    BUY_DOWN = "buy_down"
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


class Pauses(StrEnum):
    """What a pause stops: interest, or the count of days past due."""

    INTEREST = "interest"
    DELINQUENCY = "delinquency"


class Unearned(StrEnum):
    """What becomes of the rest of a buy-down when the loan ends before its last due date."""

    EARNED = "earned"
    RETURNED = "returned"


_LAST_YEAR = 2500
_LONGEST_CHAIN = 100
_LONGEST_PAUSE = timedelta(days=3660)
_RANK = {kind: rank for rank, kind in enumerate(Kind)}
_NEEDS_AMOUNT = frozenset(
    {
        *(Kind.DISBURSEMENT, Kind.CAPITALISED_INCOME, Kind.FEE, Kind.REPAYMENT, Kind.PREPAYMENT, Kind.EARLY_SETTLEMENT),
        *(Kind.REFUND, Kind.CHARGEBACK, Kind.RECOVERY, Kind.BUY_DOWN),
    }
)
_NEEDS: dict[Kind, tuple[str, str]] = {
    Kind.RATE_RESET: ("annual_rate", _("the new rate")),
    Kind.EXTENSION: ("installments", _("the new total number of instalments")),
    Kind.TERM_CHANGE: ("installments", _("the new total number of instalments")),
    Kind.DUE_DAY_CHANGE: ("due_day", _("the new due day")),
    Kind.INTEREST_PAUSE: ("until", _("the day on which interest runs again")),
    Kind.ADJUSTMENT: ("components", _("the corrections by component")),
    Kind.OWNER_TRANSFER: ("owner_ref", _("the new owner, empty for a buy-back")),
    Kind.REVERSAL: ("reverses", _("its target")),
}
_MAY_NAME_ITS_TARGET = frozenset({Kind.REVERSAL, Kind.CHARGEBACK})


@dataclass(frozen=True, slots=True, kw_only=True)
class Transaction:
    """One event. `amount` in yuan, `annual_rate` a fraction, `installments` the loan's new total number.

    `components` splits a waiver, where one with None takes what the amount still allows, or holds the signed
    corrections of an adjustment. `shares` are the parts of a custom plan's rows still to come; `until` is the first day
    after a pause, `pauses` what it stops; `service_rate` is the part of what comes in that a new owner leaves for
    collecting it; `unearned` says what becomes of the rest of a buy-down; `fraud` marks a write-off; `reverses` names the
    target of a reversal, or the payment that a chargeback takes back.
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
    until: date | None = None
    owner_ref: str | None = None
    service_rate: Decimal | None = None
    shares: tuple[Decimal, ...] = ()
    pauses: Pauses = Pauses.INTEREST
    fraud: bool = False
    unearned: Unearned = Unearned.EARNED

    def __post_init__(self) -> None:
        if not self.id:
            raise BadTerms("id", _("a transaction needs an id"))
        if not 1970 <= self.value_date.year <= _LAST_YEAR:
            raise BadTerms("value_date", _("must be between 1970 and %(last_year)s", last_year=_LAST_YEAR))
        self._check_amount()
        field, what = _NEEDS.get(self.kind, ("id", ""))
        if getattr(self, field) is None:
            raise BadTerms(field, _("%(kind)s %(id)s needs %(what)s", kind=self.kind, id=self.id, what=what))
        if self.reverses is not None and self.kind not in _MAY_NAME_ITS_TARGET:
            raise BadTerms("reverses", _("%(kind)s %(id)s reverses nothing: only a reversal does", kind=self.kind, id=self.id))
        if self.kind is Kind.WAIVER and not self.amount and not self.components:
            raise BadTerms("amount", _("waiver %(id)s needs an amount or components", id=self.id))
        if self.fraud and self.kind is not Kind.WRITE_OFF:
            raise BadTerms("fraud", _("marks a write-off only"))
        if self.unearned is not Unearned.EARNED and self.kind is not Kind.BUY_DOWN:
            raise BadTerms("unearned", _("goes with a buy-down only"))
        if self.service_rate is not None and not (self.kind is Kind.OWNER_TRANSFER and self.owner_ref and 0 <= self.service_rate < 1):
            raise BadTerms("service_rate", _("goes with a new owner only, from 0 to below 100 percent"))
        if self.due_day is not None and not 1 <= self.due_day <= 31:
            raise BadTerms("due_day", _("must be from 1 to 31"))
        if self.until is not None and not self.value_date < self.until <= self.value_date + _LONGEST_PAUSE:
            raise BadTerms("until", _("must be after the value date, at most 10 years"))
        if self.shares and (min(self.shares) < 0 or sum(self.shares) != 1):
            raise BadTerms("shares", _("must not be negative and must add up to exactly 1"))

    def _check_amount(self) -> None:
        # A settlement of nothing is one that the loan's credit pays in full.
        if self.kind in _NEEDS_AMOUNT and (self.amount is None or not (self.amount or self.kind is Kind.EARLY_SETTLEMENT)):
            raise BadTerms("amount", _("%(kind)s %(id)s needs an amount above 0", kind=self.kind, id=self.id))
        if self.amount is not None and self.amount < 0:
            raise BadTerms("amount", _("%(kind)s %(id)s must not be negative", kind=self.kind, id=self.id))
        for part in (self.components or {}).values():
            if part is None and self.kind is Kind.ADJUSTMENT:
                raise BadTerms("components", _("adjustment %(id)s needs an amount for each component", id=self.id))
            if part is not None and part < 0 and self.kind is not Kind.ADJUSTMENT:
                raise BadTerms("components", _("%(kind)s %(id)s must not be negative", kind=self.kind, id=self.id))
        if self.kind is Kind.ADJUSTMENT and not any((self.components or {}).values()):
            raise BadTerms("components", _("adjustment %(id)s corrects nothing", id=self.id))

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
            raise BadTerms("id", _("%(id)s is used by two different transactions", id=transaction.id))
    first_day = min((item.value_date for item in known.values() if item.kind is Kind.DISBURSEMENT), default=terms.start)
    for transaction in known.values():
        if transaction.value_date < min(first_day, terms.start):
            raise BadTerms("value_date", _("%(kind)s %(id)s is dated before the loan starts", kind=transaction.kind, id=transaction.id))
        if transaction.kind is Kind.REVERSAL and transaction.reverses not in known:
            raise BadTerms(
                "reverses", _("%(id)s reverses %(reverses)s, which is not there", id=transaction.id, reverses=transaction.reverses)
            )
    return tuple(sorted(known.values(), key=lambda item: item.order))


def reversals(history: Iterable[Transaction]) -> dict[str, str]:
    """Id of each transaction that never happened → id of the reversal that says so (the first, when several do).

    A reversal can itself be reversed, and then its target stands again. Raises `BadTerms` on a circle.
    """
    items = tuple(history)
    against: dict[str, list[Transaction]] = {}
    for item in items:
        if item.kind is Kind.REVERSAL and item.reverses is not None:
            against.setdefault(item.reverses, []).append(item)
    verdicts: dict[str, str | None] = {}

    def verdict(target: str, trail: tuple[str, ...]) -> str | None:
        if target in trail:
            raise BadTerms("reverses", _("%(target)s ends up reversing itself", target=target))
        if len(trail) > _LONGEST_CHAIN:
            raise BadTerms("reverses", _("more than %(longest_chain)s reversals of one another", longest_chain=_LONGEST_CHAIN))
        if target not in verdicts:
            standing = (item.id for item in against.get(target, ()) if verdict(item.id, (*trail, target)) is None)
            verdicts[target] = next(standing, None)
        return verdicts[target]

    return {item.id: by for item in items if (by := verdict(item.id, ())) is not None}
