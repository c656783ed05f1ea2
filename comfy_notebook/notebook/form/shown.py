"""The part of a form below its buttons: the session's results in a row, and the one that was chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ipywidgets

from comfy_notebook.notebook.form.controls.base import PLAIN, shared
from comfy_notebook.notebook.form.controls.browser import Strip
from comfy_notebook.notebook.form.thumbnails import preview
from comfy_notebook.notebook.html.result import MARKS, seeds_of
from comfy_notebook.notebook.overview import short

if TYPE_CHECKING:
    from collections.abc import Callable

    from comfy_notebook.notebook.form.session import Entry
    from comfy_notebook.results import ExecuteResult

_SIDE = 128  # pixels of a tile, twice what it is shown at
_MOST = 60


class Shown:
    """The results of a form.

    Parameters
    ----------
    choose
        Called with the number of a result that was clicked on.
    restore
        Called when the values of the chosen one are wanted back.

    Attributes
    ----------
    widget
        What is shown.
    """

    def __init__(self, choose: Callable[[int], None], restore: Callable[[], None]) -> None:
        self._choose = choose
        self._strip = Strip(layout=shared(PLAIN))
        self._strip.observe(lambda change: self._chosen(change["new"]), "chosen")
        self._title = ipywidgets.HTML(layout=shared(PLAIN))
        self._restore = ipywidgets.Button(
            description="Use its values",
            icon="level-up",
            tooltip="Bring the values of this run, seeds included, back into the form",
            layout=shared(PLAIN),
        )
        self._restore.add_class("cnbf-flat")
        self._restore.on_click(lambda _button: restore())
        self._head = ipywidgets.HBox([self._title, self._restore], layout=shared(PLAIN))
        self._head.add_class("cnbf-result-head")
        self._result = ipywidgets.HTML(layout=shared(PLAIN))
        self._result.add_class("cnbf-result")
        self._telling = False
        self.widget = ipywidgets.VBox([], layout=shared(PLAIN))
        self.widget.add_class("cnbf-results")

    def add(self, item: dict[str, Any]) -> None:
        """Add a result's tile, from :func:`tile`."""
        self._strip.items = sorted([*self._strip.items, item], key=lambda each: int(each["number"]))[-_MOST:]

    def show(self, entry: Entry | None, html: str) -> None:
        """Show a result as HTML; without an entry, what was refused before it was sent."""
        self._result.value = html
        self._telling = True
        self._strip.chosen = entry.number if entry is not None else 0
        self._telling = False
        self._title.value = f"Result {entry.number}" if entry is not None else "Not run"
        self._head.children = [self._title, self._restore] if entry is not None else [self._title]
        several = [self._strip] if self._strip.items else []
        self.widget.children = [*several, self._head, self._result]

    def _chosen(self, number: int) -> None:
        if not self._telling and number:
            self._choose(number)


def tile(number: int, result: ExecuteResult) -> dict[str, Any]:
    """Return what the row shows of a result; blocking, as its picture may have to be fetched."""
    media = next((media for media in result.media if media.kind in ("image", "video", "audio")), None)
    seconds = f"{result.seconds:.1f} s" if result.seconds is not None else ""
    words = [f"Result {number}: {result.status}", seconds, *seeds_of(result)]
    prompt = short(str(result.params.get("prompt") or ""), 200)
    return {
        "number": number,
        "status": result.status,
        "title": "\n".join(filter(None, [" · ".join(filter(None, words)), prompt])),
        "caption": str(number),
        "sign": MARKS.get(result.status, "") if media is None and result.status != "completed" else "Text",
        "thumbnail": preview(media, _SIDE)[0] if media is not None else "",
    }
