"""Small pictures of files, for tiles and previews in a form."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from comfy_notebook.notebook.html.parts import data_url, size
from comfy_notebook.notebook.media.pipeline import prepare

if TYPE_CHECKING:
    from comfy_notebook.media import Media
    from comfy_notebook.notebook.media.pipeline import Item

_SMALL = 24_000  # bytes that a tile may take without being made smaller
_PASSED_ON = frozenset({"image/svg+xml"})


def preview(media: Media, side: int) -> tuple[str, str]:
    """Return a URL of a small picture of a file, "" if there is none, and what to say of the file; blocking.

    ``side`` is the longest side in pixels.
    """
    item = prepare([media])[0][0]
    return _url(item, side), item.problem or _about(item)


def _url(item: Item, side: int) -> str:
    from PIL import Image

    if item.small is None:
        return ""
    if item.small.mime in _PASSED_ON or len(item.small.content) <= _SMALL // 4:
        return data_url(item.small.content, item.small.mime)
    with Image.open(io.BytesIO(item.small.content)) as picture:
        picture.thumbnail((side, side))
        out = io.BytesIO()
        picture.save(out, "WEBP", quality=80)
    return data_url(out.getvalue(), "image/webp")


def _about(item: Item) -> str:
    made = item.made
    dimensions = f"{made.width} × {made.height}" if made.width else ""  # noqa: RUF001 - the sign of multiplication
    seconds = f"{made.seconds:.1f} s" if made.seconds else ""
    return " · ".join(filter(None, (dimensions, seconds, size(made.bytes) if made.bytes else "")))
