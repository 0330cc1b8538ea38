"""What parties tell us by themselves. Each adapter checks its own party's callbacks and puts them into our words."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol
from uuid import UUID

from apps.customers.gateways import IdentityAnswer
from apps.disbursement.gateways import BankAnswer
from apps.integrations import parties
from apps.integrations.signatures import Headers, verified_nonce


@dataclass(frozen=True)
class BankNotice:
    """What became of an order of ours."""

    operation: Literal["transfer", "debit"]
    answer: BankAnswer


@dataclass(frozen=True)
class IdentityNotice:
    """What became of an attempt of ours."""

    check_id: UUID
    answer: IdentityAnswer


@dataclass(frozen=True)
class SmsNotice:
    """What became of a message of ours; `status` in the words of messaging's receipts."""

    message_id: UUID
    status: str
    reason: str


Notice = BankNotice | IdentityNotice | SmsNotice


class CallbackReader(Protocol):
    """What an adapter adds to its port when its party reports later."""

    def check_callback(self, *, path: str, body: bytes, headers: Headers) -> str:
        """The message's nonce, which is refused a second time. Raises `signatures.SignatureRefused` for what is not to be trusted."""
        ...

    def read_callback(self, body: bytes) -> Notice:
        """What a trusted message says. Raises `GatewayUnknown`, `KeyError`, `ValueError` or `TypeError` for what cannot be read."""
        ...


class SignedAsWeSign:
    """Mixin for parties that sign their callbacks as we sign our requests; `party` is the port's name."""

    party: ClassVar[str]

    def check_callback(self, *, path: str, body: bytes, headers: Headers) -> str:
        return verified_nonce(parties.secret(self.party), method="POST", path=path, body=body, headers=headers)


def object_in(body: bytes) -> dict[str, Any]:
    """The JSON object that a body is. Raises `ValueError` or `TypeError`."""
    fields = json.loads(body)
    if not isinstance(fields, dict):
        raise TypeError("A callback is a JSON object.")
    return fields
