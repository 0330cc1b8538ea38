"""QR codes: black on white also in dark mode, because scanners want it."""

from __future__ import annotations

import io

import segno


def svg(url: str, *, scale: int = 4) -> str:
    """The QR code of an address as an inline SVG with a quiet zone, error correction M."""
    buffer = io.BytesIO()
    code = segno.make(url, error="m", micro=False)
    code.save(buffer, kind="svg", scale=scale, border=2, dark="#000", light="#fff", xmldecl=False, svgns=True, omitsize=True)
    return buffer.getvalue().decode("utf-8").strip()
