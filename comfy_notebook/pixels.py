"""A picture's content as an image and as an array."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from comfy_notebook.errors import MediaError, MissingExtraError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image

_AS_THEY_ARE = frozenset({"L", "RGB", "RGBA", "I;16", "F"})
_BIG_ENDIAN = "I;16B"


def decoded(content: bytes, filename: str) -> Image:
    """Return a picture as a PIL image, loaded; MediaError if it is none that Pillow reads."""
    from PIL import Image, UnidentifiedImageError

    try:
        image = Image.open(io.BytesIO(content))
        image.load()
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise MediaError(f"{filename} is no picture that Pillow reads: {error}.") from None
    return image


def array(image: Image) -> NDArray[Any]:
    """Return an image as an array, as :meth:`Media.numpy` says; MissingExtraError without numpy."""
    try:
        import numpy as np
    except ImportError:
        raise MissingExtraError("An array takes numpy, which is not installed.", hint="pip install numpy") from None

    if image.mode == "I" and image.format == "PNG":  # how Pillow before 11.3 reads 16 bits
        return np.asarray(image).astype(np.uint16)
    if image.mode == _BIG_ENDIAN:
        return np.asarray(image).astype(np.uint16)
    return np.array(image if image.mode in (*_AS_THEY_ARE, "I") else image.convert(_eight_bit_mode(image)))


def _eight_bit_mode(image: Image) -> str:
    """Return the mode that holds all of an image of another mode: palettes, bits, print and other color spaces."""
    if image.mode in ("LA", "La", "PA", "RGBa") or "transparency" in image.info:
        return "RGBA"
    return "L" if image.mode == "1" else "RGB"
