"""A picture in a grid: small at first, large on a click and back on another, without script."""

from __future__ import annotations

from typing import TYPE_CHECKING

from markupsafe import Markup

from comfy_notebook.notebook.html.captions import caption, note, original, output
from comfy_notebook.notebook.html.grid import cell_style
from comfy_notebook.notebook.html.parts import breakable, data_url

if TYPE_CHECKING:
    from comfy_notebook.notebook.html.grid import Grid
    from comfy_notebook.notebook.media.encoding import Encoded
    from comfy_notebook.notebook.media.pipeline import Item


def picture(item: Item, small: Encoded, grid: Grid, about: str) -> Markup:
    """Show a picture; ``about`` is what its caption says beside name and size: the seed."""
    made = item.made
    width, height = grid.fitted(made.width or small.width, made.height or small.height)
    words = " · ".join(filter(None, (output(item), caption(item, about))))
    large = image(item.large, item.large.width, item.large.height, words) if item.large else Markup()
    line = (
        Markup('<small class="cnb-note">{}</small>').format(breakable(note(item, about))) if grid.captions else Markup()
    )
    return Markup(
        '<details class="cnb-shot{}" style="{}">'
        '<summary style="list-style:none;cursor:pointer" title="{}">{}{}</summary>'
        '<figure style="margin:6px 0 2px">{}<figcaption dir="auto">{} · {}</figcaption></figure></details>'
    ).format(
        "" if item.large else " cnb-whole",
        cell_style(width, height, grid),
        words,
        image(small, width, height, words),
        line,
        large,
        breakable(words),
        original(item),
    )


def image(encoded: Encoded, width: int, height: int, alt: str) -> Markup:
    """Return an image element that shrinks with the page; ``width`` and ``height`` in CSS pixels."""
    return Markup(
        '<img src="{}" width="{}" height="{}" alt="{}" style="max-width:100%;height:auto;display:block">'
    ).format(data_url(encoded.content, encoded.mime), width, height, alt)
