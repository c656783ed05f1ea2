"""Encodes a picture within a number of bytes: with a lower quality first, then smaller."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL.Image import Image

_QUALITIES = (82, 70, 58, 45)
_QUALITIES_OF_MANY = (60, 50, 40, 34)
_STEP = 0.87  # of the bytes remain at the next quality
_CLOSE = 1.25  # how far from the size asked for a quick one may be, either way
_ATTEMPTS = 9
_MIMES = {"WEBP": "image/webp", "JPEG": "image/jpeg", "PNG": "image/png", "AVIF": "image/avif"}


@dataclass(frozen=True, slots=True)
class Encoded:
    """Content ready for a notebook; ``width`` and ``height`` are its own, in pixels, and 0 if unknown."""

    content: bytes = field(repr=False)
    mime: str
    width: int = 0
    height: int = 0


def encode_within(
    image: Image,
    limit: int,
    *,
    smallest: int,
    kind: str = "WEBP",
    quick: bool = False,
    expected: float = 0,
) -> Encoded | None:
    """Encode an RGB or RGBA picture in at most ``limit`` bytes.

    Parameters
    ----------
    image
        The picture, no larger than it is to be.
    limit
        The most bytes that it may take.
    smallest
        The longest side, in pixels, below which it is not worth showing.
    kind
        "WEBP", "JPEG", "PNG" or "AVIF". A transparent picture becomes a WebP where it would be a JPEG.
    quick
        Take less time, for more bytes or a lower quality.
    expected
        How many bytes it will take with the highest quality, if that can be guessed: saves attempts.

    Returns
    -------
    Encoded or None
        None if it does not fit at any size worth showing.
    """
    if kind == "JPEG" and image.mode != "RGB":
        kind = "WEBP"
    qualities = list(_QUALITIES_OF_MANY if quick else _QUALITIES)
    if kind == "PNG":  # which has no quality to give way
        qualities = qualities[-1:]
    while len(qualities) > 1 and expected > limit:
        qualities.pop(0)
        expected *= _STEP
    quality = qualities.pop(0)
    for _ in range(_ATTEMPTS):
        content = _encode(image, kind, quality, quick=quick)
        if len(content) <= limit:
            return Encoded(content, _MIMES[kind], *image.size)
        if qualities:  # each next one saves an eighth or more: one that cannot do is not tried
            near = len(content) < 1.5 * limit
            quality = qualities.pop(0 if near else -1)
            qualities = qualities if near else []
            continue
        side = math.floor(max(image.size) * min(0.9, 0.95 * math.sqrt(limit / len(content))))
        if max(image.size) <= smallest:
            return None
        image = scaled(image, max(1, side, smallest))
    return None


def scaled(image: Image, side: int, *, quick: bool = False) -> Image:
    """Return a picture with a longest side of at most ``side`` pixels; ``quick``: of about as many."""
    from PIL.Image import Resampling

    longest = max(image.size)
    if longest <= side:
        return image
    factor = round(longest / side)
    if quick and 1 / _CLOSE <= longest / factor / side <= _CLOSE:  # some ten times as fast as other sizes
        return image.reduce(factor) if factor > 1 else image
    width, height = (max(1, round(length * side / longest)) for length in image.size)
    return image.resize((width, height), Resampling.BICUBIC, reducing_gap=1.0)


def _encode(image: Image, kind: str, quality: int, *, quick: bool) -> bytes:
    options: dict[str, Any] = {
        "WEBP": {"quality": quality, "method": 0 if quick else 2},
        "JPEG": {"quality": quality},
        "PNG": {"compress_level": 1 if quick else 6},
        "AVIF": {"quality": quality - 20, "speed": 9 if quick else 8, "max_threads": 1},
    }[kind]
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()
