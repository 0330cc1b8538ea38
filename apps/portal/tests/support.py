"""Asking the public page about a file."""

from __future__ import annotations

import re
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

VERIFY = "/verify/"


def check(visitor: Client, content: bytes | None) -> Any:
    """Send a file to be verified; None: no file."""
    files = {} if content is None else {"file": SimpleUploadedFile("paper.pdf", content, "application/pdf")}
    return visitor.post(VERIFY, files)


def verdict(response: Any) -> str:
    """`true`, `false`, or nothing where the page gives none."""
    found = re.search(r'id="verdict" data-valid="(\w+)"', response.content.decode())
    return found.group(1) if found else ""
