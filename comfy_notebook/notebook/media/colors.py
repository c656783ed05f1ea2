"""Brings pixels of any kind to what a notebook shows: 8 bits, RGB or RGBA, in sRGB."""

from __future__ import annotations

import io
import math
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL.Image import Image

_REDUCIBLE = frozenset({"L", "LA", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "HSV"})
_STRIP_PIXELS = 1 << 22  # converted at a time, so that a large picture is not in memory twice
_SRGB = (b"sRGB", "sRGB".encode("utf-16-be"))
_LARGEST_PROFILE = 4_000_000


def reduced(image: Image, factor: int) -> Image:
    """Return a picture at 1/factor of its size, in a mode that can be scaled; strip by strip if it is large.

    Transparency of every kind becomes an alpha channel; 16-bit, integer and float pixels are scaled to 8 bits.
    """
    from PIL import Image as Images

    convert = _converter(image)
    width, height = image.size
    if width * height <= _STRIP_PIXELS:
        return _reduce(convert(image), factor)
    rows = max(factor, _STRIP_PIXELS // width // factor * factor)
    whole: Image | None = None
    for top in range(0, height, rows):
        strip = _reduce(convert(image.crop((0, top, width, min(height, top + rows)))), factor)
        if whole is None:
            whole = Images.new(strip.mode, (strip.width, math.ceil(height / factor)))
        whole.paste(strip, (0, top // factor))
    assert whole is not None  # noqa: S101 - a picture has rows
    return whole


def in_srgb(image: Image, profile: Any) -> Image:
    """Convert a picture by its ICC profile, or without it where that is damaged; RGB or RGBA comes back."""
    if isinstance(profile, bytes) and profile and not _is_srgb(image.mode, profile):
        image = _by_profile(image, profile)
    if image.mode in ("RGB", "RGBA"):
        return image
    return image.convert("RGBA" if image.mode in ("LA", "PA", "La", "RGBa") else "RGB")


def _reduce(image: Image, factor: int) -> Image:
    return image.reduce(factor) if factor > 1 else image


def _converter(image: Image) -> Any:
    """Return what makes 8-bit pixels of a part of this picture; ranges are those of the whole."""
    mode = image.mode
    transparent = "transparency" in image.info
    if mode == "I;16" and not transparent:
        return lambda part: part.point(_high_byte, "L")
    if mode.startswith("I") or mode == "F":
        low, high = _range(image)
        scale = 255 / (high - low) if high > low else 0.0
        whole_numbers = mode.startswith("I;")  # which become floats by way of I alone
        return lambda part: _stretched(part.convert("I") if whole_numbers else part, low, scale)
    if transparent or mode in ("PA", "La", "RGBa"):
        return lambda part: part.convert("RGBA")
    if mode in _REDUCIBLE:
        return lambda part: part
    return lambda part: part.convert("L" if mode == "1" else "RGB")


def _stretched(part: Image, low: float, scale: float) -> Image:
    return part.convert("F").point(lambda value: value * scale - low * scale).convert("L")


def _high_byte(value: Any) -> Any:
    return value / 256


def _range(image: Image) -> tuple[float, float]:
    """Return which values are black and white: those of the format where it has some, else the smallest and largest."""
    if image.mode == "F":
        low, high = _extrema(image)
        return (0.0, 1.0) if low >= 0 and 0 < high <= 1 else (low, high)
    if image.mode == "I":
        low, high = _extrema(image)
        return (0.0, 65535.0) if image.format == "PNG" and low >= 0 and high <= 65535 else (low, high)
    return 0.0, 65535.0


def _extrema(image: Any) -> tuple[float, float]:
    low, high = image.getextrema()
    return (float(low), float(high)) if math.isfinite(low) and math.isfinite(high) else (0.0, 1.0)


def _is_srgb(mode: str, profile: bytes) -> bool:
    return mode in ("RGB", "RGBA") and len(profile) < 10_000 and any(name in profile for name in _SRGB)


def _by_profile(image: Image, profile: bytes) -> Image:
    try:
        from PIL import ImageCms

        alpha = image.getchannel("A") if image.mode in ("RGBA", "LA") else None
        plain = image.convert({"RGBA": "RGB", "LA": "L"}[image.mode]) if alpha is not None else image
        converted = ImageCms.applyTransform(plain, _transform(profile, plain.mode))
    except Exception:  # noqa: BLE001 - a picture with a damaged profile is still a picture
        return image
    if converted is None:
        return image
    if alpha is not None:
        converted.putalpha(alpha)
    return converted


@lru_cache(maxsize=8)
def _transform(profile: bytes, mode: str) -> Any:
    from PIL import ImageCms

    if len(profile) > _LARGEST_PROFILE:
        raise ValueError("the profile is too large")
    given = ImageCms.getOpenProfile(io.BytesIO(profile))
    return ImageCms.buildTransform(given, ImageCms.createProfile("sRGB"), mode, "RGB")
