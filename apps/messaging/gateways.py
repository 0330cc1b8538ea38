"""What messaging needs of an SMS provider."""

from __future__ import annotations

from typing import Protocol, cast
from uuid import UUID

from apps.common.gateways import gateway


class SmsGateway(Protocol):
    """Port "sms"."""

    def send(self, *, message_id: UUID | str, phone: str, text: str) -> str:
        """Hand over one message; returns the provider's reference. The same `message_id` again is the same message, sent once.

        Raises `GatewayUnavailable` (not sent), `GatewayRefused` (a definite no), `GatewayUnknown` (perhaps sent).
        """
        ...


def sms() -> SmsGateway:
    """The adapter that settings name."""
    return cast(SmsGateway, gateway("sms"))
