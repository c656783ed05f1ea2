"""A group of files as HTML: what can be looked at in a grid, then sounds, other files, and what cannot be shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from markupsafe import Markup

from comfy_notebook.notebook.html.captions import caption, original
from comfy_notebook.notebook.html.grid import Grid, grid_for, laid_out
from comfy_notebook.notebook.html.parts import EMPTY, breakable, row
from comfy_notebook.notebook.html.pictures import picture
from comfy_notebook.notebook.html.players import sound, video

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from comfy_notebook.media import Media
    from comfy_notebook.notebook.media.pipeline import Item


def gallery(
    items: Sequence[Item],
    about: Callable[[Media], str] = lambda _media: "",
    columns: int | None = None,
    side: int | None = None,
) -> Markup:
    """Show files, as they were prepared.

    Parameters
    ----------
    items
        In the order in which they are to be shown, within their kinds.
    about
        Says more of a picture, for its caption.
    columns, side
        How many to a row, and the longest side in CSS pixels; None for what suits their number and shapes.
    """
    seen = [item for item in items if item.is_visual and not item.problem]
    grid = grid_for([(item.made.width, item.made.height) for item in seen], columns, side)
    cells = [_visual(item, grid, about) for item in seen]
    sounds = [sound(item) for item in items if item.media.kind == "audio" and not item.problem]
    rest = [missing(item.problem) if item.problem else _file(item) for item in items if item.problem or _is_other(item)]
    return Markup("{}{}{}").format(laid_out(cells, grid) if cells else EMPTY, row(sounds, gap=20), EMPTY.join(rest))


def _visual(item: Item, grid: Grid, about: Callable[[Media], str]) -> Markup:
    if item.media.kind == "video":
        return video(item, grid)
    return picture(item, item.small, grid, about(item.media)) if item.small else _file(item)


def _is_other(item: Item) -> bool:
    return not item.is_visual and item.media.kind != "audio"


def _file(item: Item) -> Markup:
    return Markup('<p class="cnb-file" dir="auto" style="margin:4px 0">{} · {} · {}</p>').format(
        breakable(caption(item)), item.media.mime, original(item)
    )


def missing(why: str) -> Markup:
    """Say why there is nothing to see."""
    return Markup(
        '<p class="cnb-missing" style="margin:4px 0;padding:10px 12px;border:1px dashed rgba(128,128,128,.5)">{}</p>'
    ).format(breakable(why))
