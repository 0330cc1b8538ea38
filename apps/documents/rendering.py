"""HTML to PDF by WeasyPrint: own templates and own static files only, Chinese fonts embedded."""

from __future__ import annotations

import gc
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from mimetypes import guess_type
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from django.conf import settings
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.translation import gettext_lazy as _
from weasyprint import HTML
from weasyprint.text.ffi import ffi, fontconfig
from weasyprint.urls import FatalURLFetchingError, URLFetcher, URLFetcherResponse

from apps.common.errors import CarloanError
from apps.documents.domain import SealBox

FONT_FAMILIES = ("Noto Serif CJK SC", "Noto Sans CJK SC")
_POINTS_PER_PIXEL = 0.75
_FIELD_PREFIX = "sign-"
_DOCUMENT_LANGUAGE = "zh-hans"  # the papers' language is Chinese, whatever the reader's screen shows


class FontMissing(CarloanError):
    """No Chinese font: the paper would show empty boxes."""

    status = 503
    code = "font_missing"
    title = _("No Chinese font is installed on this machine. Run: apt-get install fonts-noto-cjk")


class UrlBlocked(FatalURLFetchingError):
    """A template asked for something that is not a file of ours. A defect of the template, or an attempt to read what it must not."""


class _OwnFilesOnly(URLFetcher):
    """Answers `file:` addresses inside the static folders and the document templates; nothing else, no network, no `data:`."""

    def fetch(self, url: str, headers: Any = None) -> URLFetcherResponse:
        parts = urlsplit(url)
        if parts.scheme != "file" or parts.netloc not in ("", "localhost"):
            raise UrlBlocked(f"Blocked: {url}")
        path = Path(unquote(parts.path)).resolve()
        if not any(path.is_relative_to(folder) for folder in _own_folders()):
            raise UrlBlocked(f"Blocked: {url}")
        try:
            content = path.read_bytes()
        except OSError as error:
            raise UrlBlocked(f"Not a file of ours: {url}") from error
        return URLFetcherResponse(path.as_uri(), body=content, headers={"Content-Type": guess_type(path.name)[0] or "text/plain"})


def _own_folders() -> list[Path]:
    templates: Any = settings.TEMPLATES[0]["DIRS"]
    static = [Path(folder).resolve() for folder in settings.STATICFILES_DIRS]
    return [*static, *(Path(folder).resolve() / "documents" for folder in templates)]


@lru_cache(maxsize=1)
def check_fonts() -> None:
    """Ask fontconfig for each family that the papers use. Raises `FontMissing` when it would give another one."""
    for family in FONT_FAMILIES:
        if _matched_family(family) != family:
            raise FontMissing(family=family)


def _matched_family(family: str) -> str:
    pattern = fontconfig.FcPatternCreate()
    fontconfig.FcPatternAddString(pattern, b"family", family.encode())
    fontconfig.FcConfigSubstitute(ffi.NULL, pattern, fontconfig.FcMatchPattern)
    fontconfig.FcDefaultSubstitute(pattern)
    result = ffi.new("FcResult *")
    match = fontconfig.FcFontMatch(ffi.NULL, pattern, result)
    found = ""
    if match != ffi.NULL:
        name = ffi.new("FcChar8 **")
        if fontconfig.FcPatternGetString(match, b"family", 0, name) == fontconfig.FcResultMatch:
            found = ffi.string(name[0]).decode()
        fontconfig.FcPatternDestroy(match)
    fontconfig.FcPatternDestroy(pattern)
    return found


@dataclass(frozen=True)
class Rendered:
    """A PDF and the places that its template keeps for signatures."""

    content: bytes
    boxes: tuple[SealBox, ...]


def render_document(template: str, context: dict[str, Any]) -> Rendered:
    """Render a template of `templates/documents/` to PDF.

    A block element with the id `sign-FIELD` keeps the place of the signature field `FIELD`. Raises `FontMissing` and `UrlBlocked`.
    """
    check_fonts()
    with translation.override(_DOCUMENT_LANGUAGE):
        html = render_to_string(f"documents/{template.removeprefix('documents/')}", context)
    with _collector_at_rest():
        return _draw(html)


@contextmanager
def _collector_at_rest() -> Iterator[None]:
    """A paper is made of a million objects that live until it is done: looking through them for garbage takes a fifth of the time."""
    ran = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if ran:
            gc.enable()


def _draw(html: str) -> Rendered:
    base = f"{_own_folders()[0].as_uri()}/"
    document = HTML(string=html, base_url=base, url_fetcher=_OwnFilesOnly(), encoding="utf-8").render()
    boxes = tuple(
        _box(anchor.removeprefix(_FIELD_PREFIX), index, rectangle, page.height)
        for index, page in enumerate(document.pages)
        for anchor, rectangle in page.anchors.items()
        if anchor.startswith(_FIELD_PREFIX)
    )
    return Rendered(document.write_pdf(), boxes)


def render_pages(template: str, context: dict[str, Any]) -> bytes:
    """Render a template without looking for signature fields (seals, previews)."""
    return render_document(template, context).content


def _box(field: str, page: int, rectangle: tuple[float, float, float, float], page_height: float) -> SealBox:
    """From CSS pixels counted from the top to PDF points counted from the bottom."""
    left, top, right, bottom = rectangle
    return SealBox(
        field=field,
        page=page,
        left=math.floor(left * _POINTS_PER_PIXEL),
        bottom=math.floor((page_height - bottom) * _POINTS_PER_PIXEL),
        right=math.ceil(right * _POINTS_PER_PIXEL),
        top=math.ceil((page_height - top) * _POINTS_PER_PIXEL),
    )
