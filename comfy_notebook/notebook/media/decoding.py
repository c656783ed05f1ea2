"""Decodes a picture at about the size at which it is shown, upright and in plain colours."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from comfy_notebook.notebook.media.colors import in_srgb, reduced
from comfy_notebook.notebook.media.formats import NotAPictureError, open_picture

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PIL.Image import Image
    from PIL.ImageFile import ImageFile

_MOVING = frozenset({"GIF", "PNG", "WEBP", "AVIF"})  # formats whose further pictures are an animation
_BYTES_AT_ONCE = 1 << 30  # of decoded pixels on all threads together, or one picture of more
_ORIENTATION = 0x0112


@dataclass(frozen=True, slots=True)
class Decoded:
    """A picture, decoded.

    Attributes
    ----------
    image
        Its first frame, RGB or RGBA, with the longest side between the one asked for and twice that, or its own.
    width, height
        The original's, in pixels, as it is to be seen.
    frames
        How many the animation has; 1 for a still.
    pages
        How many pictures the file has of which this is the first.
    deep
        Whether it has more than 8 bits a channel, which a browser does not show.
    """

    image: Image
    width: int
    height: int
    frames: int = 1
    pages: int = 1
    deep: bool = False


def decode(content: bytes, side: int) -> Decoded:
    """Decode a picture for being shown with a longest side of at least ``side`` pixels, if it has them.

    Raises
    ------
    NotAPictureError
        If it cannot be decoded.
    """
    try:
        return _decode(content, side)
    except NotAPictureError:
        raise
    except MemoryError:
        raise NotAPictureError("there is not enough memory to decode it") from None
    except Exception as error:  # noqa: BLE001 - decoders of hostile content raise anything
        raise NotAPictureError(f"it cannot be decoded: {str(error) or type(error).__name__}") from None


def _decode(content: bytes, side: int) -> Decoded:
    with open_picture(content) as image:
        width, height = image.size
        profile, frames = image.info.get("icc_profile"), _frames(image)
        moving = image.format in _MOVING
        if image.format == "JPEG":  # decodes at half, a quarter or an eighth of its size
            image.draft(image.mode, (side, 1) if width >= height else (1, side))
        deep = image.mode == "F" or image.mode.startswith("I")
        with _memory.room_for(image.width * image.height * 4):
            image.load()
            orientation = _orientation(image)
            plain = in_srgb(reduced(image, max(1, max(image.size) // side)), profile)
    if orientation >= 5:
        width, height = height, width
    return Decoded(_upright(plain, orientation), width, height, frames if moving else 1, 1 if moving else frames, deep)


def _frames(image: ImageFile) -> int:
    count = getattr(image, "n_frames", 1)
    image.seek(0)
    return int(count)


def _orientation(image: Image) -> int:
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # noqa: BLE001 - damaged metadata, and the picture is there
        return 1


def _upright(image: Image, orientation: int) -> Image:
    from PIL.Image import Transpose

    turns = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }
    return image.transpose(turns[orientation]) if orientation in turns else image


class _Memory:
    """Lets decoders in only as far as their pictures fit into memory together."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._taken = 0
        self._changed = threading.Condition()

    @contextmanager
    def room_for(self, count: int) -> Iterator[None]:
        """Wait until so many bytes may be taken, or nobody else takes any."""
        with self._changed:
            self._changed.wait_for(lambda: not self._taken or self._taken + count <= self._limit)
            self._taken += count
        try:
            yield
        finally:
            with self._changed:
                self._taken -= count
                self._changed.notify_all()


_memory = _Memory(_BYTES_AT_ONCE)
