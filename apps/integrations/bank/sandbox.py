"""Port `bank` on the sandbox's bank: transfers, direct debits, statements.

Orders are idempotent at the bank, yet one that ended without an answer is not sent again from here: the caller queries first.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any, Literal
from urllib.parse import quote

from apps.common import clock
from apps.common.gateways import GatewayRefused
from apps.common.money import parse_money
from apps.disbursement.gateways import BankAnswer, Outcome
from apps.integrations import http, parties
from apps.integrations.notices import BankNotice, SignedAsWeSign, object_in
from apps.integrations.reading import reading
from apps.reconciliation.gateways import Statement, StatementLine

OUTCOMES: dict[str, Outcome] = {"accepted": "processing", "processing": "processing", "succeeded": "succeeded", "failed": "failed"}
ORDERS: dict[str, Literal["transfer", "debit"]] = {"transfer": "transfer", "debit": "debit"}
DIRECTIONS: dict[str, Literal["in", "out"]] = {"credit": "in", "debit": "out"}


def answer_of(fields: dict[str, Any]) -> BankAnswer:
    """What the bank says of an order, asked for or by callback, in our words."""
    with reading("bank"):
        outcome = OUTCOMES[fields["status"]]
        return BankAnswer(
            order_no=str(fields["order_no"]),
            outcome=outcome,
            amount=parse_money(fields["amount"]) if outcome == "succeeded" else None,
            bank_ref=str(fields.get("bank_ref", "")),
            reason=str(fields.get("reason", "")),
            raw=fields,
        )


class SandboxBank(SignedAsWeSign):
    """Orders are dated with the project's Beijing day, on whose statement they then stand."""

    party = "bank"

    def transfer(self, *, order_no: str, amount: Decimal, payee_name: str, payee_account: str, payee_bank: str, remark: str) -> BankAnswer:
        """Ask for a transfer; the result follows by callback."""
        facts = {"payee_name": payee_name, "payee_account": payee_account, "payee_bank": payee_bank, "remark": remark}
        return self._order("transfer", "/bank/transfers", order_no, amount, facts)

    def debit(self, *, order_no: str, amount: Decimal, card_number: str, name: str, agreement_no: str) -> BankAnswer:
        """Ask for a debit; the result follows by callback."""
        facts = {"card_number": card_number, "name": name, "agreement_no": agreement_no}
        return self._order("debit", "/bank/debits", order_no, amount, facts)

    def query_transfer(self, *, order_no: str) -> BankAnswer:
        """What became of a transfer."""
        return self._query("query_transfer", "/bank/transfers", order_no)

    def query_debit(self, *, order_no: str) -> BankAnswer:
        """What became of a debit."""
        return self._query("query_debit", "/bank/debits", order_no)

    def statement(self, *, day: dt.date) -> Statement:
        """All movements that the bank booked on a day, with the bank's own totals."""
        path = f"/bank/statements/{day.isoformat()}"
        fields = http.call(http.Call("bank", "statement", "GET", path, day.isoformat(), repeatable=True)).fields
        with reading("bank"):
            return Statement(
                day=dt.date.fromisoformat(fields["business_day"]),
                account_no=str(fields["account_no"]),
                lines=tuple(_line(line) for line in fields["lines"]),
                total_in=parse_money(fields["totals"]["credits"]),
                total_out=parse_money(fields["totals"]["debits"]),
            )

    def read_callback(self, body: bytes) -> BankNotice:
        """The final result of an order."""
        fields = object_in(body)
        return BankNotice(ORDERS[fields["operation"]], answer_of(fields))

    def _order(self, operation: str, path: str, order_no: str, amount: Decimal, facts: dict[str, str]) -> BankAnswer:
        now = clock.now()
        payload = {
            "order_no": order_no,
            "amount": str(amount),
            "business_day": clock.local_date(now).isoformat(),
            "ordered_at": now.astimezone(clock.BEIJING).isoformat(),
            "callback_url": parties.callback_url("bank"),
            **facts,
        }
        return answer_of(http.call(http.Call("bank", operation, "POST", path, order_no, payload)).fields)

    def _query(self, operation: str, path: str, order_no: str) -> BankAnswer:
        try:
            answer = http.call(http.Call("bank", operation, "GET", f"{path}/{quote(order_no, safe='')}", order_no, repeatable=True))
        except GatewayRefused as refusal:
            if refusal.code == "unknown_order":
                return BankAnswer(order_no=order_no, outcome="not_found")
            raise
        return answer_of(answer.fields)


def _line(fields: dict[str, Any]) -> StatementLine:
    occurred_at = dt.datetime.fromisoformat(fields["booked_at"])
    if occurred_at.tzinfo is None:
        raise ValueError("The moment of a movement has no zone.")
    return StatementLine(
        serial=str(fields["serial"]),
        order_no=str(fields["order_no"]),
        direction=DIRECTIONS[fields["direction"]],
        amount=parse_money(fields["amount"]),
        occurred_at=occurred_at,
        remark=str(fields["remark"]),
    )
