"""How signatures look: the round red seal of a company, the name and time of a person. Vector pages, cached per text."""

from __future__ import annotations

import datetime as dt
import io
from functools import lru_cache
from typing import Any

from pyhanko.pdf_utils.content import ImportedPdfPage
from pyhanko.pdf_utils.layout import BoxConstraints
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.stamp import StaticStampStyle

from apps.documents.domain import COMPANY, Signer
from apps.documents.rendering import render_pages


class _Page(ImportedPdfPage):
    """pyHanko's imported page, from memory instead of from a file."""

    def __init__(self, content: bytes) -> None:
        super().__init__(file_name="")
        self._content = content

    def render(self) -> bytes:
        writer = self._ensure_writer
        page = writer.import_page_as_xobject(PdfFileReader(io.BytesIO(self._content)), page_ix=0)
        self.resources.xobject["/Seal"] = page
        left, bottom, right, top = page.get_object()["/BBox"]
        self.box = BoxConstraints(width=abs(right - left), height=abs(top - bottom))
        return b"/Seal Do"


def style_of(signer: Signer, moment: dt.datetime) -> Any:
    """The stamp style of a signer at a moment (already in Beijing time)."""
    if signer.kind == COMPANY:
        content = _seal(signer.name, signer.seal)
    else:
        content = _autograph(signer.name, f"{moment:%Y-%m-%d %H:%M:%S}")
    return StaticStampStyle(background=_Page(content), background_opacity=1.0, border_width=0)


@lru_cache(maxsize=64)
def _seal(name: str, word: str) -> bytes:
    """42 mm round, the name on the upper arc, a star, the seal's word below."""
    # The arc runs over at most 260 degrees; fewer signs stand closer together so that short names do not fall apart.
    step = min(26.0, 260.0 / max(1, len(name) - 1))
    start = -step * (len(name) - 1) / 2
    signs = [(sign, round(start + step * index, 3)) for index, sign in enumerate(name)]
    size = 15 if len(name) <= 12 else max(8.5, 15 * 12 / len(name))
    return render_pages("documents/seal.html", {"signs": signs, "size": round(size, 2), "word": word})


@lru_cache(maxsize=256)
def _autograph(name: str, moment: str) -> bytes:
    return render_pages("documents/autograph.html", {"name": name, "moment": moment})
