"""Personal data at rest: AES-GCM fields with key id and rotation, and a keyed-hash blind index for exact search.

A stored value reads `alg:key id:base64(nonce + ciphertext)`: every ciphertext carries its algorithm and key, so both can change.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
from functools import lru_cache
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.db import models

ALGORITHM = "a256gcm"
_NONCE_BYTES = 12


class UndecryptableError(RuntimeError):
    """A stored ciphertext cannot be read: unknown algorithm or key, or changed bytes."""


def encrypt_bytes(plain: bytes, *, context: str = "") -> str:
    """Ciphertext of `plain` under the current key; `context` (such as `table.column`) is bound to it and must be given again."""
    key_id = settings.CRYPTO_CURRENT_KEY
    nonce = os.urandom(_NONCE_BYTES)
    sealed = _cipher(settings.CRYPTO_KEYS[key_id]).encrypt(nonce, plain, context.encode())
    return f"{ALGORITHM}:{key_id}:{base64.b64encode(nonce + sealed).decode()}"


def decrypt_bytes(stored: str, *, context: str = "") -> bytes:
    """The plain bytes of a stored value. Raises `UndecryptableError`."""
    try:
        algorithm, key_id, payload = stored.split(":", 2)
        if algorithm != ALGORITHM:
            raise UndecryptableError(f"Unknown algorithm {algorithm}.")
        sealed = base64.b64decode(payload)
        return _cipher(settings.CRYPTO_KEYS[key_id]).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], context.encode())
    except (ValueError, KeyError, InvalidTag) as error:
        raise UndecryptableError("The stored value cannot be decrypted; check CRYPTO_KEYS.") from error


@lru_cache(maxsize=16)
def _cipher(key: str) -> AESGCM:
    return AESGCM(base64.b64decode(key))


def key_id_of(stored: str) -> str:
    """The key id under which a stored value was encrypted; rotation looks for old ones."""
    return stored.split(":", 2)[1]


def blind_index(value: str, *, purpose: str) -> str:
    """Keyed hash of a normalised value: equal inputs of one purpose give equal 64 hex digits, and tell nothing else."""
    normalised = "".join(value.split()).upper()
    return hmac.new(base64.b64decode(settings.BLIND_INDEX_KEY), f"{purpose}:{normalised}".encode(), hashlib.sha256).hexdigest()


class EncryptedTextField(models.TextField):
    """Text stored as ciphertext and read as plain text. Not searchable: put a `blind_index` in a column of its own."""

    description = "Encrypted text"

    def _context(self) -> str:
        # A row of the audit holds the same ciphertext as the row it tells of: it is read in that row's context.
        model = getattr(self.model, "pgh_tracked_model", None) or self.model
        return f"{model._meta.db_table}.{self.column}"

    def get_prep_value(self, value: Any) -> Any:
        if value is None or value == "":
            return value
        return encrypt_bytes(str(value).encode(), context=self._context())

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        if value is None or value == "":
            return value
        return decrypt_bytes(value, context=self._context()).decode()

    def get_lookup(self, lookup_name: str) -> Any:
        if lookup_name != "isnull":
            raise TypeError(f"{self.name} is encrypted and cannot be searched; use its blind index.")
        return super().get_lookup(lookup_name)
