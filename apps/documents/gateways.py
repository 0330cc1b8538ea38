"""What documents need of a time stamp authority."""

from __future__ import annotations

from typing import Protocol, cast

from apps.common.gateways import gateway


class TimestampGateway(Protocol):
    """Port "timestamp": an RFC 3161 time stamp authority."""

    def stamp(self, request_der: bytes) -> bytes:
        """The authority's DER-encoded `TimeStampResp` to a DER-encoded `TimeStampReq`.

        Raises `GatewayUnavailable` or `GatewayUnknown` when it does not answer; asking again is harmless.
        """
        ...


def timestamp_authority() -> TimestampGateway:
    """The adapter that settings name."""
    return cast(TimestampGateway, gateway("timestamp"))
