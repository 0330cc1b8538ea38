"""Statements as the JSON of `manage.py statement`: money as text with two decimals, components that moved nothing left out of lines."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from apps.loans.domain.subledger import FLOWS, Line, Totals
from apps.loans.domain.terms import COMPONENTS, Component
from apps.loans.selectors import DayAccrual, FeeDue, LoanStatement, PartyStatement, deposit_between


def statement_json(told: LoanStatement) -> dict[str, Any]:
    """A loan's statement: opening, every line with the balance after it, what moved, closing."""
    statement = told.statement
    return {
        **_head(told),
        "opening": {**_amounts(statement.opening.owed()), "credit": _money(statement.opening_credit)},
        "transactions": [_line(told, line) for line in statement.lines],
        "moved": _flows(statement.moved),
        "closing": {**_amounts(statement.closing.owed()), "credit": _money(statement.closing_credit)},
        **_deposit(told),
    }


def party_json(told: LoanStatement, party: PartyStatement, fees: Sequence[FeeDue]) -> dict[str, Any]:
    """One funder's statement of a loan."""
    return {
        **_head(told),
        "party_ref": party.party_ref,
        "parts": party.share,
        "opening": _amounts(party.opening.owed()),
        "transactions": [
            {
                "value_date": row.line.on.isoformat(),
                "kind": row.line.kind,
                "id": row.line.transaction_id,
                "whole": _moved(row.line.moved),
                "moved": _moved(row.part),
                "reversed_by": row.line.reversed_by,
            }
            for row in party.lines
        ],
        "moved": _flows(party.closing.less(party.opening)),
        "totals": _flows(party.closing),
        "closing": _amounts(party.closing.owed()),
        "fees_between_parties": [_fee(fee) for fee in fees if party.party_ref in (fee.line.payer_ref, fee.line.payee_ref)],
    }


def day_json(row: DayAccrual) -> dict[str, Any]:
    """What ran on one day, whole, to date, and by party."""
    return {
        "date": row.day.isoformat(),
        "ran": _named(row.ran),
        "to_date": _named(row.total),
        "parties": {party: _named(parts) for party, parts in row.parties.items()},
    }


def _fee(fee: FeeDue) -> dict[str, str]:
    return {
        "kind": fee.line.kind.value,
        "agreement": fee.agreement,
        "payer_ref": fee.line.payer_ref,
        "payee_ref": fee.line.payee_ref,
        "agreed": _money(fee.agreed),
        "opening": _money(fee.opening),
        "due": _money(fee.closing - fee.opening),
        "closing": _money(fee.closing),
    }


def _head(told: LoanStatement) -> dict[str, Any]:
    loan, statement = told.loan, told.statement
    return {
        "number": loan.number,
        "state": loan.state,
        "principal": _money(loan.principal),
        "from": statement.first.isoformat(),
        "to": statement.last.isoformat(),
    }


def _deposit(told: LoanStatement) -> dict[str, Any]:
    """The deposit of a vehicle lease, where there was one."""
    deposit = deposit_between(told.loan.id, told.statement.first, told.statement.last)
    if not deposit.moves and not deposit.opening:
        return {}
    moves = [{"date": move.on.isoformat(), "event": move.event, "amount": _money(move.amount)} for move in deposit.moves]
    return {"deposit": {"opening": _money(deposit.opening), "moves": moves, "closing": _money(deposit.closing)}}


def _line(told: LoanStatement, line: Line) -> dict[str, Any]:
    row = told.rows.get(line.transaction_id)
    return {
        "id": line.transaction_id,
        "value_date": line.on.isoformat(),
        "kind": line.kind,
        "amount": None if line.amount is None else _money(line.amount),
        "allocated": _moved(line.allocated),
        "credit": _money(line.credit),
        "principal_after": _money(line.principal),
        "credit_after": _money(line.credit_after),
        "booked_on": _day(row.business_date if row else None),
        "reference": row.reference if row else "",
        "reversed_by": line.reversed_by,
    }


def _flows(totals: Totals) -> dict[str, dict[str, str]]:
    return {flow.value: _amounts(totals.flows[flow]) for flow in FLOWS}


def _amounts(amounts: Mapping[Component, Decimal]) -> dict[str, str]:
    return {component.value: _money(amounts[component]) for component in COMPONENTS}


def _moved(amounts: Mapping[Component, Decimal]) -> dict[str, str]:
    return {component.value: _money(amounts[component]) for component in COMPONENTS if amounts.get(component)}


def _named(amounts: Mapping[Component, Decimal]) -> dict[str, str]:
    return {component.value: _money(amount) for component, amount in amounts.items()}


def _money(amount: Decimal) -> str:
    return f"{amount:.2f}"


def _day(day: dt.date | None) -> str | None:
    return day.isoformat() if day else None
