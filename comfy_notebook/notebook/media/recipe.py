"""How large each picture of an output may be: decided by their number and the settings alone.

So what is made of a picture does not depend on the others, nor on which was ready first, and can be kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, sqrt

from comfy_notebook import settings

# Beside a picture's content: elements, caption, alternative text.
MARKUP_BYTES = 600
_FORMATS = {"webp": "WEBP", "jpeg": "JPEG", "jpg": "JPEG", "png": "PNG", "avif": "AVIF"}
# (up to how many pictures, thumbnail's side in parts of the setting's): they are shown smaller, the more there are.
_SIDES = ((2, 4 / 3), (12, 1.0), (32, 2 / 3), (256, 1 / 2), (1 << 62, 1 / 3))
_MANY = 24  # above which it matters more how long a picture takes
_THUMBNAIL_PART = 0.34  # of what a picture may take, at most
_BYTES_PER_PIXEL, _BYTES_PER_PIXEL_OF_MANY = 0.07, 0.11  # of a photograph's preview, and its thumbnail
_LARGEST_PREVIEW = 1280
_WORTH_LARGER = 1.3  # times the thumbnail's side, from where a larger one shows more
_MOVING_KB = 2_000  # an animation may take, if there is room


@dataclass(frozen=True, slots=True)
class Recipe:
    """What to make of a picture.

    Attributes
    ----------
    thumbnail_side, preview_side
        The longest sides, in pixels.
    limit, thumbnail_limit, moving_limit
        The most bytes, before base64, that both together may take, the thumbnail, and an animation.
    format
        As Pillow calls it.
    quick
        Whether to save time rather than bytes.
    """

    thumbnail_side: int
    preview_side: int
    limit: int
    thumbnail_limit: int
    moving_limit: int
    format: str
    quick: bool

    def worth_larger(self, longest: int, side: int) -> bool:
        """Whether a picture of this size shows more than one of ``side`` pixels."""
        return longest >= self.least_larger(side)

    def least_larger(self, side: int) -> int:
        """Return the longest side, in pixels, from where a picture shows more than one of ``side`` pixels."""
        return ceil(side * _WORTH_LARGER)


def recipe_for(count: int) -> Recipe:
    """Return the recipe for one of ``count`` pictures in an output.

    It changes in steps, so that most pictures that come in during a run are made once.
    """
    count = max(1, count)
    step = count if count <= _MANY else ceil(count / 10) * 10
    share = settings.PICTURES_KB.number() * 1000 / step
    limit = max(0, in_bytes(min(share, settings.PICTURE_KB.number() * 1000) - MARKUP_BYTES))
    side = settings.THUMBNAIL_SIDE.number() * next(part for most, part in _SIDES if count <= most)
    quick = count > _MANY
    per_pixel = _BYTES_PER_PIXEL_OF_MANY if quick else _BYTES_PER_PIXEL
    chosen = settings.THUMBNAIL_FORMAT.choice(_FORMATS)
    return Recipe(
        thumbnail_side=max(16, round(side)),
        preview_side=max(16, min(_LARGEST_PREVIEW, round(sqrt(limit / per_pixel)))),
        limit=limit,
        thumbnail_limit=round(limit * _THUMBNAIL_PART),
        moving_limit=_MOVING_KB * 1000,
        format=_FORMATS[chosen],
        quick=quick,
    )


def in_notebook(count: float) -> int:
    """Return how many bytes of a notebook this many bytes take: they are written as base64."""
    return ceil(count / 3) * 4


def in_bytes(count: float) -> int:
    """Return how many bytes may take this many in a notebook."""
    return int(count // 4 * 3)
