"""What we need of the parties that check identities, as the port `identity`.

`check_id` on every call is our reference of one attempt: the party answers the same attempt once, however often it is asked, so asking
again is safe. Failures are those of `apps.common.gateways`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Protocol
from uuid import UUID

PORT = "identity"


@dataclass(frozen=True)
class IdentityAnswer:
    """`outcome` is `passed`, `failed`, `unknown` (the party cannot tell), or `accepted` (the result follows by callback).

    `score` is 0 to 100 where the party gives one; `reason` is the party's own code; `raw` is its whole answer.
    """

    outcome: str
    provider: str = ""
    score: Decimal | None = None
    reason: str = ""
    raw: Mapping[str, Any] = field(default_factory=dict)


class IdentityGateway(Protocol):
    """Authenticity of name and ID number, liveness with face match, four factors of a bank card."""

    def check_id(self, *, check_id: UUID, name: str, id_number: str) -> IdentityAnswer: ...

    def check_liveness(self, *, check_id: UUID, name: str, id_number: str, video_ref: str) -> IdentityAnswer:
        """Answers `accepted`; the result comes by callback."""
        ...

    def check_card(self, *, check_id: UUID, name: str, id_number: str, card_number: str, phone: str) -> IdentityAnswer: ...

    def query(self, *, check_id: UUID) -> IdentityAnswer:
        """What became of an attempt whose answer was lost. Raises `GatewayRefused` for one that never arrived."""
        ...
