"""Thumbnails that the history keeps, a few KB each."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

    from comfy_notebook.notebook.media.encoding import Encoded

SIDE = 128  # pixels, of the longest
_LARGEST, _SMALLEST = 6_000, 32  # bytes, and the pixels below which it is not worth having
_log = logging.getLogger(__name__)


def thumbnail(content: bytes, kind: str) -> Encoded | None:
    """Return what a picture or a video looks like; None if that cannot be told.

    What makes files small for a notebook does it, and is imported against the direction of other imports: it knows
    every kind of picture, and which content is hostile.
    """
    from comfy_notebook.notebook.media.encoding import encode_within, scaled

    try:
        image = _frame(content) if kind == "video" else _picture(content)
        if image is None:
            return None
        return encode_within(scaled(image, SIDE), _LARGEST, smallest=min(_SMALLEST, max(image.size)))
    except Exception as error:  # noqa: BLE001 - decoders of hostile content raise anything
        _log.debug("no thumbnail: %s", error)
        return None


def _picture(content: bytes) -> Image:
    from comfy_notebook.notebook.media.decoding import decode

    return decode(content, SIDE).image


def _frame(content: bytes) -> Image | None:
    from comfy_notebook.notebook.media.containers import container_of, demuxer
    from comfy_notebook.notebook.media.frames import look

    container = container_of(content)
    seen = look(content, demuxer(container)) if container else None
    return seen.poster if seen is not None else None
