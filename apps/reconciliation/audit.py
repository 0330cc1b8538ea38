"""What money did, looked at from three sides: our orders, the bank's lines, the books. Part of `manage.py audit_books`."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from uuid import UUID

from apps.common import clock
from apps.common.money import ZERO
from apps.disbursement import selectors as disbursement
from apps.ledger import selectors as ledger
from apps.ledger.domain import Check
from apps.loans import selectors as loans
from apps.reconciliation import selectors
from apps.reconciliation.domain import MATCHED
from apps.reconciliation.models import Difference


def checks(legal_entity_id: UUID) -> list[Check]:
    """Customers' payments against the bank's lines, orders and loans, clearing, positions and guarantees against what they stand for."""
    return [
        _payments_agree(legal_entity_id),
        _orders_agree(legal_entity_id),
        _lines_agree(legal_entity_id),
        _clearing_agrees(legal_entity_id),
        _positions_agree(legal_entity_id),
        _guarantees_agree(legal_entity_id),
    ]


def _payments_agree(legal_entity_id: UUID) -> Check:
    """Customers' payments against what the bank's statements say has come in, payment by payment and line by line, to the 分.

    What a difference explains that people still work on is a figure; one that was resolved without a posting explains nothing.
    """
    recorded = _recorded(legal_entity_id)
    on_loans = sum(recorded.values(), start=ZERO)
    confirmed = selectors.confirmed_in(legal_entity_id)
    cases = selectors.cases_in(legal_entity_id)
    open_cases = [case for case in cases if case.state != Difference.State.RESOLVED]
    at_work = {case.order_no for case in open_cases if case.order_no}
    statements = selectors.statements(legal_entity_id)
    offenders: list[str] = []
    awaited = disputed = ZERO
    for debit in disbursement.debits_in(legal_entity_id):
        line = confirmed.get(debit.order_no)
        told = recorded.pop(debit.reference, None) if debit.on_loan else debit.amount
        if line is not None or debit.order_no in at_work:
            if told != (debit.amount if line is None else line):
                offenders.append(f"order {debit.order_no}: recorded {told}, the bank says {line}")
            disputed += debit.amount if line is None else ZERO
        elif _shown(debit.finished_at, statements):
            offenders.append(f"order {debit.order_no}: recorded {told}, on no statement")
        else:
            awaited += debit.amount
    offenders += [f"{reference}: recorded {amount}, no order" for reference, amount in sorted(recorded.items())]
    channel, in_suspense, unresolved = _unmatched_lines(legal_entity_id, cases, offenders)
    figures = {
        "recorded": str(on_loans),
        "channel": str(channel),
        "confirmed": str(sum(confirmed.values(), start=ZERO)),
        "no_statement_yet": str(awaited),
        "in_suspense": str(in_suspense),
        "differences_unresolved": len(open_cases),
        "lines_unresolved": str(unresolved),
        "payments_unresolved": str(disputed),
    }
    return Check("customers' payments = channel's record", not offenders, figures, offenders[0] if offenders else "")


def _recorded(legal_entity_id: UUID) -> dict[str, Decimal]:
    """Payments that stand on loans and came by a debit."""
    return {name: amount for name, amount in loans.payments_of(legal_entity_id).items() if name.startswith("debit:")}


def _shown(finished_at: dt.datetime | None, statements: dict[dt.date, dt.datetime]) -> bool:
    """Whether the statement of the payment's day has come, and after the payment, or one of a later day as well."""
    if finished_at is None:
        return True
    day = clock.local_date(finished_at)
    return day in statements and (statements[day] >= finished_at or max(statements) > day)


def _unmatched_lines(legal_entity_id: UUID, cases: list[Difference], offenders: list[str]) -> tuple[Decimal, Decimal, Decimal]:
    """Sums of all lines in, of those booked to suspense and of those still worked on; lines that nothing explains are offenders."""
    by_serial = {case.serial: case for case in cases if case.serial}
    booked = ledger.references_of(legal_entity_id, "suspense_received", [case.posting_reference for case in cases])
    total = in_suspense = unresolved = ZERO
    for serial, amount, result, late in selectors.lines_in(legal_entity_id).values_list("serial", "amount", "result", "late_match"):
        total += amount
        if result == MATCHED or late is not None:
            continue
        case = by_serial.get(serial)
        if case is not None and case.posting_reference in booked:
            in_suspense += amount
        elif case is not None and case.state != Difference.State.RESOLVED:
            unresolved += amount
        else:
            way = f"resolved ({case.action}) without a posting" if case else "no difference tells of it"
            offenders.append(f"line {serial}: {amount} came in, {way}")
    return total, in_suspense, unresolved


def _orders_agree(legal_entity_id: UUID) -> Check:
    """Payment by payment: what stands on loans from debits is what our orders have brought in."""
    orders = disbursement.booked_payments(legal_entity_id)
    recorded = _recorded(legal_entity_id)
    offenders = sorted(name for name in orders.keys() | recorded.keys() if orders.get(name) != recorded.get(name))
    figures = {
        "recorded": str(sum(recorded.values(), start=ZERO)),
        "orders": str(sum(orders.values(), start=ZERO)),
        "payments": len(orders),
    }
    first = f"{offenders[0]}: recorded {recorded.get(offenders[0])}, order {orders.get(offenders[0])}" if offenders else ""
    return Check("payments on loans = our orders", not offenders, figures, first)


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
    """Per funding account: each of its sums is that of its movements, and what it has paid is what its transfers have."""
    offenders: list[tuple[str, Decimal, Decimal]] = disbursement.position_offenders(legal_entity_id)
    first = "{}: account says {}, movements say {}".format(*offenders[0]) if offenders else ""
    return Check("positions = movements", not offenders, {"offenders": len(offenders)}, first)


def _guarantees_agree(legal_entity_id: UUID) -> Check:
    """Off the balance sheet stands exactly what vouchers still promise."""
    vouchers, booked = disbursement.guarantees_standing(legal_entity_id), ledger.balance("9001", legal_entity_id)
    first = "" if vouchers == booked else f"account 9001 stands at {booked}, vouchers promise {vouchers}"
    return Check("guarantees = vouchers that stand", not first, {"vouchers": str(vouchers), "account_9001": str(booked)}, first)
