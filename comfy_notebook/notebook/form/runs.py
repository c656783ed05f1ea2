"""The part of a form that starts runs and shows those under way: where each is, and a button to end it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import ipywidgets

from comfy_notebook.jobs import RUNNING, Batch, jobs_of
from comfy_notebook.notebook.form.controls.base import GROWING, PLAIN, shared
from comfy_notebook.notebook.form.controls.browser import Copy
from comfy_notebook.notebook.html.live import line_html
from comfy_notebook.notebook.live import moment_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from comfy_notebook.jobs import Job
    from comfy_notebook.servers.events import Preview

_MOST_RUNS = 100
_PREVIEW = {"width": "auto", "max_width": "100%", "max_height": "256px"}
_COUNT_WIDE = {"width": "56px", "flex": "none"}
_BAR = {"width": "auto", "flex_flow": "row wrap", "align_items": "center", "grid_gap": "8px"}


class RunBar:
    """The buttons below the fields.

    Attributes
    ----------
    widget
        What is shown.
    """

    def __init__(self, run: Callable[[int], Any], code: Callable[[str], str]) -> None:
        self._run, self._code = run, code
        self._button = ipywidgets.Button(description="Run", icon="play", button_style="primary", layout=shared(PLAIN))
        self._button.add_class("cnbf-run")
        self._button.on_click(lambda _button: self._press())
        self._count = ipywidgets.BoundedIntText(
            value=1, min=1, max=_MOST_RUNS, layout=shared(_COUNT_WIDE), description="times"
        )
        times = ipywidgets.HTML("times, with new seeds", layout=shared(PLAIN))
        self._times = ipywidgets.HBox([self._count, times], layout=shared(PLAIN))
        self._times.add_class("cnbf-times")
        copy = Copy(layout=shared(PLAIN))
        copy.on_msg(self._asked)
        self.widget = ipywidgets.Box([self._button, self._times, copy], layout=shared(_BAR))
        self.widget.add_class("cnbf-bar")
        self.settle(0)

    def settle(self, under_way: int) -> None:
        """Say that a run waits its turn where others are under way."""
        self._button.description = "Run again" if under_way else "Run"
        self._button.tooltip = "Run it after those" if under_way else "Run the workflow (Ctrl+Enter)"

    def _press(self) -> None:
        self._run(self._count.value)

    def _asked(self, widget: Copy, message: dict[str, Any], _buffers: object) -> None:
        widget.send({"kind": "code", "text": self._code(str(message.get("kind")))})


class UnderWay:
    """The runs that are not over, each with its progress and its way to end; and the preview of the one at work.

    Attributes
    ----------
    widget
        What is shown.
    """

    def __init__(self) -> None:
        self._rows: dict[Job | Batch, WorkRow] = {}
        self._preview = ipywidgets.Image(layout=shared(_PREVIEW))
        self._preview.add_class("cnbf-preview")
        self._shown: Preview | None = None
        self.widget = ipywidgets.VBox([], layout=shared(PLAIN))
        self.widget.add_class("cnbf-under-way")

    def show(self, works: list[Job | Batch]) -> None:
        """Show how these stand, and no others."""
        for work in works:
            if work in self._rows:
                self._rows[work].show()
            else:
                self._rows[work] = WorkRow(work)
        self._show_preview(works)
        over = [work for work in self._rows if work not in works]
        children = [self._rows[work].widget for work in works]
        children += [self._preview] if self._shown is not None else []
        if list(self.widget.children) != children:
            self.widget.children = children
        for work in over:
            self._rows.pop(work).close()

    def _show_preview(self, works: list[Job | Batch]) -> None:
        running = next((job for work in works for job in jobs_of(work) if job.status == RUNNING), None)
        preview = running.run.state.preview if running is not None and running.run is not None else None
        if preview is not None and preview is not self._shown:
            self._preview.format = preview.mime.rpartition("/")[2]
            self._preview.value = preview.image
        self._shown = preview


class WorkRow:
    """A run that is not over, or several that were started as one."""

    def __init__(self, work: Job | Batch) -> None:
        self._work = work
        self._began = time.monotonic()
        self._line = ipywidgets.HTML(layout=shared(GROWING))
        self._cancel = ipywidgets.Button(
            description="Cancel", tooltip="End it on the server, and keep what it has", layout=shared(PLAIN)
        )
        self._cancel.add_class("cnbf-cancel")
        self._cancel.on_click(lambda _button: self._end())
        self.widget = ipywidgets.HBox([self._line, self._cancel], layout=shared(PLAIN))
        self.widget.add_class("cnbf-work")
        self.show()

    def show(self) -> None:
        """Show how it stands."""
        self._line.value = line_html(moment_of(self._work, time.monotonic() - self._began))

    def close(self) -> None:
        """Take it out of the browser's memory, too."""
        for widget in (self._line, self._cancel, self.widget):
            widget.close()

    def _end(self) -> None:
        self._cancel.disabled = True
        self._cancel.description = "Cancelling"
        self._work.cancel()
