"""Words and sums of paying out and collecting: bank hours, routing, positions, the checks before a payment, the debit plan."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from apps.common.money import ZERO

IsWorkingDay = Callable[[dt.date], bool]
_LONGEST_HOLIDAY_DAYS = 60


@dataclass(frozen=True)
class BankHours:
    """When a bank moves money: large values on working days between two times of day, instant ones at any hour up to a limit (yuan)."""

    large_opens: dt.time
    large_closes: dt.time
    instant_limit: Decimal


@dataclass(frozen=True)
class Window:
    """Which rail an amount takes (`instant` or `large`), and from when it can go; `opens_at` is the moment asked about when now."""

    rail: str
    open: bool
    opens_at: dt.datetime


def transfer_window(amount: Decimal, *, at: dt.datetime, hours: BankHours, is_working_day: IsWorkingDay) -> Window:
    """The window for a transfer of `amount` yuan asked for `at` (aware, Beijing time).

    Raises ValueError when no working day comes within 60 days: the calendar is broken then.
    """
    if amount <= hours.instant_limit:
        return Window("instant", True, at)
    day, local = at.date(), at.timetz().replace(tzinfo=None)
    if is_working_day(day):
        if hours.large_opens <= local < hours.large_closes:
            return Window("large", True, at)
        if local < hours.large_opens:
            return Window("large", False, dt.datetime.combine(day, hours.large_opens, tzinfo=at.tzinfo))
    for offset in range(1, _LONGEST_HOLIDAY_DAYS):
        following = day + dt.timedelta(days=offset)
        if is_working_day(following):
            return Window("large", False, dt.datetime.combine(following, hours.large_opens, tzinfo=at.tzinfo))
    raise ValueError(f"no working day within {_LONGEST_HOLIDAY_DAYS} days of {day}")


@dataclass(frozen=True)
class Position:
    """Money of one funding account in yuan: what was brought in, what is promised to orders under way, what was paid out."""

    topped_up: Decimal
    reserved: Decimal
    paid: Decimal

    @property
    def available(self) -> Decimal:
        return self.topped_up - self.reserved - self.paid

    @property
    def used_share(self) -> Decimal:
        """Part of the position that is gone or promised, 0 to 1; an empty position counts as fully used."""
        return (self.reserved + self.paid) / self.topped_up if self.topped_up else Decimal(1)

    def covers(self, amount: Decimal) -> bool:
        return amount <= self.available

    def runs_low(self, warn_share: Decimal) -> bool:
        """Whether staff are to be warned; `warn_share` is a fraction, 0.9 by default."""
        return self.used_share >= warn_share


@dataclass(frozen=True)
class FunderFacts:
    """What routing looks at. Amounts in yuan, `cost_rate` a fraction a year, `success_rate` 0 to 1; an empty `products` takes all."""

    id: UUID
    code: str
    active: bool
    position: Position
    min_amount: Decimal = ZERO
    max_amount: Decimal | None = None
    products: frozenset[str] = frozenset()
    day_quota: Decimal | None = None
    used_today: Decimal = ZERO
    cost_rate: Decimal = ZERO
    success_rate: Decimal = Decimal(1)
    weight: int = 100


@dataclass(frozen=True)
class Route:
    """The funder chosen (None when nobody fits) and, for each one looked at, why it was taken, passed over or refused."""

    funder_id: UUID | None
    explanation: tuple[tuple[str, str], ...]


def choose_funder(amount: Decimal, product: str, funders: Iterable[FunderFacts], *, refused: frozenset[UUID] = frozenset()) -> Route:
    """Hard filters first, then quota left, cost, success rate, weight; ties fall to the code, so the answer is always the same.

    `refused` are funders that have declined this payment already.
    """
    fitting: list[FunderFacts] = []
    notes: list[tuple[str, str]] = []
    for funder in sorted(funders, key=lambda one: one.code):
        reason = _unfit(amount, product, funder, refused)
        if reason:
            notes.append((funder.code, reason))
        else:
            fitting.append(funder)
    if not fitting:
        return Route(None, tuple(notes))
    ranked = sorted(fitting, key=_rank)
    chosen, *rest = ranked
    notes.append((chosen.code, "chosen"))
    notes.extend((funder.code, "next in line") for funder in rest)
    return Route(chosen.id, tuple(notes))


def _unfit(amount: Decimal, product: str, funder: FunderFacts, refused: frozenset[UUID]) -> str:
    left = None if funder.day_quota is None else funder.day_quota - funder.used_today
    reasons = (
        (not funder.active, "suspended"),
        (funder.id in refused, "declined this payment"),
        (bool(funder.products) and product not in funder.products, "does not fund this product"),
        (amount < funder.min_amount, "amount below its minimum"),
        (funder.max_amount is not None and amount > funder.max_amount, "amount above its maximum"),
        (left is not None and amount > left, "day quota used up"),
        (not funder.position.covers(amount), "position short"),
    )
    return next((text for applies, text in reasons if applies), "")


def _rank(funder: FunderFacts) -> tuple[Decimal, Decimal, Decimal, int, str]:
    quota_used = ZERO if not funder.day_quota else funder.used_today / funder.day_quota
    return (quota_used.quantize(Decimal("0.1")), funder.cost_rate, -funder.success_rate, -funder.weight, funder.code)


@dataclass(frozen=True)
class PaymentFacts:
    """What is known of a payment at the moment of paying; gathered anew each time, never remembered from the review."""

    amount: Decimal
    contract_signed: bool
    contract_valid: bool
    contract_amount: Decimal | None
    signed_at: dt.datetime | None
    liveness_fresh: bool
    card_valid: bool
    may_borrow: bool
    payee_complete: bool
    at: dt.datetime


@dataclass(frozen=True)
class Check:
    """One thing looked at before paying."""

    name: str
    ok: bool
    finding: str


def payment_checks(facts: PaymentFacts, *, signed_within: dt.timedelta) -> tuple[Check, ...]:
    """Everything that must hold at the moment of paying, whatever was seen before. Position and bank hours are routing's own."""
    lately_signed = facts.signed_at is not None and facts.at - facts.signed_at <= signed_within
    return (
        Check("contract_signed", facts.contract_signed, "the contract is signed by all parties"),
        Check("contract_valid", facts.contract_valid, "its signatures cover the whole file and verify"),
        Check("amount_agrees", facts.contract_amount == facts.amount, "the contract names the amount to be paid"),
        Check("person_seen", facts.liveness_fresh or lately_signed, "liveness is fresh or the signing recent"),
        Check("may_borrow", facts.may_borrow, "the customer is verified, not restricted, with live proofs and ID card"),
        Check("card_valid", facts.card_valid, "the debit card passed its check"),
        Check("payee_complete", facts.payee_complete, "the payee's account is known"),
    )


def failed_checks(checks: Sequence[Check]) -> list[str]:
    """Names of the checks that do not hold."""
    return [check.name for check in checks if not check.ok]


@dataclass(frozen=True)
class DebitPlan:
    """On which days after the due day an unpaid instalment is debited again, and then at which interval, both in days."""

    retry_days: tuple[int, ...] = (1, 3, 5, 7, 10, 15, 20, 25, 30)
    then_every: int = 7

    def __post_init__(self) -> None:
        if self.then_every < 1 or any(day < 1 for day in self.retry_days):
            raise ValueError("retry days and their interval are whole days above zero")

    def debits_on(self, days_past_due: int) -> bool:
        """Whether an instalment that is this many days past due is debited today; day 0 is the due day itself."""
        if days_past_due < 0:
            return False
        if days_past_due == 0 or days_past_due in self.retry_days:
            return True
        last = max(self.retry_days, default=0)
        return days_past_due > last and (days_past_due - last) % self.then_every == 0

    def next_debit(self, due_date: dt.date, after: dt.date) -> dt.date:
        """The first planned debit day later than `after`."""
        day = max(after + dt.timedelta(days=1), due_date)
        while not self.debits_on((day - due_date).days):
            day += dt.timedelta(days=1)
        return day


OUTCOMES_BY_HAND = ("succeeded", "failed")
_SAID_ALREADY = {("succeeded", "reversed"), ("succeeded", "refunded"), ("failed", "cancelled")}


def result_verdict(*, state: str, outcome: str, ordered: Decimal, reported: Decimal | None) -> str:
    """What to do with a result that the bank reports for an order of `ordered` yuan in `state`.

    `apply`; `duplicate` (we know it already); `wrong_amount` (never applied, staff look); `contradiction` (the order has ended
    otherwise: nothing changes, staff look); `progress` (not final, nothing to do).
    """
    if outcome == "processing":
        return "progress"
    if outcome == "succeeded" and reported is not None and reported != ordered:
        return "wrong_amount"
    if outcome == "succeeded" and reported is None:
        return "wrong_amount"
    if state == outcome or (outcome, state) in _SAID_ALREADY:
        return "duplicate"
    if state in ("submitted", "processing", "unknown"):
        return "apply"
    return "contradiction"
