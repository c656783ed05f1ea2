"""Makes of a picture a thumbnail to show and a preview to look at, or keeps it as it is where it is small."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from comfy_notebook.notebook.media.animations import shrunk
from comfy_notebook.notebook.media.decoding import Decoded, decode
from comfy_notebook.notebook.media.encoding import Encoded, encode_within, scaled
from comfy_notebook.notebook.media.formats import NotAPictureError, format_of, what
from comfy_notebook.notebook.media.prepared import Prepared

if TYPE_CHECKING:
    from PIL.Image import Image

    from comfy_notebook.notebook.media.recipe import Recipe

_SMALLEST_THUMBNAIL = 24
_BROWSERS = {  # what all of them show, by Pillow's name
    "PNG": "image/png",
    "JPEG": "image/jpeg",
    "WEBP": "image/webp",
    "GIF": "image/gif",
    "AVIF": "image/avif",
}
_ORIGINAL_THUMBNAIL_BYTES = 40_000  # below which an original is its own thumbnail
_LARGER_BYTES = 0.7  # per pixel, of those of a thumbnail of the same quality: neighbours differ less
_NO_SIZE = re.compile(rb"<svg[^>]*\s(?:width|height)\s*=\s*[\"']\s*0(?:\.0*)?[a-z%]*\s*[\"']")
_SVG_HEAD = 65_536


def picture(content: bytes, recipe: Recipe) -> Prepared:
    """Prepare a picture.

    Parameters
    ----------
    content
        The original.
    recipe
        How large it may be.

    Returns
    -------
    Prepared
        With a ``problem`` if it cannot be decoded.
    """
    try:
        decoded = decode(content, recipe.preview_side)
    except NotAPictureError as error:
        return Prepared(len(content), problem=str(error))
    if decoded.frames > 1:
        return _animation(content, decoded, recipe)
    small, large = _as_it_is(content, decoded, recipe) or _sizes(decoded, recipe)
    return Prepared(len(content), small, large, width=decoded.width, height=decoded.height, notes=_notes(decoded))


def drawing(content: bytes, recipe: Recipe) -> Prepared:
    """Prepare an SVG, which is shown as it is, if at all: inside an image element it can run nothing."""
    if b"<svg" not in content[:_SVG_HEAD]:
        return Prepared(len(content), problem=f"it is not a drawing, but {what(content)}")
    if len(content) > recipe.limit:
        return Prepared(len(content), notes=("too large to be shown here",))
    if _NO_SIZE.search(content[:_SVG_HEAD]):
        return Prepared(len(content), problem="it is a drawing of no size")
    return Prepared(len(content), Encoded(content, "image/svg+xml"))


def _as_it_is(content: bytes, decoded: Decoded, recipe: Recipe) -> tuple[Encoded, Encoded | None] | None:
    """Return the sizes if the original is one of them: no other would be better, or much smaller."""
    mime = _BROWSERS.get(format_of(content))
    if mime is None or decoded.deep or len(content) > recipe.limit:
        return None
    original = Encoded(content, mime, decoded.width, decoded.height)
    longest = max(decoded.width, decoded.height)
    if len(content) <= _ORIGINAL_THUMBNAIL_BYTES and not recipe.worth_larger(longest, recipe.thumbnail_side):
        return original, None
    left = min(recipe.limit - len(content), recipe.thumbnail_limit)
    small = _encode(scaled(decoded.image, recipe.thumbnail_side), left, recipe)
    return (small, original) if small and len(small.content) < len(content) else (original, None)


def _sizes(decoded: Decoded, recipe: Recipe) -> tuple[Encoded | None, Encoded | None]:
    preview = scaled(decoded.image, recipe.preview_side, quick=recipe.quick)
    small = _encode(scaled(preview, recipe.thumbnail_side, quick=recipe.quick), recipe.thumbnail_limit, recipe)
    if small is None:
        return None, None
    side = max(small.width, small.height)
    if not recipe.worth_larger(max(preview.size), side):
        return small, None
    return small, _larger(preview, small, recipe)


def _larger(preview: Image, small: Encoded, recipe: Recipe) -> Encoded | None:
    """Encode a preview in what the thumbnail leaves."""
    scale = (max(preview.size) / max(small.width, small.height)) ** 2
    return encode_within(
        preview,
        recipe.limit - len(small.content),
        smallest=recipe.least_larger(max(small.width, small.height)),
        kind=_kind(preview, recipe),
        quick=recipe.quick,
        expected=_LARGER_BYTES * scale * len(small.content) if recipe.quick else 0.0,
    )


def _encode(image: Image, limit: int, recipe: Recipe) -> Encoded | None:
    smallest = min(_SMALLEST_THUMBNAIL, max(image.size))
    return encode_within(image, limit, smallest=smallest, kind=_kind(image, recipe), quick=recipe.quick)


def _kind(image: Image, recipe: Recipe) -> str:
    """Return the format to encode it in: JPEG takes a sixth of the time of WebP."""
    return "JPEG" if recipe.quick and recipe.format == "WEBP" and image.mode == "RGB" else recipe.format


def _animation(content: bytes, decoded: Decoded, recipe: Recipe) -> Prepared:
    still, _ = _sizes(decoded, recipe)
    mime = _BROWSERS.get(format_of(content), "")
    moving = []
    if len(content) <= recipe.moving_limit and mime:
        moving.append(Encoded(content, mime, decoded.width, decoded.height))
    if len(content) > recipe.limit:
        smaller = shrunk(content, recipe.thumbnail_side, max(recipe.limit, recipe.moving_limit // 8))
        moving += [smaller] if smaller else []
    notes = (f"{decoded.frames} frames", *_notes(decoded))
    return Prepared(len(content), still, moving=tuple(moving), width=decoded.width, height=decoded.height, notes=notes)


def _notes(decoded: Decoded) -> tuple[str, ...]:
    notes = [f"the first of {decoded.pages} pages"] if decoded.pages > 1 else []
    return (*notes, "more than 8 bits a channel") if decoded.deep else tuple(notes)
