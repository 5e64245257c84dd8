"""QR codes, drawn into the page: an address that a phone reads from a screen or from paper."""

from __future__ import annotations

import io

import segno
from markupsafe import Markup


def drawn(address: str) -> Markup:
    """As an SVG, black on white in the dark too, or no camera reads it; four modules of quiet belong to it."""
    out = io.BytesIO()
    segno.make(address, error="m", micro=False).save(
        out,
        kind="svg",
        xmldecl=False,
        svgns=True,
        omitsize=True,
        border=4,
        dark="#000",
        light="#fff",
        nl=False,
    )
    return Markup(out.getvalue().decode())  # noqa: S704 - drawn by segno from an address that we made
