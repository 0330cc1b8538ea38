"""What disbursement needs of a bank: pay out to a payee, debit a customer's card, and ask what became of either.

Every call carries our own order number, which the bank treats as its idempotency key: the same number never moves money twice.
The final result of a transfer or a debit comes later, by callback or by query. Failures are those of `common.gateways`:
`GatewayUnavailable` (certainly without effect), `GatewayRefused` (a definite no) and `GatewayUnknown` (query before anything else).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal, Protocol, cast

from apps.common.gateways import gateway

Outcome = Literal["processing", "succeeded", "failed", "not_found"]


@dataclass(frozen=True)
class BankAnswer:
    """What the bank knows of an order.

    `processing` is accepted and not final; `not_found` (only in answer to a query) is certainly never received. `amount` is in yuan,
    as the bank moved it (None while nothing moved); `reason` is the bank's code and text of a failure; `raw` its answer as it came.
    """

    order_no: str
    outcome: Outcome
    amount: Decimal | None = None
    bank_ref: str = ""
    reason: str = ""
    raw: dict[str, Any] = field(default_factory=dict)


class BankGateway(Protocol):
    """Port "bank"."""

    def transfer(self, *, order_no: str, amount: Decimal, payee_name: str, payee_account: str, payee_bank: str, remark: str) -> BankAnswer:
        """Ask for a transfer of `amount` yuan; answers `processing` as a rule, the result follows by callback."""
        ...

    def query_transfer(self, *, order_no: str) -> BankAnswer:
        """What became of a transfer."""
        ...

    def debit(self, *, order_no: str, amount: Decimal, card_number: str, name: str, agreement_no: str) -> BankAnswer:
        """Ask for a debit of `amount` yuan from a customer's card under a debit agreement; the result follows by callback."""
        ...

    def query_debit(self, *, order_no: str) -> BankAnswer:
        """What became of a debit."""
        ...


def bank() -> BankGateway:
    """The adapter that settings name."""
    return cast(BankGateway, gateway("bank"))
