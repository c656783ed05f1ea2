"""A form as widgets: its fields, its buttons, what is under way, and its results."""

from __future__ import annotations

import asyncio
import contextvars
import logging
from typing import TYPE_CHECKING, Any

import ipywidgets
from markupsafe import Markup

from comfy_notebook.notebook.form.controls.base import PLAIN, icon, shared
from comfy_notebook.notebook.form.controls.browser import Watch
from comfy_notebook.notebook.form.files import FormFiles
from comfy_notebook.notebook.form.kept import Kept
from comfy_notebook.notebook.form.rows import FieldRow, GroupView
from comfy_notebook.notebook.form.runs import RunBar, UnderWay
from comfy_notebook.notebook.form.shown import Shown, tile
from comfy_notebook.notebook.live import PAUSE_SECONDS
from comfy_notebook.notebook.show import mimebundle
from comfy_notebook.servers.portal import portal
from comfy_notebook.workflow.requirements import lacking_nodes

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable
    from concurrent.futures import Future

    from comfy_notebook.notebook.form.form import Form
    from comfy_notebook.notebook.form.session import Entry
    from comfy_notebook.results import ExecuteResult

_log = logging.getLogger(__name__)


class FormView:
    """The widgets of one form; made when it is first shown, and updated from the portal's loop from then on.

    Attributes
    ----------
    widget
        All of it.
    """

    def __init__(self, form: Form) -> None:
        self._form = form
        self._context = contextvars.copy_context()  # on ipykernel 7.0, widgets need that of a cell
        self._following = False
        self._chosen: Entry | None = None
        self.kept = Kept()
        self._rows: dict[str, FieldRow] = {}
        self._under_way = UnderWay()
        self._bar = RunBar(form.submit, form.code)
        self._shown = Shown(self.choose, self.restore)
        self._head = ipywidgets.Box([], layout=shared(PLAIN))
        self._head.add_class("cnbf-head")
        self._fields = ipywidgets.VBox([], layout=shared(PLAIN))
        hiding = ipywidgets.HTML(self.kept.hiding, layout=shared(PLAIN))
        hiding.add_class("cnbf-nothing")
        self.widget = ipywidgets.VBox(
            [
                self._head,
                self._fields,
                self._bar.widget,
                Watch(),
                self._under_way.widget,
                self._shown.widget,
                hiding,
            ],
            layout=shared(PLAIN),
        )
        self.widget.add_class("cnbf")
        self.build()
        form.session.watch(self._finished)
        self.follow()
        self.start(self._catch_up(list(form.session.entries)))

    # -- fields --------------------------------------------------------------------------------------

    def build(self) -> None:
        """Make the fields anew, as the server sees them."""
        state = self._form.state
        self._rows = {}
        self._files = FormFiles(self._form.kit, state, self._form.session, self.start)
        self._groups = [GroupView(group, state, self._files, self._made) for group in state.groups]
        self._fields.children = [group.widget for group in self._groups]
        self._head.children = [
            ipywidgets.HTML(_headline(self._form), layout=shared(PLAIN)),
            icon("undo", "Back to the workflow's own values, all of them", self._form.reset),
            icon("refresh", "Ask the server again what it has: models, files, nodes", self._form.refresh_soon),
        ]
        state.watch(self._changed)

    def _made(self, rows: Iterable[FieldRow]) -> None:
        self._rows |= {name: row for row in rows for name in row.names}

    def _changed(self, name: str) -> None:
        row = self._rows.get(name)
        if row is not None:
            row.show()
        for group in self._groups:
            if name in group.group.names:
                group.settle()

    # -- runs ----------------------------------------------------------------------------------------

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Begin work on the portal's loop, where it may touch widgets."""
        future: Future[None] = self._context.copy().run(portal.start, work)
        future.add_done_callback(_log_failure)

    def follow(self) -> None:
        """Show what was just submitted, until nothing is under way."""
        works = self._form.session.under_way
        self._under_way.show(works)
        self._bar.settle(len(works))
        if works and not self._following:
            self._following = True
            self.start(self._follow())

    async def _follow(self) -> None:
        while works := self._form.session.under_way:
            self._under_way.show(works)
            self._bar.settle(len(works))
            await asyncio.sleep(PAUSE_SECONDS)
        self._following = False
        self.follow()

    def _finished(self, entry: Entry) -> None:
        self.start(self._show_finished(entry))

    async def _show_finished(self, entry: Entry) -> None:
        result = entry.result
        if result is None:
            return
        bundle = await asyncio.to_thread(mimebundle, result, None, None)
        was_sent = result.prompt_id is not None
        if was_sent:
            self._shown.add(await asyncio.to_thread(tile, entry.number, result))
        self._present(entry if was_sent else None, bundle)
        self._mark(result)
        for row in self._rows.values():
            row.offer()

    def _mark(self, result: ExecuteResult) -> None:
        """Tell at the fields what was wrong with them."""
        for problem in result.error.problems if result.error is not None else ():
            if problem.subject in self._form.state.fields:
                self._form.state.refuse(problem.subject, problem.message)

    # -- results -------------------------------------------------------------------------------------

    async def _catch_up(self, entries: list[Entry]) -> None:
        """Show what an earlier form of this workflow has brought."""
        ran = [entry for entry in entries if entry.result is not None and entry.result.prompt_id is not None]
        for entry in ran:
            if entry.result is not None:
                self._shown.add(await asyncio.to_thread(tile, entry.number, entry.result))
        if ran and self._chosen is None:
            await self._show(ran[-1])

    def choose(self, number: int) -> None:
        """Show a result of the session."""
        entry = next((entry for entry in self._form.session.entries if entry.number == number), None)
        if entry is not None:
            self.start(self._show(entry))

    async def _show(self, entry: Entry) -> None:
        self._present(entry, await asyncio.to_thread(mimebundle, entry.result, None, None))

    def _present(self, entry: Entry | None, bundle: dict[str, Any]) -> None:
        self._chosen = entry
        self._shown.show(entry, bundle["text/html"])
        self.kept.update({name: bundle[name] for name in ("text/plain", "text/html")})

    def restore(self) -> None:
        """Bring the values of the result that is shown back into the form."""
        if self._chosen is not None:
            self._form.restore(self._chosen)

    # -- where it is shown ---------------------------------------------------------------------------

    def bundle(self, text: str) -> dict[str, Any]:
        """Return what a cell shows of it; where there are no widgets, that is a line."""
        line = Markup('<div style="opacity:.75">{}: run this cell to open the form.</div>').format(text)
        shown = {"text/plain": text, "text/html": str(line)}
        view = {"version_major": 2, "version_minor": 0, "model_id": self.widget.model_id}
        return {**shown, "application/vnd.jupyter.widget-view+json": view}

    @property
    def is_closed(self) -> bool:
        """Whether its widgets are gone, as when a user closed all that there are."""
        return self.widget.comm is None

    def close(self) -> None:
        """Take the widgets out of the kernel and the browser."""
        self._form.session.unwatch(self._finished)
        _close(self.widget)


def _headline(form: Form) -> str:
    workflow = form.state.workflow
    if not workflow.server:
        where = "No server answers: without one, ranges and choices are not known, and nothing runs."
        return str(Markup('<b>{}</b> <span class="cnbf-warning">{}</span>').format(workflow.name, where))
    lacking = [str(problem) for problem in lacking_nodes(workflow, workflow.schemas)]
    warning = Markup('<div class="cnbf-warning">{}</div>').format(" ".join(lacking)) if lacking else ""
    return str(Markup("<b>{}</b> <span>on {}</span>{}").format(workflow.name, workflow.server, warning))


def _close(widget: ipywidgets.Widget) -> None:
    for child in getattr(widget, "children", ()):
        _close(child)
    widget.close()


def _log_failure(done: Future[None]) -> None:
    if not done.cancelled() and (error := done.exception()) is not None:
        _log.error("a form's display failed", exc_info=error)
