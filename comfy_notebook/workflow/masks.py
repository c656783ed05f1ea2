"""Puts a picture and its mask together, as ComfyUI's LoadImage takes them: in one PNG, masked where transparent."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from comfy_notebook.errors import MediaError

if TYPE_CHECKING:
    from PIL.Image import Image


def with_mask(picture: bytes, mask: bytes) -> bytes:
    """Return a PNG of the picture, transparent where the mask is white.

    Parameters
    ----------
    picture, mask
        The content of two image files of one size. A mask is read as shades of grey.

    Raises
    ------
    MediaError
        If one of them is no picture, or their sizes differ.
    """
    from PIL import ImageChops

    image, shades = _opened(picture, "picture").convert("RGB"), _opened(mask, "mask").convert("L")
    if image.size != shades.size:
        raise MediaError(
            f"The mask is {_measures(shades)} and its picture {_measures(image)}: they must be of one size."
        )
    image.putalpha(ImageChops.invert(shades))
    out = io.BytesIO()
    image.save(out, "PNG", compress_level=1)
    return out.getvalue()


def _opened(content: bytes, what: str) -> Image:
    from PIL import Image, ImageOps

    try:
        return ImageOps.exif_transpose(Image.open(io.BytesIO(content)))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise MediaError(f"The {what} cannot be read: {error}.") from None


def _measures(image: Image) -> str:
    return f"{image.width} x {image.height}"
