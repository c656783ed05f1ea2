"""Makes pictures small enough for a notebook: a thumbnail to show, and a larger one to look at."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL.Image import Image

PREVIEW = 1280  # the larger one's longest side, in pixels
_SHARPNESS = 1.5  # pixels encoded for each one shown, for screens with finer pixels
_ORIGINAL_BYTES = 40_000  # below which an original is its own thumbnail
_ANIMATED_BYTES = 4_000_000  # below which an animation is shown as it is
_LARGEST_PIXELS = 400_000_000
_SHOWN_BY_BROWSERS = frozenset({"image/png", "image/jpeg", "image/webp", "image/gif", "image/apng", "image/avif"})


class NotAPictureError(ValueError):
    """The content is no picture; the message says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """A picture ready for a notebook; ``width`` and ``height`` are its own, in pixels."""

    content: bytes
    mime: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture at two sizes; ``large`` is None where it would be no larger than ``small``.

    ``width`` and ``height`` are the original's, in pixels.
    """

    small: Encoded
    large: Encoded | None
    width: int
    height: int


def encode(content: bytes, mime: str, shown: int) -> Picture:
    """Make a picture's two sizes.

    Parameters
    ----------
    content
        The original, of any format that Pillow reads.
    mime
        The original's MIME type.
    shown
        The longest side at which it will be shown, in CSS pixels.

    Raises
    ------
    NotAPictureError
        If it cannot be decoded.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(content)) as image:
            width, height = image.size
            if width * height > _LARGEST_PIXELS:
                raise NotAPictureError(f"{width} x {height} pixels are too many to show")
            image.load()  # also where the original is shown as it is: a browser would show a broken one as such
            if getattr(image, "is_animated", False) and len(content) <= _ANIMATED_BYTES:
                return Picture(Encoded(content, mime, width, height), None, width, height)
            small_side = int(shown * _SHARPNESS)
            if max(width, height) <= small_side and len(content) <= _ORIGINAL_BYTES and mime in _SHOWN_BY_BROWSERS:
                return Picture(Encoded(content, mime, width, height), None, width, height)
            plain = _plain(image)
    except UnidentifiedImageError:
        raise NotAPictureError("it is not a picture") from None
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        raise NotAPictureError(f"it cannot be decoded: {error}") from None
    large = _fit(plain, PREVIEW) if max(width, height) > small_side else None
    return Picture(_fit(plain, small_side), large, width, height)


def _plain(image: Image) -> Image:
    """Return the picture as 8-bit RGB or RGBA, its first frame, upright."""
    from PIL import ImageOps

    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I") or image.mode == "F":
        return _eight_bits(image).convert("RGB")
    transparent = image.mode in ("LA", "PA", "RGBA", "RGBa", "La") or "transparency" in image.info
    return image.convert("RGBA" if transparent else "RGB")


def _eight_bits(image: Image) -> Image:
    """Scale 16-bit and float pixels; Pillow's own conversion cuts them off at 255."""
    if image.mode.startswith("I;16"):
        return image.point(lambda value: value / 256, "L") if image.mode == "I;16" else _stretched(image)
    return _stretched(image)


def _stretched(image: Image) -> Image:
    plain: Any = image.convert("F")
    low, high = plain.getextrema()
    scale = 255 / (high - low) if high > low else 0.0
    return plain.point(lambda value: value * scale - low * scale).convert("L")  # type: ignore[no-any-return]


def _fit(image: Image, side: int) -> Encoded:
    from PIL.Image import Resampling

    if max(image.size) > side:
        image = image.copy()
        image.thumbnail((side, side), Resampling.LANCZOS, reducing_gap=2.0)
    out = io.BytesIO()
    image.save(out, "WEBP", quality=82, method=2)
    return Encoded(out.getvalue(), "image/webp", *image.size)
