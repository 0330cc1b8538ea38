"""What of an outside message may be kept in a `GatewayCall`: closed by default.

Only fields known to be harmless are kept; personal ones become masks, anything else is hidden.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from typing import Any

from apps.common.privacy import mask_card, mask_id_number, mask_name, mask_phone

HIDDEN = "***"
_IDENTIFIERS = frozenset(
    {
        "agreement_no",
        "amount",
        "authorisation_no",
        "bank_code",
        "bank_ref",
        "business_day",
        "callback_url",
        "card_type",
        "check_id",
        "code",
        "count",
        "credits",
        "debits",
        "direction",
        "kind",
        "message_id",
        "no_record",
        "operation",
        "order_no",
        "ordered_at",
        "provider_ref",
        "queried_at",
        "query_id",
        "query_time",
        "reason_code",
        "report_no",
        "result",
        "score",
        "sent_at",
        "status",
    }
)
_TEXTS = frozenset({"message", "reason"})
_CONTAINERS = frozenset({"totals"})
_MASKS: dict[str, Callable[[str], str]] = {
    "card_number": mask_card,
    "counterparty": mask_name,
    "id_number": mask_id_number,
    "name": mask_name,
    "payee_account": mask_card,
    "payee_name": mask_name,
    "phone": mask_phone,
}
_LONG_NUMBER = re.compile(r"(?<!\d)\d{7,18}[\dXx]?(?!\d)")
MAX_TEXT = 300


def redacted(value: Any, *, key: str = "") -> Any:
    """A copy of a JSON value without personal data and without bulk; lists outside of known containers become their length."""
    if isinstance(value, dict):
        if key and key not in _CONTAINERS:
            return HIDDEN
        return {str(name)[:64]: redacted(item, key=str(name)) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return {"items": len(value)}
    if value is None or isinstance(value, bool):
        return value
    if key in _IDENTIFIERS:
        return str(value)[:MAX_TEXT]
    if key in _TEXTS:
        return _LONG_NUMBER.sub(HIDDEN, str(value))[:MAX_TEXT]
    if key in _MASKS:
        return _MASKS[key](str(value))
    return HIDDEN


def fingerprint(body: bytes) -> dict[str, Any]:
    """What is kept of bytes: how many, and their SHA-256."""
    return {"bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()}
