"""Draws a waveform: grey bars on nothing, to be seen on light and on dark."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_BAR, _GAP, _HEIGHT = 3, 1, 96
_COLOR = 1  # of the palette
_GREY = (128, 132, 140)
_QUIETEST = 0.04  # what is shown of silence


def drawn(peaks: Sequence[float]) -> tuple[bytes, str, int, int]:
    """Return a picture of peaks from 0 to 1: content, MIME type, width, height."""
    from PIL import Image, ImageDraw

    width = len(peaks) * (_BAR + _GAP) - _GAP
    image = Image.new("P", (width, _HEIGHT), 0)
    image.putpalette([0, 0, 0, *_GREY])
    draw = ImageDraw.Draw(image)
    loudest = max(*peaks, 0.05) if len(peaks) > 1 else 1.0
    for number, peak in enumerate(peaks):
        half = max(_QUIETEST, peak / loudest) * (_HEIGHT - 2) / 2
        left = number * (_BAR + _GAP)
        draw.rectangle((left, round(_HEIGHT / 2 - half), left + _BAR - 1, round(_HEIGHT / 2 + half) - 1), fill=_COLOR)
    out = io.BytesIO()
    image.save(out, "PNG", transparency=0, optimize=True, bits=1)
    return out.getvalue(), "image/png", width, _HEIGHT
