"""The file archive: content addressed, encrypted, write once.

A file lies under `ARCHIVE_DIR/ab/cd/<sha256>.sealed`, encrypted with its own address bound to the ciphertext: a file swapped or changed
on disk does not open. Writing is a link of a finished temporary file, so a half-written or overwritten file cannot come to be.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from pathlib import Path

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from apps.common import crypto
from apps.common.errors import CarloanError


class ArchiveNotWritable(CarloanError):
    """The archive's folder cannot be written."""

    status = 503
    code = "archive_not_writable"
    title = _("The archive cannot be written. Check that the folder in ARCHIVE_DIR exists, is writable and has space.")


class ArchiveDamaged(CarloanError):
    """A file of the archive is missing or was changed on disk."""

    status = 500
    code = "archive_damaged"
    title = _("The archived file is missing or was changed outside the system. Restore it from the backup.")


def address_of(content: bytes) -> str:
    """The SHA-256 of a content, in hex: its address."""
    return hashlib.sha256(content).hexdigest()


def path_of(sha256: str) -> Path:
    """Where a content lies."""
    return Path(settings.ARCHIVE_DIR) / sha256[:2] / sha256[2:4] / f"{sha256}.sealed"


def put(content: bytes) -> str:
    """Keep a content and return its address; the same content again changes nothing.

    Raises `ArchiveNotWritable`, and `ArchiveDamaged` when the file that lies there already does not open.
    """
    sha256 = address_of(content)
    path = path_of(sha256)
    if path.exists():
        get(sha256)
        return sha256
    sealed = crypto.encrypt_bytes(content, context=f"archive:{sha256}").encode("ascii")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".writing-")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(sealed)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(temporary, 0o440)
            with contextlib.suppress(FileExistsError):  # somebody else kept the same content meanwhile
                os.link(temporary, path)
        finally:
            os.unlink(temporary)
    except OSError as error:
        raise ArchiveNotWritable(reason=error.strerror) from error
    return sha256


def get(sha256: str) -> bytes:
    """The content at an address. Raises `ArchiveDamaged`."""
    try:
        content = crypto.decrypt_bytes(path_of(sha256).read_bytes().decode("ascii"), context=f"archive:{sha256}")
    except (OSError, ValueError, crypto.UndecryptableError) as error:
        raise ArchiveDamaged(sha256=sha256) from error
    if address_of(content) != sha256:
        raise ArchiveDamaged(sha256=sha256)
    return content
