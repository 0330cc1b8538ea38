"""Masks for personal data, and the registry of exporters and erasers for a person's data requests."""

from __future__ import annotations


def mask_phone(phone: str) -> str:
    """`13812345678` → `138****5678`."""
    return f"{phone[:3]}****{phone[-4:]}" if len(phone) >= 8 else "****"


def mask_name(name: str) -> str:
    """`王小明` → `王**`; at least one sign is hidden."""
    return name[:1] + "*" * max(1, len(name) - 1) if name else ""


def mask_id_number(number: str) -> str:
    """`110101199003071234` → `110101********1234`."""
    return f"{number[:6]}{'*' * max(0, len(number) - 10)}{number[-4:]}" if len(number) >= 12 else "****"


def mask_card(number: str) -> str:
    """`6222021234567890123` → `**** 0123`."""
    return f"**** {number[-4:]}" if len(number) >= 8 else "****"


def mask_address(address: str) -> str:
    """The first six signs, enough for province and city."""
    return f"{address[:6]}****" if address else ""
