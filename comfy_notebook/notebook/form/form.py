"""The form that a user holds: values, runs and results, from Python as by hand."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable, Iterator, MutableMapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from comfy_notebook.errors import ComfyError, ParameterError
from comfy_notebook.experiments.history.privacy import Secrets, names_secret, without_secrets
from comfy_notebook.jobs import Batch
from comfy_notebook.kit import ComfyKit
from comfy_notebook.notebook.form import code
from comfy_notebook.notebook.form.fields import Kind
from comfy_notebook.notebook.form.memory import Memory
from comfy_notebook.notebook.form.state import FormState
from comfy_notebook.notebook.unattended import is_attended, is_kernel
from comfy_notebook.servers.address import shown
from comfy_notebook.servers.portal import portal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from comfy_notebook.jobs import Job
    from comfy_notebook.notebook.form.session import Entry
    from comfy_notebook.notebook.form.view import FormView
    from comfy_notebook.results import ExecuteResult, ResultList
    from comfy_notebook.workflow.document import Workflow
    from comfy_notebook.workflow.sources import Source

_VARIABLE = "workflow"  # what code calls a workflow that has neither a file nor a variable
_log = logging.getLogger(__name__)


def form(
    workflow: Source | Workflow, server: str | Sequence[str] | None = None, *, kit: ComfyKit | None = None
) -> Form:
    """Return a form for a workflow's parameters, which shows itself in a notebook.

    Parameters
    ----------
    workflow
        As for :meth:`ComfyKit.execute`.
    server
        A URL, several of them, or "embedded" for the built-in engine; else the usual one, see :class:`ComfyKit`.
    kit
        What to run it with, in place of ``server``.

    Raises
    ------
    WorkflowError
        If it cannot be read, or is no workflow.
    NoServerError
        If it is in the editor's format, which only a server's schemas can convert, and no server answers. Otherwise
        the form opens without one.
    """
    used = kit or ComfyKit(server)
    return Form(used, portal.wait(used.runner.inspect(workflow, fresh=True)), workflow, server)


class Form:
    """A workflow's parameters to play with; it shows itself as controls, and works as well without.

    Values are those that the form of this workflow had when it was shown last, in this kernel or in an earlier one,
    else the workflow's own.
    """

    def __init__(
        self, kit: ComfyKit, workflow: Workflow, source: Any, server: str | Sequence[str] | None = None
    ) -> None:
        self.kit = kit
        self.state = FormState(workflow)
        self._source, self._server = source, _said(server)
        access = kit.access
        self._memory = Memory(workflow, Secrets([access.api_key, access.cookies, access.partner_key]))
        self._memory.restore(self.state)
        self.state.watch(self._note)
        self.session = self._memory.kept.session
        self.session.watch(self._tell)
        self._callbacks: list[Callable[[ExecuteResult], Any]] = []
        self._view: FormView | None = None

    # -- from Python ---------------------------------------------------------------------------------

    @property
    def values(self) -> FormValues:
        """Parameter name → value; setting one sets its control, and ParameterError says why it does not fit."""
        return FormValues(self.state)

    @property
    def workflow(self) -> Workflow:
        """The workflow, as the server sees it."""
        return self.state.workflow

    def run(self) -> ExecuteResult:
        """Run the workflow with the form's values and block until its end; as :meth:`ComfyKit.run`."""
        entry = self._submit(1)[0]
        try:
            result = entry.job.result()
        except KeyboardInterrupt:
            entry.job.cancel()
            raise
        self.session.settle(entry, result)
        return result

    def submit(self, runs: int = 1) -> Job | Batch:
        """Run it in the background, ``runs`` times with other seeds, and return at once: what its button does."""
        entries = self._submit(runs)
        return entries[0].job if runs == 1 else Batch([entry.job for entry in entries])

    @property
    def result(self) -> ExecuteResult | None:
        """What came back last; None before that."""
        return self.results[-1] if self.results else None

    @property
    def results(self) -> ResultList:
        """What came back in this session, in the order in which it did."""
        return self.session.results

    def on_result(self, callback: Callable[[ExecuteResult], Any]) -> None:
        """Have ``callback`` called with every result from now on, on a thread of ours; it may take its time."""
        self._callbacks.append(callback)

    def reset(self) -> None:
        """Take the workflow's own values again, all of them."""
        for name in self.state.fields:
            self.state.reset(name)

    def refresh(self) -> None:
        """Ask the server again what it has, as its lists of models and files change."""
        self._renew(portal.wait(self.kit.runner.inspect(self.workflow, fresh=True)))

    def close(self) -> None:
        """Take its controls away; it is as before when it is shown again."""
        view, self._view = self._view, None
        if view is not None:
            view.close()

    # -- from its controls ---------------------------------------------------------------------------

    def refresh_soon(self) -> None:
        """Do so without waiting for it."""
        if self._view is not None:
            self._view.start(self._refresh())

    def restore(self, entry: Entry) -> None:
        """Take the values of a run again, with the seeds that it had; they are kept from now on."""
        ran = entry.result.params if entry.result is not None else {}
        seeds = [name for name, field in self.state.fields.items() if field.kind is Kind.SEED]
        self.state.take({**entry.values, **{name: ran[name] for name in seeds if name in ran}}, loose=())

    def code(self, kind: str) -> str:
        """Return the ``%%comfy`` cell that does what the form would do now, or the call of ``kit.run`` ("python")."""
        source, is_variable = self._named()
        given = self.state.given()
        values = {name: value for name, value in given.items() if not names_secret(name)}
        left_out = "".join(f"\n# {name} is not copied" for name in given.keys() - values.keys())
        if kind == "python":
            return code.call(source, self._server, values, variable=is_variable) + left_out
        return code.cell(source, self._server, values) + left_out

    def _submit(self, runs: int) -> list[Entry]:
        self.state.attempt()
        values = self.state.given()
        several, kit = runs > 1, self.kit
        work = kit.submit_many(self.workflow, values, runs) if several else kit.submit(self.workflow, values)
        entries = self.session.add(work, dict(self.state.values), self)
        if self._view is not None:
            self._view.follow()
        return entries

    def _named(self) -> tuple[str, bool]:
        """Return what code calls the workflow, and whether that is a variable."""
        if isinstance(self._source, str | Path) and not str(self._source).lstrip().startswith(("{", "[")):
            return str(self._source), False
        ipython = sys.modules.get("IPython")
        shell = ipython.get_ipython() if ipython is not None else None
        variables = shell.user_ns if shell is not None else {}
        found = (name for name, value in variables.items() if value is self._source and not name.startswith("_"))
        return next(found, _VARIABLE), True

    async def _refresh(self) -> None:
        try:
            self._renew(await self.kit.runner.inspect(self.workflow, fresh=True))
        except ComfyError as error:
            _log.warning("the form was not refreshed: %s", error)

    def _renew(self, workflow: Workflow) -> None:
        earlier, self.state = self.state, FormState(workflow)
        self.state.uploaded = earlier.uploaded
        self.state.take(earlier.values, earlier.loose)
        self.state.watch(self._note)
        if self._view is not None:
            self._view.build()

    def _note(self, _name: str) -> None:
        self._memory.note(self.state)

    def _tell(self, entry: Entry) -> None:
        if entry.owner is self and self._callbacks and entry.result is not None:
            portal.start(self._call(entry.result))

    async def _call(self, result: ExecuteResult) -> None:
        for callback in list(self._callbacks):
            try:
                await asyncio.to_thread(callback, result)
            except Exception:  # noqa: BLE001 - the user's own, and the others are called all the same
                _log.exception("what was to be told of a form's result failed")

    # -- how it shows itself -------------------------------------------------------------------------

    def _ipython_display_(self) -> None:
        from IPython import get_ipython
        from IPython.display import display

        shell = get_ipython()
        if not is_kernel(shell):
            print(repr(self))  # noqa: T201 - what a terminal shows, it prints
            return
        if not is_attended(shell):
            display({"text/plain": repr(self), "text/html": self._repr_html_()}, raw=True)
            return
        _take_place(self)
        if self._view is not None and self._view.is_closed:
            self.close()
        if self._view is None:
            from comfy_notebook.notebook.form.view import FormView

            self._view = FormView(self)
        display(self._view.bundle(repr(self)), raw=True)
        self._view.kept.display()

    def _repr_html_(self) -> str:
        """Return its values as a table: what is shown where nobody could use its controls."""
        from markupsafe import Markup

        from comfy_notebook.notebook.html.parts import page, table

        title = Markup("<div><strong>{}</strong></div>").format(self.workflow.name)
        return page(title, table(without_secrets(self.state.values)))

    def __repr__(self) -> str:
        changed = without_secrets(self.state.changed())
        said = ", ".join(f"{name}={value!r}"[:80] for name, value in list(changed.items())[:8])
        return f"Form({self.workflow.name!r}, {len(self.state.fields)} parameters{': ' if said else ''}{said})"


def _said(server: str | Sequence[str] | None) -> str | None:
    """Return what code calls a server, or several: without credentials."""
    words = server.split() if isinstance(server, str) else server or ()
    return " ".join(map(shown, words)) or None


_places: dict[str, Form] = {}  # cell id → the form that it shows


def _take_place(form: Form) -> None:
    """Close the form that the same cell has shown before: its controls are gone from the page."""
    from IPython import get_ipython

    shell: Any = get_ipython()
    parent = shell.get_parent() if hasattr(shell, "get_parent") else {}
    cell = (parent.get("metadata") or {}).get("cellId")
    if not cell:
        return
    before, _places[cell] = _places.get(cell), form
    if before is not None and before not in _places.values():
        before.close()


class FormValues(MutableMapping[str, Any]):
    """The values of a form by parameter, with the workflow's own where none was set; they cannot be taken away."""

    def __init__(self, state: FormState) -> None:
        self._state = state

    def __getitem__(self, name: str) -> Any:
        try:
            return self._state.values[self._state.field(name).name]
        except ParameterError as error:
            raise UnknownParameterError(str(error)) from None

    def __setitem__(self, name: str, value: Any) -> None:
        self._state.set_checked(name, value)

    def __delitem__(self, name: str) -> None:
        """Take the workflow's own value again."""
        self._state.reset(self._state.field(name).name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._state.values)

    def __len__(self) -> int:
        return len(self._state.values)

    def __contains__(self, name: object) -> bool:
        return name in self._state.values

    def __repr__(self) -> str:
        return repr(dict(without_secrets(self)))


class UnknownParameterError(ParameterError, KeyError):
    """There is no parameter of that name; a mapping's methods take it for their KeyError."""
