"""``%%comfy`` and ``%comfy``: what they take, what they run, what they give back."""

from __future__ import annotations

import asyncio
import keyword
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

from IPython.core.displayhook import DisplayHook
from IPython.core.error import UsageError
from IPython.core.magic import Magics, cell_magic, line_magic, magics_class
from IPython.core.magic_arguments import argument, magic_arguments, parse_argstring
from IPython.display import display
from traitlets import Enum, Unicode, validate

from comfy_notebook.errors import ComfyError, WorkflowError
from comfy_notebook.jobs import underway
from comfy_notebook.kit import ComfyKit
from comfy_notebook.notebook.awaiting import AWAITED
from comfy_notebook.notebook.body import read_body
from comfy_notebook.notebook.live import LiveView
from comfy_notebook.notebook.terminal import use, use_if_installed
from comfy_notebook.notebook.terminal_bar import TerminalBar
from comfy_notebook.notebook.variables import meant
from comfy_notebook.servers.portal import portal
from comfy_notebook.workflow.document import Workflow
from comfy_notebook.workflow.sources import read

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

    from IPython.core.interactiveshell import InteractiveShell

    from comfy_notebook.jobs import Batch, Job
    from comfy_notebook.notebook.reports import Report
    from comfy_notebook.results import ExecuteResult, ResultList
    from comfy_notebook.servers.comfyui import ComfyUI
    from comfy_notebook.workflow.formats import Document

    Work: TypeAlias = Job | Batch
    View: TypeAlias = LiveView | TerminalBar
    Outcome: TypeAlias = ExecuteResult | ResultList

_PEEK_SECONDS = 0.8  # JupyterLab drops completions after a second


class Interrupted(KeyboardInterrupt):
    """The cell was interrupted, and its run cancelled."""

    def _render_traceback_(self) -> list[str]:
        return ["Interrupted: the run was cancelled."]


@dataclass(frozen=True, slots=True)
class Order:
    """What a cell asks for."""

    kit: ComfyKit
    source: Any
    params: Mapping[str, Any]
    out: str | None
    quiet: bool
    no_raise: bool
    silent: bool
    timeout: float | None
    runs: int
    background: bool


@magics_class
class ComfyMagics(Magics):
    """Runs ComfyUI workflows from cells."""

    server = Unicode(
        "",
        help='Where workflows run: a URL, or "embedded" for the built-in engine. Empty: the environment\'s '
        "COMFYUI_BASE_URL, else the ComfyUI on port 8188 of this machine, else the built-in engine if it can.",
    ).tag(config=True)
    nested_asyncio = Enum(
        ("auto", "off"),
        default_value="auto",
        help="Whether %load_ext lets asyncio.run(...) work in cells, where that is known to be safe.",
    ).tag(config=True)

    terminal_images = Enum(
        ("off", "auto"),
        default_value="off",
        help='Whether IPython in a terminal shows pictures: "auto" does where the terminal can (kitty, iTerm2, '
        "WezTerm, Windows Terminal and others that know sixels). It takes: pip install textual-image rich",
    ).tag(config=True)

    _made = False

    def __init__(self, shell: InteractiveShell) -> None:
        super().__init__(shell=shell)
        self._kits: dict[str, ComfyKit] = {}
        self._made = True
        use_if_installed(shell, self.terminal_images)

    @validate("terminal_images")
    def _set_terminal_images(self, proposal: Any) -> str:
        if self._made:
            use(self._shell, proposal["value"])
        return str(proposal["value"])

    @magic_arguments(name="%comfy")
    @argument(
        "workflow",
        nargs="?",
        help="the workflow: a file that ComfyUI saved, be it JSON, a picture, video or audio, its URL, or a variable "
        "that holds one; without it, the cell's body is the workflow's JSON",
    )
    @argument("-o", "--out", metavar="NAME", help="also assign the result to this variable")
    @argument("-s", "--server", metavar="URL", help='run it there: a URL, or "embedded" for the built-in engine')
    @argument("-q", "--quiet", action="store_true", help="show nothing")
    @argument("--no-raise", action="store_true", help="return a failed result instead of failing the cell")
    @argument("-n", "--runs", metavar="N", type=int, default=1, help="run it so many times, each with another seed")
    @argument("-b", "--background", action="store_true", help="return a job at once, and go on")
    @argument("-t", "--timeout", metavar="SECONDS", type=float, help="stop the run when it is not over by then")
    @cell_magic("comfy")  # type: ignore[arg-type]
    def comfy_cell(self, line: str, cell: str) -> Outcome | Work | None:
        r"""Run a ComfyUI workflow; the cell's body gives its parameters.

        The body is Python, run with the notebook's variables; the names that it assigns are the parameters::

            %%comfy workflow.json -o result
            prompt = f"a {animal} in the snow"
            seed = 42

        A parameter is called as the workflow's author marked it; else ``prompt`` or ``negative_prompt``; else as the
        input, where only one node has it; else as the node's title and the input (``upscale_model.scale_by = 2``).
        ``%comfy inspect workflow.json`` lists them. ``seed = "random"`` draws one.

        Names that begin with an underscore, loop variables and imports are the body's own, and nothing that it
        assigns changes the notebook. A file input takes a path, a URL, bytes, a PIL image, a numpy array, or a
        picture of an earlier result::

            %%comfy img2img.json
            image = result.images[0]

        ``%%comfy picture.png`` runs what made the picture. A mapping or YAML will do, too::

            %%comfy workflow.json -s http://gpu-box:8188
            prompt: a fox in the snow
            seed: 42

        Press Tab in the body for the workflow's parameters; ``%comfy run workflow.json`` runs it without any.
        The result shows itself and is the cell's value: ``result.images[0].pil()``, ``result.texts``,
        ``result.images_by_var["cover"]``. A failed run fails the cell, so that Run All stops. Interrupting the cell
        ends the run on the server, and ``--timeout 60`` does after a minute.

        ``-n 8`` runs it eight times with different seeds; the value is a list of results, shown as one gallery.
        ``--background -o job`` returns at once: ``job`` shows itself live, ``job.result()`` or ``await job`` waits for
        the result, ``job.cancel()`` ends it, and the notebook goes on meanwhile.
        """
        return self._obey(self._order(line, cell))

    @cell_magic(AWAITED)  # type: ignore[arg-type]
    async def comfy_cell_awaited(self, line: str, cell: str) -> Outcome | Work | None:
        """Run a ``%%comfy`` cell without blocking the kernel; notebooks' cells are rewritten to this."""
        order = self._order(line, cell)
        work, view = self._begin(order)
        if order.background:
            return self._hand_over(order, work)
        try:
            result = await work
        except asyncio.CancelledError:
            self._interrupt(order, work, view)
        return self._deliver(order, result, view)

    @line_magic("comfy")  # type: ignore[arg-type]
    def comfy_line(self, line: str) -> Any:
        """Ask or tell comfy_notebook something.

        ::

            %comfy                        the state of the server: version, devices, memory, queue
            %comfy use URL                run workflows there from now on; "embedded": on the built-in engine
            %comfy run workflow.json      run a workflow without parameters; options as for %%comfy
            %comfy queue                  what the server runs, and what waits there, mine and others'
            %comfy cancel [ID ...]        end my runs, or those whose ids begin so
            %comfy inspect workflow.json  its parameters, outputs, and what the server lacks for it
            %comfy doctor                 versions and settings, for finding out why something does not work

        To run a workflow with parameters, see ``%%comfy?``. Settings: ``%config ComfyMagics``.
        """
        command, _, rest = line.strip().partition(" ")
        commands: dict[str, Callable[[str], Any]] = {
            "": self._status,
            "status": self._status,
            "use": self._use,
            "run": self._run,
            "queue": self._queue,
            "cancel": self._cancel,
            "inspect": self._inspect,
            "doctor": self._doctor,
        }
        if command not in commands:
            raise UsageError(
                f"%comfy has no command {command!r}. It has: {', '.join(filter(None, commands))}, or nothing. "
                "See %comfy?"
            )
        return commands[command](rest.strip())

    # -- commands --------------------------------------------------------------------------------------

    def _status(self, _line: str = "") -> Any:
        from comfy_notebook.notebook.reports import status

        return self._ask(status)

    def _use(self, line: str) -> Any:
        if not line:
            raise UsageError('%comfy use: name a server, as in: %comfy use http://127.0.0.1:8188, or "embedded".')
        before, self.server = self.server, line.strip("'\"")
        try:
            return self._status()
        except ComfyError:
            self.server = before
            raise

    def _run(self, line: str) -> Outcome | Work | None:
        if not line:
            raise UsageError("%comfy run: name a workflow, as in: %comfy run workflow.json")
        return self._obey(self._order(line, ""))

    def _queue(self, _line: str) -> Any:
        from comfy_notebook.notebook.reports import queue

        return self._ask(queue)

    def _ask(self, report: Callable[[ComfyUI], Coroutine[Any, Any, Report]]) -> Report:
        async def asked() -> Report:
            return await report(await self._kit().server())

        return portal.wait(asked())

    def _cancel(self, line: str) -> Any:
        from comfy_notebook.notebook.reports import cancelled

        return cancelled(underway(), line.split())

    def _inspect(self, line: str) -> Workflow:
        if not line:
            raise UsageError("%comfy inspect: name a workflow, as in: %comfy inspect workflow.json")
        return self._kit().load(meant(line, self._shell.user_ns))

    def _doctor(self, _line: str) -> Any:
        from comfy_notebook.notebook.reports import doctor

        return doctor(self.server)

    # -- running ---------------------------------------------------------------------------------------

    @property
    def _shell(self) -> InteractiveShell:
        shell = self.shell
        assert shell is not None  # noqa: S101 - given in __init__
        return shell

    def peek(self, source: Any) -> Workflow:
        """Read a workflow for the completion of its names, asking a server only where there is no other way.

        Raises
        ------
        ComfyError
            If it cannot be read.
        TimeoutError
            If the server takes longer than a front end waits; a later attempt may do.
        """
        if isinstance(source, Workflow):
            return source
        document = read(source)
        if not document.is_editors:
            return document.workflow({})
        return portal.wait(_soon(self._kit().inspect(document)))

    def _kit(self, server: str | None = None) -> ComfyKit:
        """Return the kit for a server, one for each, so that what it says once is said once."""
        wanted = server or self.server
        if wanted not in self._kits:
            self._kits[wanted] = ComfyKit(wanted or None)
        return self._kits[wanted]

    def _order(self, line: str, cell: str) -> Order:
        arguments = parse_argstring(self.comfy_cell, line)
        if arguments.out is not None and (not arguments.out.isidentifier() or keyword.iskeyword(arguments.out)):
            raise UsageError(f"-o: {arguments.out!r} cannot be a variable's name.")
        if arguments.runs < 1:
            raise UsageError(f"-n: {arguments.runs} runs are none. Give 1 or more.")
        source, params = self._source(arguments.workflow, cell)
        return Order(
            kit=self._kit(arguments.server),
            source=source,
            params=params,
            out=arguments.out,
            quiet=arguments.quiet,
            no_raise=arguments.no_raise,
            timeout=arguments.timeout,
            runs=arguments.runs,
            background=arguments.background,
            silent=arguments.quiet or bool(cell and DisplayHook.semicolon_at_end_of_expression(cell)),
        )

    def _source(self, named: str | None, cell: str) -> tuple[Any, Mapping[str, Any]]:
        if named is None:
            return self._body_as_workflow(cell), {}
        variables = self._shell.user_ns
        return meant(named, variables), read_body(cell, variables) if cell.strip() else {}

    def _body_as_workflow(self, cell: str) -> Document:
        if not cell.lstrip().startswith("{"):
            raise UsageError("%%comfy: name a workflow, as in: %%comfy workflow.json, or give its JSON as the body.")
        try:
            return read(cell)
        except WorkflowError as error:
            error.hint = error.hint or "Without a workflow on the line, the body has to be a workflow's JSON."
            raise

    def _obey(self, order: Order) -> Outcome | Work | None:
        work, view = self._begin(order)
        if order.background:
            return self._hand_over(order, work)
        try:
            result = work.result()
        except KeyboardInterrupt:
            self._interrupt(order, work, view)
        return self._deliver(order, result, view)

    def _view(self, order: Order) -> View | None:
        if order.quiet or order.background:
            return None
        return LiveView(self._shell) if getattr(self._shell, "kernel", None) is not None else TerminalBar()

    def _begin(self, order: Order) -> tuple[Work, View | None]:
        view = self._view(order)
        prefetch = view.prefetch if view is not None else None
        work: Work
        if order.runs > 1:
            work = order.kit.submit_many(
                order.source, order.params, order.runs, timeout=order.timeout, prefetch=prefetch
            )
        else:
            work = order.kit.submit(order.source, order.params, timeout=order.timeout, prefetch=prefetch)
        if view is not None:
            view.begin(work)
        return work, view

    def _hand_over(self, order: Order, work: Work) -> Work | None:
        if order.out:
            self._shell.user_ns[order.out] = work
        return None if order.silent else work

    def _interrupt(self, order: Order, work: Work, view: View | None) -> NoReturn:
        """End the run, show what it had, and fail the cell as an interrupted one."""
        try:
            result = work.stop()
        except TimeoutError:  # the machine is busy: it ends all the same
            raise Interrupted from None
        if order.out:
            self._shell.user_ns[order.out] = result
        if not order.silent and (result.media or result.texts):
            if view is None or not view.replace(result):
                display(result)
        elif view is not None:
            view.clear()
        raise Interrupted from None

    def _deliver(self, order: Order, result: Outcome, view: View | None) -> Outcome | None:
        """Assign, show or raise: what the cell's options ask for."""
        if order.out:
            self._shell.user_ns[order.out] = result
        if result.error is not None and not order.no_raise:
            self._fail(result, result.error, view)
        if view is not None:
            view.finish(result, silent=order.silent)
        return None if order.silent else result

    def _fail(self, result: Outcome, error: ComfyError, view: View | None) -> None:
        """Fail the cell: with a card where there is HTML, with text alone in a terminal."""
        if getattr(self._shell, "kernel", None) is not None:
            if view is None or not view.replace(result):
                display(result)
            error.shown = True
        elif result.media or result.texts:
            display(result)
        raise error


async def _soon(work: Coroutine[Any, Any, Workflow]) -> Workflow:
    """Await it for a moment; what takes longer goes on, so that the next attempt finds what it has learnt."""
    task = asyncio.ensure_future(work)
    task.add_done_callback(lambda done: done.cancelled() or done.exception())
    return await asyncio.wait_for(asyncio.shield(task), _PEEK_SECONDS)
