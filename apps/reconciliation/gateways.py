"""What reconciliation needs of a bank: the statement of a day."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, Protocol, cast

from apps.common.gateways import gateway


@dataclass(frozen=True)
class StatementLine:
    """One movement of our account as the bank booked it.

    `direction` is seen from us: `in` (a debit of a customer's card) or `out` (a transfer to a payee). `amount` is positive yuan,
    `serial` is the bank's own number, `order_no` ours where the bank knows it, `occurred_at` aware.
    """

    serial: str
    order_no: str
    direction: Literal["in", "out"]
    amount: Decimal
    occurred_at: dt.datetime
    state: Literal["succeeded", "failed"] = "succeeded"
    remark: str = ""


@dataclass(frozen=True)
class Statement:
    """Everything the bank booked on one day, with its own totals, which are checked before anything is applied."""

    day: dt.date
    account_no: str
    lines: tuple[StatementLine, ...]
    total_in: Decimal
    total_out: Decimal


class BankStatementGateway(Protocol):
    """Port "bank", the side that reconciliation looks at."""

    def statement(self, *, day: dt.date) -> Statement:
        """The statement of a day in Beijing. Raises the failures of `common.gateways`."""
        ...


def bank() -> BankStatementGateway:
    """The adapter that settings name."""
    return cast(BankStatementGateway, gateway("bank"))
