"""A result as a page of its own, which needs no server, no notebook and no other file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from markupsafe import Markup

from comfy_notebook.errors import MediaError
from comfy_notebook.notebook.html.result import result_html
from comfy_notebook.notebook.media.encoding import Encoded

if TYPE_CHECKING:
    from comfy_notebook.notebook.media.pipeline import Item
    from comfy_notebook.results import ExecuteResult

_SHOWN_BY_BROWSERS = frozenset(
    {"image/png", "image/jpeg", "image/webp", "image/gif", "image/apng", "image/avif", "image/svg+xml"}
)
_PAGE = Markup(
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    "<title>{}</title><style>:root {{ color-scheme: light dark; }} body {{ margin: 24px; }}</style></head>"
    "<body>{}</body></html>\n"
)


def write_page(result: ExecuteResult, path: str | Path) -> Path:
    """Write the page and return its path; OSError if it cannot be written."""
    file = Path(path).expanduser()
    title = " · ".join(filter(None, (result.status, str(result.params.get("prompt", ""))[:80])))
    shown = Markup(result_html(result, whole=_whole))  # noqa: S704 - our own
    file.write_text(_PAGE.format(title, shown), encoding="utf-8")
    return file


def _whole(item: Item) -> Item:
    """Put the original in: to open on a click, to play, or to save."""
    media = item.media
    try:
        content = media.bytes()
    except MediaError as error:
        return item if item.small else replace(item, problem=str(error))
    if media.kind == "image" and media.mime in _SHOWN_BY_BROWSERS:
        original = Encoded(content, media.mime, item.made.width, item.made.height)
        return replace(item, small=item.small or original, large=original, problem="")
    return replace(item, player=Encoded(content, item.made.plays_as or media.mime, item.made.width, item.made.height))
