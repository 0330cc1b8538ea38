"""Roles as code and what each may do; parameter values; the arithmetic of one-time codes."""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final
from uuid import UUID

# Permission names read `context.deed`; services ask for them through `common.permissions.require`.
ROLES: Final[dict[str, frozenset[str]]] = {
    "account_manager": frozenset(
        {
            "applications.view",
            "applications.verify",
            "contracts.view",
            "contracts.generate",
            "customers.view",
            "customers.verify",
            "customers.unmask",
        }
    ),
    "credit_reviewer": frozenset(
        {
            "applications.view",
            "applications.review",
            "customers.view",
            "customers.unmask",
            "risk.view",
            "documents.view",
            "products.view",
        }
    ),
    "disbursement_reviewer": frozenset(
        {"applications.view", "disbursement.view", "disbursement.review", "contracts.view", "contracts.void", "documents.view"}
    ),
    "risk_analyst": frozenset({"risk.view", "risk.edit", "risk.publish", "applications.view"}),
    "finance": frozenset(
        {
            "disbursement.view",
            "disbursement.pay",
            "ledger.view",
            "ledger.adjust",
            "reconciliation.view",
            "reconciliation.work",
            "loans.view",
            "loans.open",
            "loans.record",
            "loans.adjust",
            "approvals.check",
        }
    ),
    "collector": frozenset({"postloan.view", "postloan.collect", "postloan.papers", "loans.view", "customers.view", "customers.unmask"}),
    "entity_admin": frozenset(
        {
            "organisations.view",
            "organisations.edit",
            "products.view",
            "products.edit",
            "dealers.view",
            "dealers.edit",
            "customers.view",
            "customers.restrict",
            "flows.view",
            "flows.edit",
            "approvals.check",
            "loans.approve_large",
            "eod.run",
            "jobs.view",
            "outbox.retry",
            "messaging.view",
            "messaging.edit",
        }
    ),
    "auditor": frozenset(
        {
            "applications.view",
            "customers.view",
            "contracts.view",
            "documents.view",
            "disbursement.view",
            "ledger.view",
            "loans.view",
            "reconciliation.view",
            "postloan.view",
            "products.view",
            "dealers.view",
            "risk.view",
            "organisations.view",
            "flows.view",
            "jobs.view",
            "messaging.view",
            "audit.view",
        }
    ),
    "dealer_manager": frozenset({"portal.use", "portal.shop"}),
    "consultant": frozenset({"portal.use"}),
    "customer": frozenset({"api.customer"}),
}

# Which roles people of a kind may hold; operators of the whole system need none.
ROLES_OF_KIND: Final[dict[str, frozenset[str]]] = {
    "staff": frozenset(ROLES) - {"dealer_manager", "consultant", "customer"},
    "dealer": frozenset({"dealer_manager", "consultant"}),
    "customer": frozenset({"customer"}),
    "client": frozenset(),
}

# What the rows that people of a kind see may belong to; staff see their legal entity's, and without a scope the others see nothing.
SCOPE_KINDS: Final = ("consultant", "shop", "dealer", "customer")
SCOPES_OF_KIND: Final[dict[str, frozenset[str]]] = {
    "staff": frozenset({""}),
    "dealer": frozenset({"", "consultant", "shop", "dealer"}),
    "customer": frozenset({"", "customer"}),
    "client": frozenset({"", *SCOPE_KINDS}),
}


@dataclass(frozen=True, slots=True)
class BranchBrief:
    """A branch of a legal entity, as other contexts see it."""

    id: UUID
    code: str
    name: str


@dataclass(frozen=True)
class EntityBrief:
    """A legal entity as other contexts see it."""

    id: UUID
    code: str
    name: str
    short_name: str
    uscc: str
    lender_type: str
    address: str
    phone: str


_PLAIN_KINDS: Final[dict[str, tuple[type, ...]]] = {"integer": (int,), "boolean": (bool,), "text": (str,), "data": (dict, list)}


def parameter_value(kind: str, stored: Any) -> Any:
    """The Python value of a stored parameter: `Decimal`, `int`, `bool`, `str`, `time`, or plain data.

    Raises `ValueError` when `stored` is not of its kind; decimals are stored as text, so that nothing passes through a float.
    """
    if kind == "decimal" and isinstance(stored, str):
        try:
            value = Decimal(stored)
        except InvalidOperation as error:
            raise ValueError(f"{stored!r} is not a decimal.") from error
        if value.is_finite():
            return value
    elif kind == "time" and isinstance(stored, str):
        return dt.time.fromisoformat(stored)
    elif kind in _PLAIN_KINDS and type(stored) in _PLAIN_KINDS[kind]:
        return stored
    raise ValueError(f"{stored!r} is not of kind {kind}.")


EXTRA_TEXT_MAX: Final = 200


def extra_value(kind: str, text: str, choices: Sequence[str] = ()) -> Any:
    """What people wrote into an extra field, as it is kept in JSON; None for nothing. Raises `ValueError`.

    Numbers are kept as text, as they were written: no float comes near them.
    """
    text = text.strip()
    if not text:
        return None
    if len(text) > EXTRA_TEXT_MAX:
        raise ValueError("too long")
    if kind == "number":
        number = Decimal(text) if _NUMBER.fullmatch(text) else None
        if number is None:
            raise ValueError("not a number")
        return f"{number:f}"
    if kind == "date":
        return dt.date.fromisoformat(text).isoformat()
    if kind == "flag":
        if text.lower() not in _FLAGS:
            raise ValueError("neither yes nor no")
        return _FLAGS[text.lower()]
    if kind == "choice" and text not in choices:
        raise ValueError("not a choice")
    return text


_NUMBER: Final = re.compile(r"-?\d{1,15}(\.\d{1,6})?", re.ASCII)
_FLAGS: Final = {"yes": True, "true": True, "on": True, "1": True, "no": False, "false": False, "0": False}


def totp(key_hex: str, at_unix_s: int, *, step_s: int = 30, digits: int = 6) -> str:
    """The one-time code of RFC 6238 for a hexadecimal key at a moment of the wall clock (never of the movable project clock).

    >>> totp("3132333435363738393031323334353637383930", 59, digits=8)
    '94287082'
    """
    digest = hmac.new(bytes.fromhex(key_hex), (at_unix_s // step_s).to_bytes(8, "big"), hashlib.sha1).digest()
    offset = digest[-1] & 0x0F
    number = int.from_bytes(digest[offset : offset + 4], "big") & 0x7FFFFFFF
    return str(number % 10**digits).zfill(digits)
