"""How requests and callbacks between Carloan and an outside party are signed: HMAC-SHA256 with a shared secret. Pure; no Django.

The signed text is `timestamp`, `nonce`, `method`, `path` (with its query) and the raw body, each ended by a line feed except the body.
Timestamps are Unix seconds of the wall clock: they guard the wire, the project's own clock travels inside the messages.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from typing import Protocol

TIMESTAMP_HEADER = "X-Carloan-Timestamp"
NONCE_HEADER = "X-Carloan-Nonce"
SIGNATURE_HEADER = "X-Carloan-Signature"
MAX_AGE_S = 300


class Headers(Protocol):
    """The headers of a message, found whatever their letter case."""

    def get(self, name: str, /) -> str | None: ...


class SignatureRefused(Exception):
    """The message is not to be trusted; `code` is `unsigned`, `stale` or `bad_signature`."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(code)


def _digest(secret: str, *, timestamp: str, nonce: str, method: str, path: str, body: bytes) -> str:
    text = f"{timestamp}\n{nonce}\n{method.upper()}\n{path}\n".encode() + body
    return hmac.new(secret.encode(), text, hashlib.sha256).hexdigest()


def signed_headers(secret: str, *, method: str, path: str, body: bytes, timestamp: int | None = None, nonce: str = "") -> dict[str, str]:
    """The three headers that sign a message; `path` includes the query. A fresh nonce and the present second by default."""
    stamp = str(int(time.time()) if timestamp is None else timestamp)
    nonce = nonce or secrets.token_hex(16)
    signature = _digest(secret, timestamp=stamp, nonce=nonce, method=method, path=path, body=body)
    return {TIMESTAMP_HEADER: stamp, NONCE_HEADER: nonce, SIGNATURE_HEADER: signature}


def verified_nonce(secret: str, *, method: str, path: str, body: bytes, headers: Headers, at: float | None = None) -> str:
    """Check signature and freshness, and answer the nonce, which the receiver refuses to see twice. Raises `SignatureRefused`."""
    stamp, nonce, signature = (headers.get(name) or "" for name in (TIMESTAMP_HEADER, NONCE_HEADER, SIGNATURE_HEADER))
    if not (stamp.isascii() and stamp.isdigit() and signature and 8 <= len(nonce) <= 64):
        raise SignatureRefused("unsigned")
    expected = _digest(secret, timestamp=stamp, nonce=nonce, method=method, path=path, body=body)
    if not hmac.compare_digest(expected.encode(), signature.encode()):
        raise SignatureRefused("bad_signature")
    if abs((time.time() if at is None else at) - int(stamp)) > MAX_AGE_S:
        raise SignatureRefused("stale")
    return nonce
