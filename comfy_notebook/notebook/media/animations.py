"""Makes an animation small: fewer pixels, fewer frames."""

from __future__ import annotations

import io
from math import ceil
from typing import TYPE_CHECKING

from comfy_notebook.notebook.media.encoding import Encoded, scaled
from comfy_notebook.notebook.media.formats import open_picture

if TYPE_CHECKING:
    from PIL.Image import Image

_FRAMES = 48
_PIXELS = 400_000_000  # decoded for it, at most
_MILLISECONDS = 100  # of a frame that does not say how long it is shown
_QUALITIES = (60, 35)


def shrunk(content: bytes, side: int, limit: int) -> Encoded | None:
    """Return an animation as a small animated WebP.

    Parameters
    ----------
    content
        The original, of several frames.
    side
        The longest side, in pixels.
    limit
        The most bytes that it may take.

    Returns
    -------
    Encoded or None
        None if it cannot be made that small, or its frames cannot be decoded in a reasonable time.
    """
    try:
        frames, durations = _frames(content, side)
        for quality in _QUALITIES:
            out = io.BytesIO()
            frames[0].save(
                out,
                "WEBP",
                save_all=True,
                append_images=frames[1:],
                duration=durations,
                loop=0,
                quality=quality,
                method=0,
            )
            if out.tell() <= limit:
                return Encoded(out.getvalue(), "image/webp", *frames[0].size)
            frames = [scaled(frame, max(frame.size) * 2 // 3) for frame in frames]
    except Exception:  # noqa: BLE001 - a later frame is damaged: the first one is shown
        return None
    return None


def _frames(content: bytes, side: int) -> tuple[list[Image], list[int]]:
    """Return some of an animation's frames, evenly spaced, each shown until the next one."""
    frames: list[Image] = []
    durations: list[int] = []
    with open_picture(content) as image:
        count: int = getattr(image, "n_frames", 1)
        step = ceil(count / _FRAMES)
        for number in range(min(count, max(1, _PIXELS // (image.width * image.height)))):
            image.seek(number)  # each is painted over the one before, so none can be left out here
            duration = round(image.info.get("duration") or _MILLISECONDS)
            if number % step == 0:
                frames.append(scaled(image.convert("RGBA"), side))
                durations.append(0)
            durations[-1] += duration
    return frames, durations
