"""A run on its way as HTML: where it is, how long it takes, and what is in the making."""

from __future__ import annotations

from typing import TYPE_CHECKING

from markupsafe import Markup

from comfy_notebook.notebook.html.parts import EMPTY, breakable, data_url, page, row
from comfy_notebook.notebook.html.pictures import image
from comfy_notebook.printable import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from comfy_notebook.notebook.media.encoding import Encoded
    from comfy_notebook.notebook.media.pipeline import Item
    from comfy_notebook.servers.events import Preview
    from comfy_notebook.servers.following import Run

_PREVIEW_BYTES = 200_000
_PREVIEW_WIDTH = 256
_FINISHED, _FINISHED_BYTES = 8, 300_000  # of what is finished: it is sent again with every update
_TILE = 160  # CSS pixels of its longer side


def live_html(run: Run | None, seconds: float, finished: Sequence[Item] = ()) -> str:
    """Return the state of a run.

    Parameters
    ----------
    run
        None while it is being prepared.
    seconds
        Since the cell began.
    finished
        The files that it made so far.
    """
    fraction = run.progress if run else 0.0
    return page(
        Markup('<div style="max-width:560px">{}{}</div>').format(_bar(fraction), _line(run, fraction, seconds)),
        _preview(run.state.preview) if run and run.state.preview else EMPTY,
        _finished(finished) if finished else EMPTY,
    )


def live_text(run: Run | None, seconds: float) -> str:
    """Return the same in one line."""
    fraction = run.progress if run else 0.0
    return printable(f"{fraction:.0%} · {_doing(run)} · {seconds:.0f} s")


def _bar(fraction: float) -> Markup:
    return Markup(
        '<div class="cnb-bar" style="height:6px;background-color:rgba(128,128,128,.25);overflow:hidden">'
        '<div class="cnb-done" style="height:6px;width:{:.1f}%;background-color:#2196f3"></div></div>'
    ).format(100 * fraction)


def _line(run: Run | None, fraction: float, seconds: float) -> Markup:
    return Markup(
        '<div style="display:flex;gap:12px;margin-top:4px"><span style="flex:1;min-width:0">{}</span>'
        '<span class="cnb-faint">{:.0%}</span><span class="cnb-faint">{:.0f} s</span></div>'
    ).format(breakable(_doing(run)), fraction, seconds)


def _doing(run: Run | None) -> str:
    if run is None:
        return "preparing"
    state = run.state
    if state.verdict or state.over:
        return "finishing"
    if not state.started:
        return "in the queue"
    if state.current is None:
        return "starting"
    step = f" · step {state.step[0]:g} of {state.step[1]:g}" if state.step else ""
    return f"{run.title(state.current) or state.current}{step}"


def _finished(items: Sequence[Item]) -> Markup:
    """Show what is there already: the last few pictures, and the names of all else."""
    seen = [item for item in items if item.small and item.is_visual]
    names = [item.media.filename for item in items if item not in seen]
    shown = seen[-_FINISHED:]
    left = _FINISHED_BYTES
    tiles: list[Markup] = []
    for item in reversed(shown):
        left -= len(item.small.content) if item.small else 0
        if left >= 0 and item.small:
            tiles.insert(0, _tile(item, item.small))
    more = len(seen) - len(tiles)
    words = [*([f"{more} more"] if more else []), *names[-_FINISHED:]]
    line = Markup('<div class="cnb-faint">{}</div>').format(breakable(" · ".join(words))) if words else EMPTY
    return Markup('<div style="margin-top:8px">{}{}</div>').format(row(tiles), line)


def _tile(item: Item, small: Encoded) -> Markup:
    width, height = small.width or _TILE, small.height or _TILE
    scale = min(1.0, _TILE / max(width, height))
    return image(small, max(1, round(width * scale)), max(1, round(height * scale)), item.media.filename)


def _preview(preview: Preview) -> Markup:
    if len(preview.image) > _PREVIEW_BYTES:
        return EMPTY
    return Markup('<img src="{}" width="{}" alt="preview" style="max-width:100%;margin-top:6px">').format(
        data_url(preview.image, preview.mime), _PREVIEW_WIDTH
    )
