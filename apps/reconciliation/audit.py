"""What money did, looked at from three sides: our orders, the bank's lines, the books. Part of `manage.py audit_books`."""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID

from apps.common.money import ZERO
from apps.disbursement import selectors as disbursement
from apps.ledger import selectors as ledger
from apps.ledger.domain import Check
from apps.loans import selectors as loans
from apps.reconciliation import selectors


def checks(legal_entity_id: UUID) -> list[Check]:
    """Customers' payments against the channel's record, lines against orders, and the clearing account against what is not confirmed."""
    return [
        _payments_agree(legal_entity_id),
        _lines_agree(legal_entity_id),
        _clearing_agrees(legal_entity_id),
        _positions_agree(legal_entity_id),
    ]


def _payments_agree(legal_entity_id: UUID) -> Check:
    """Payment by payment: what loans have recorded from debits is what the channel has brought in, to the 分."""
    channel = disbursement.booked_payments(legal_entity_id)
    recorded = {name: amount for name, amount in loans.payments_of(legal_entity_id).items() if name.startswith("debit:")}
    offenders = sorted(name for name in channel.keys() | recorded.keys() if channel.get(name) != recorded.get(name))
    figures = {
        "recorded": str(sum(recorded.values(), start=ZERO)),
        "channel": str(sum(channel.values(), start=ZERO)),
        "payments": len(channel),
    }
    first = f"{offenders[0]}: recorded {recorded.get(offenders[0])}, channel {channel.get(offenders[0])}" if offenders else ""
    return Check("customers' payments = channel's record", not offenders, figures, first)


def _lines_agree(legal_entity_id: UUID) -> Check:
    """Every line that counts as matched names an order of ours of the same amount whose money has moved."""
    matched = selectors.matched_orders(legal_entity_id)
    moved = disbursement.moved_amounts(legal_entity_id, order_nos=matched)
    offenders = sorted((number, amount, moved.get(number)) for number, amount in matched.items() if moved.get(number) != amount)
    first = "order {}: line {}, ours {}".format(*offenders[0]) if offenders else ""
    return Check("matched lines = our orders", not offenders, {"matched": len(matched)}, first)


def _clearing_agrees(legal_entity_id: UUID) -> Check:
    """The clearing account holds exactly what moved and no statement has confirmed yet; more confirmed than moved is wrong by itself."""
    came = disbursement.moved_in_total(legal_entity_id) - selectors.matched_total(legal_entity_id, "in")
    went = disbursement.moved_out_total(legal_entity_id) - selectors.matched_total(legal_entity_id, "out")
    expected, booked = came - went, ledger.balance("1012", legal_entity_id)
    figures = {"unconfirmed_in": str(came), "unconfirmed_out": str(went), "account_1012": str(booked)}
    first = "" if booked == expected else f"account 1012 stands at {booked}, unconfirmed money at {expected}"
    if came < 0 or went < 0:
        first = f"statements have confirmed more than has moved: unconfirmed in {came}, out {went}"
    return Check("clearing account = money not confirmed yet", not first, figures, first)


def _positions_agree(legal_entity_id: UUID) -> Check:
    """Per funding account: its sums are those of its movements, and what it has paid is what its transfers have."""
    offenders: list[tuple[str, Decimal, Decimal]] = disbursement.position_offenders(legal_entity_id)
    first = "{}: account says {}, movements say {}".format(*offenders[0]) if offenders else ""
    return Check("positions = movements", not offenders, {"offenders": len(offenders)}, first)
