"""Words and sums of reconciliation: our payments against the bank's statement."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from apps.common.money import ZERO

MATCHED, LONG, SHORT, AMOUNT_DIFFERS, STATE_DIFFERS, DUPLICATE = (
    "matched",
    "long",
    "short",
    "amount_differs",
    "state_differs",
    "duplicate",
)
FINAL = ("succeeded", "reversed", "refunded")  # states of ours in which the money has moved


@dataclass(frozen=True)
class OurPayment:
    """A payment as we know it. `kind` is `transfer` or `debit`, `direction` `out` or `in`, `amount` positive yuan, `at` aware."""

    kind: str
    order_no: str
    direction: str
    amount: Decimal
    state: str
    at: dt.datetime
    bank_ref: str = ""


@dataclass(frozen=True)
class BankEntry:
    """A movement as the bank booked it; the same words as `OurPayment`."""

    serial: str
    order_no: str
    direction: str
    amount: Decimal
    at: dt.datetime


@dataclass(frozen=True)
class Pair:
    """What one line, one payment or both came to. `how` says by what they were brought together: `serial`, `amount_and_time` or nothing."""

    result: str
    ours: OurPayment | None = None
    theirs: BankEntry | None = None
    how: str = ""


def match(ours: Sequence[OurPayment], theirs: Iterable[BankEntry], *, window: dt.timedelta, settled: Iterable[str] = ()) -> list[Pair]:
    """Bring payments and statement lines together: by order number or bank's number, the rest by amount and nearest time.

    Every payment whose money has moved and every line comes out in exactly one pair, but for a second line of one order, which is a
    `duplicate`, as is any line of an order number in `settled`, whose line has come before. One pass and dictionaries: a million against a
    million is a matter of seconds.
    """
    by_number: dict[str, OurPayment] = {}
    for payment in ours:
        by_number[payment.order_no] = payment
        if payment.bank_ref:
            by_number.setdefault(payment.bank_ref, payment)
    pairs: list[Pair] = []
    taken: set[str] = set(settled)
    loose: list[BankEntry] = []
    for entry in theirs:
        payment_found = by_number.get(entry.order_no) or by_number.get(entry.serial)
        if payment_found is None:
            loose.append(entry)
        elif payment_found.order_no in taken:
            pairs.append(Pair(DUPLICATE, payment_found, entry, "serial"))
        else:
            taken.add(payment_found.order_no)
            pairs.append(Pair(_compare(payment_found, entry), payment_found, entry, "serial"))
    left = [payment for payment in ours if payment.order_no not in taken and payment.state in FINAL]
    pairs.extend(_by_amount_and_time(left, loose, window))
    return pairs


def _compare(payment: OurPayment, entry: BankEntry) -> str:
    if payment.amount != entry.amount or payment.direction != entry.direction:
        return AMOUNT_DIFFERS
    return MATCHED if payment.state in FINAL else STATE_DIFFERS


def _by_amount_and_time(left: list[OurPayment], loose: list[BankEntry], window: dt.timedelta) -> list[Pair]:
    """A line without a number that we know takes the payment of its amount that is nearest in time, within the window.

    A line that names an order number which is not ours belongs to somebody else's payment and is never guessed at.
    """
    pool: dict[tuple[str, Decimal], list[OurPayment]] = {}
    for payment in sorted(left, key=lambda one: (one.at, one.order_no)):
        pool.setdefault((payment.direction, payment.amount), []).append(payment)
    pairs: list[Pair] = []
    matched: set[str] = set()
    for entry in sorted(loose, key=lambda one: (one.at, one.serial)):
        candidates = [] if entry.order_no else pool.get((entry.direction, entry.amount), [])
        near = [one for one in candidates if one.order_no not in matched and abs(one.at - entry.at) <= window]
        if near:
            chosen = min(near, key=lambda one: (abs(one.at - entry.at), one.order_no))
            matched.add(chosen.order_no)
            pairs.append(Pair(MATCHED, chosen, entry, "amount_and_time"))
        else:
            pairs.append(Pair(LONG, None, entry))
    pairs.extend(Pair(SHORT, payment) for payment in left if payment.order_no not in matched)
    return pairs


@dataclass(frozen=True)
class Totals:
    """Sums of a statement in yuan."""

    total_in: Decimal
    total_out: Decimal


def totals_of(entries: Iterable[BankEntry]) -> Totals:
    """What the lines of a statement add up to."""
    sums = {"in": ZERO, "out": ZERO}
    for entry in entries:
        sums[entry.direction] += entry.amount
    return Totals(sums["in"], sums["out"])
