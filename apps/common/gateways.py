"""What all gateways share: how a context asks for a port, and how an outside party can fail.

A context states its port as a Protocol in its own `gateways.py`; the adapters live in `apps.integrations`, wired by dotted path in
`settings.GATEWAYS`. The three failures differ in what is known about the effect, which decides whether a repetition is safe.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from django.conf import settings
from django.utils.module_loading import import_string


class GatewayError(Exception):
    """Base of the failures of outside parties."""


class GatewayUnavailable(GatewayError):
    """Not sent, or certainly without effect (no connection, circuit open, 503): safe to repeat."""


class GatewayMisconfigured(GatewayUnavailable):
    """The party does not know us or does not let us in (401, 403, 407): certainly without effect; safe once settings are mended."""


class GatewayRefused(GatewayError):
    """A definite no, with the party's own code and text."""

    def __init__(self, code: str, message: str) -> None:
        self.code, self.message = code, message
        super().__init__(f"{code}: {message}")


class GatewayUnknown(GatewayError):
    """Sent, and no answer (time-out, broken connection, unreadable answer): query before anything is repeated."""


@cache
def gateway(port: str) -> Any:
    """The adapter wired to a port. Raises `KeyError` for a port that settings do not name."""
    return import_string(settings.GATEWAYS[port])()
