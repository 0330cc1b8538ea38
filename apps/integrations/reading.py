"""Turning a party's answer into our words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from apps.common.gateways import GatewayUnknown


@contextmanager
def reading(party: str) -> Iterator[None]:
    """An answer that lacks a field or has a nonsensical one tells nothing: `GatewayUnknown`, never a guess."""
    try:
        yield
    except (KeyError, ValueError, TypeError, ArithmeticError) as error:
        raise GatewayUnknown(f"{party} answered something unreadable ({type(error).__name__}).") from error
