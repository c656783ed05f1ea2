"""A result, a comparison or a sweep's grid as a page that needs no server, no notebook and no other file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from markupsafe import Markup

from comfy_notebook.errors import MediaError
from comfy_notebook.notebook.html.comparison import comparison_html
from comfy_notebook.notebook.html.result import result_html
from comfy_notebook.notebook.html.sweep import sweep_html
from comfy_notebook.notebook.media.encoding import Encoded
from comfy_notebook.notebook.sweep_scene import finished_scene

if TYPE_CHECKING:
    from comfy_notebook.experiments.comparison import Comparison
    from comfy_notebook.experiments.sweeps.grid import Grid
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
    """Write a result as a page, with its originals, and return the path; OSError if it cannot be written."""
    title = " · ".join(filter(None, (result.status, str(result.params.get("prompt", ""))[:80])))
    return _write(path, title, result_html(result, whole=_whole))


def write_comparison(comparison: Comparison, path: str | Path) -> Path:
    """Write a comparison as a page, with the originals, and return the path; OSError if it cannot be written."""
    return _write(path, "comparison", comparison_html(comparison, whole=_whole))


def write_grid(grid: Grid, path: str | Path) -> Path:
    """Write a sweep's grid as a page, and return the path; OSError if it cannot be written."""
    title = f"{len(grid.sweep)} runs: {', '.join(grid.sweep.axes)}"
    return _write(path, title, sweep_html(finished_scene(grid)))


def _write(path: str | Path, title: str, html: str) -> Path:
    file = Path(path).expanduser()
    file.write_text(_PAGE.format(title, Markup(html)), encoding="utf-8")  # noqa: S704 - our own
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
