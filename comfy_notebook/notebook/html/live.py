"""A run on its way as HTML: where it is, how long it takes, and what is in the making."""

from __future__ import annotations

import time
from dataclasses import dataclass
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
_MINUTE = 60
_TOLD_SECONDS, _TOLD_FRACTION = 2.0, 0.05  # of work done, before the rest is estimated
_TILE = 160  # CSS pixels of its longer side


@dataclass(frozen=True, slots=True)
class Moment:
    """What is known of a run, or of the one of several that is at work.

    Attributes
    ----------
    run
        None while it is being prepared.
    seconds
        Since the cell began.
    finished
        The files that were made so far.
    ahead
        How many runs are before it in the queue, if that is known.
    over, count
        How many of how many runs are over.
    """

    run: Run | None
    seconds: float
    finished: Sequence[Item] = ()
    ahead: int | None = None
    over: int = 0
    count: int = 1

    @property
    def fraction(self) -> float:
        """How much of all of it is done, 0 to 1."""
        return min(1.0, (self.over + (self.run.progress if self.run else 0.0)) / self.count)


def live_html(moment: Moment) -> str:
    """Return how it stands."""
    preview = moment.run.state.preview if moment.run else None
    return page(
        Markup('<div style="max-width:560px">{}{}</div>').format(bar(moment.fraction), _line(moment)),
        _preview(preview) if preview else EMPTY,
        _finished(moment.finished) if moment.finished else EMPTY,
    )


def line_html(moment: Moment) -> str:
    """Return how it stands, without what is in the making."""
    return page(bar(moment.fraction), _line(moment))


def live_text(moment: Moment) -> str:
    """Return the same in one line."""
    return printable(" · ".join([f"{moment.fraction:.0%}", doing(moment), *_counts(moment.run), *_times(moment)]))


def bar(fraction: float) -> Markup:
    """Show how much is done, 0 to 1."""
    return Markup(
        '<div class="cnb-bar" style="height:6px;background-color:rgba(128,128,128,.25);overflow:hidden">'
        '<div class="cnb-done" style="height:6px;width:{:.1f}%;background-color:#2196f3"></div></div>'
    ).format(100 * fraction)


def _line(moment: Moment) -> Markup:
    faint = " · ".join([*_counts(moment.run), f"{moment.fraction:.0%}", *_times(moment)])
    return Markup(
        '<div style="display:flex;flex-wrap:wrap;gap:0 12px;margin-top:4px"><span style="flex:1 1 14em;min-width:0">{}'
        '</span><span class="cnb-faint">{}</span></div>'
    ).format(breakable(doing(moment)), faint)


def _counts(run: Run | None) -> list[str]:
    """Say how many nodes are done, and how many of them did not have to run."""
    if run is None or not run.state.started:
        return []
    nodes, cached, skipped = run.workflow.graph.keys(), run.cached, run.skipped
    done = len(cached | skipped) + sum(run.state.fractions.get(node) == 1 for node in nodes - cached - skipped)
    spared = [f"{len(those)} {how}" for those, how in ((cached, "cached"), (skipped, "skipped")) if those]
    return [", ".join([f"{done} of {len(nodes)} nodes", *spared])]


def _times(moment: Moment) -> list[str]:
    """Say how long it has taken, and about how long it still takes once that can be told."""
    left = _seconds_left(moment)
    return [duration(moment.seconds), *([f"about {duration(left)} left"] if left is not None else [])]


def _seconds_left(moment: Moment) -> float | None:
    run = moment.run
    if run is None or run.state.began is None or moment.fraction >= 1:
        return None
    if moment.count > 1:  # those before tell better than this one
        return moment.seconds / moment.over * (moment.count - moment.over) if moment.over else None
    nodes = run.workflow.graph.keys()
    spared = len(run.cached | run.skipped) / max(1, len(nodes))
    estimates = [_rest(run.state.began, run.progress - spared, 1 - spared)]
    if run.state.step and run.state.current_began:  # a node may take longer than all before it
        estimates.append(_rest(run.state.current_began, *run.state.step))
    known = [estimate for estimate in estimates if estimate is not None]
    return max(known) if len(known) == len(estimates) else None


def _rest(began: float, done: float, whole: float) -> float | None:
    """Return how many seconds the rest takes if it goes on like this; None if it is too early to tell."""
    ran = time.monotonic() - began
    if ran < _TOLD_SECONDS or not whole or done / whole < _TOLD_FRACTION:
        return None
    return max(1.0, ran / done * (whole - done))


def duration(seconds: float) -> str:
    """Say how long: ``"42 s"``, ``"3:05 min"``."""
    whole = round(seconds)
    return f"{whole} s" if whole < _MINUTE else f"{whole // _MINUTE}:{whole % _MINUTE:02} min"


def doing(moment: Moment) -> str:
    """Say what it is at."""
    several = f"{moment.over} of {moment.count} runs done · " if moment.count > 1 else ""
    return several + _doing(moment.run, moment.ahead)


def _doing(run: Run | None, ahead: int | None) -> str:
    if run is None:
        return "preparing"
    state = run.state
    if state.verdict or state.over:
        return "finishing"
    if not state.started:
        return "in the queue" + (f", {ahead} before it" if ahead else ", the next" if ahead == 0 else "")
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
