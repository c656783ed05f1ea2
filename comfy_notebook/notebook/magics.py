"""``%%comfy`` and ``%comfy``: what they take, what they run, what they give back."""

from __future__ import annotations

import asyncio
import keyword
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

from IPython.core.displayhook import DisplayHook
from IPython.core.error import UsageError
from IPython.core.magic import Magics, cell_magic, line_magic, magics_class
from IPython.core.magic_arguments import argument, magic_arguments, parse_argstring
from IPython.display import display
from traitlets import Enum, Unicode, validate

from comfy_notebook.errors import WorkflowError
from comfy_notebook.experiments.sweeps.result import SweepResult
from comfy_notebook.kit import ComfyKit
from comfy_notebook.notebook.awaiting import AWAITED
from comfy_notebook.notebook.body import read_body
from comfy_notebook.notebook.commands import COMMANDS
from comfy_notebook.notebook.live import LiveView
from comfy_notebook.notebook.orders import Order, ready, sweep_of
from comfy_notebook.notebook.terminal import use, use_if_installed
from comfy_notebook.notebook.terminal_bar import TerminalBar
from comfy_notebook.notebook.unattended import UnattendedView, is_attended, is_kernel
from comfy_notebook.notebook.variables import addresses, meant
from comfy_notebook.servers.portal import portal
from comfy_notebook.workflow.document import Workflow
from comfy_notebook.workflow.sources import read

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping

    from IPython.core.interactiveshell import InteractiveShell

    from comfy_notebook.errors import ComfyError
    from comfy_notebook.experiments.sweeps.course import Course
    from comfy_notebook.jobs import Batch, Job
    from comfy_notebook.notebook.sweeping import SweepAtItsEnd, SweepBar, SweepView
    from comfy_notebook.results import ExecuteResult, ResultList
    from comfy_notebook.workflow.formats import Document

    Work: TypeAlias = Job | Batch | SweepResult
    View: TypeAlias = LiveView | TerminalBar | UnattendedView | SweepView | SweepAtItsEnd | SweepBar
    Outcome: TypeAlias = ExecuteResult | ResultList | SweepResult

_PEEK_SECONDS = 0.8  # JupyterLab drops completions after a second


class Interrupted(KeyboardInterrupt):
    """The cell was interrupted, and its run cancelled."""

    def _render_traceback_(self) -> list[str]:
        return ["Interrupted: the run was cancelled."]


@magics_class
class ComfyMagics(Magics):
    """Runs ComfyUI workflows from cells."""

    server = Unicode(
        "",
        help='Where workflows run: a URL, or several with spaces between, or "embedded" for the built-in engine. '
        "Empty: the environment's COMFYUI_BASE_URL, "
        "else the ComfyUI on port 8188 of this machine, else the built-in engine if it can.",
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
    @argument("--zip", action="store_true", help="values that vary change together instead of being crossed")
    @argument("--sample", metavar="N", type=int, help="of what varies, run so many combinations, drawn at random")
    @argument("--yes", action="store_true", help="a large sweep is meant")
    @argument("--fresh", action="store_true", help="run a sweep anew instead of going on where it stopped")
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

        A value that is ``vary(4, 7, 10)`` makes it a sweep: one run for every combination, laid out in a grid; the
        value is a SweepResult, see ``comfy_notebook.sweep``. It fails the cell only if no run completed.
        """
        return self._obey(self._order(line, cell))

    @cell_magic(AWAITED)  # type: ignore[arg-type]
    async def comfy_cell_awaited(self, line: str, cell: str) -> Outcome | Work | None:
        """Run a ``%%comfy`` cell without blocking the kernel; notebooks' cells are rewritten to this."""
        order = self._order(line, cell)
        try:
            course = await portal.cross(ready(order.sweep))
        except asyncio.CancelledError:
            raise Interrupted from None
        work, view = self._begin(order, course)
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
            %comfy use URL1 URL2          share them between several servers
            %comfy run workflow.json      run a workflow without parameters; options as for %%comfy
            %comfy queue                  what the server runs, and what waits there, mine and others'
            %comfy cancel [ID ...]        end my runs, or those whose ids begin so
            %comfy form workflow.json     a form for its parameters, with buttons to run it
            %comfy inspect workflow.json  its parameters, outputs, and what the server lacks for it
            %comfy history                the runs of this machine, the newest first, from all notebooks
            %comfy history fox cfg:7 -status:failed --since yesterday      those with all of that; see history.search?
            %comfy doctor                 versions and settings, for finding out why something does not work

        To run a workflow with parameters, see ``%%comfy?``. Settings: ``%config ComfyMagics``.
        """
        command, _, rest = line.strip().partition(" ")
        if command not in COMMANDS:
            raise UsageError(
                f"%comfy has no command {command!r}. It has: {', '.join(filter(None, COMMANDS))}, or nothing. "
                "See %comfy?"
            )
        return COMMANDS[command](self, rest.strip())

    def run(self, line: str) -> Outcome | Work | None:
        """Run a workflow as a cell without a body does; ``line`` is that of ``%%comfy``."""
        return self._obey(self._order(line, ""))

    # -- running ---------------------------------------------------------------------------------------

    @property
    def variables(self) -> dict[str, Any]:
        """The notebook's variables."""
        names: dict[str, Any] = self._shell.user_ns
        return names

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
        return portal.wait(_soon(self.kit().runner.inspect(document)))

    def kit(self, server: str | None = None) -> ComfyKit:
        """Return the kit for a server, one for each, so that what it says once is said once."""
        wanted = addresses(server or self.server)
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
        kit = self.kit(arguments.server)
        return Order(
            kit=kit,
            sweep=sweep_of(kit, source, params, arguments),
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
        variables = self.variables
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
        course = portal.wait(ready(order.sweep))
        work, view = self._begin(order, course)
        if order.background:
            return self._hand_over(order, work)
        try:
            result = work.result()
        except KeyboardInterrupt:
            self._interrupt(order, work, view)
        return self._deliver(order, result, view)

    def _view(self, order: Order) -> LiveView | TerminalBar | UnattendedView | None:
        if order.quiet or order.background:
            return None
        if is_attended(self._shell):
            return LiveView(self._shell)
        return UnattendedView() if is_kernel(self._shell) else TerminalBar()

    def _begin(self, order: Order, course: Course | None) -> tuple[Work, View | None]:
        if course is not None:
            return self._begin_sweep(order, course)
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

    def _begin_sweep(self, order: Order, course: Course) -> tuple[Work, View | None]:
        from comfy_notebook.notebook.sweeping import view_of

        sweep = SweepResult(course, course.cells)
        view = None if order.quiet or order.background else view_of(sweep)
        if view is not None:
            view.begin(sweep)
        course.start(course.cells)
        return sweep, view

    def _hand_over(self, order: Order, work: Work) -> Work | None:
        if order.out:
            self.variables[order.out] = work
        return None if order.silent else work

    def _interrupt(self, order: Order, work: Work, view: View | None) -> NoReturn:
        """End the run, show what it had, and fail the cell as an interrupted one."""
        try:
            result = work.stop()
        except TimeoutError:  # the machine is busy: it ends all the same
            raise Interrupted from None
        if order.out:
            self.variables[order.out] = result
        if not order.silent and (isinstance(result, SweepResult) or result.media or result.texts):
            if view is None or not view.replace(result):
                display(result)
        elif view is not None:
            view.clear()
        raise Interrupted from None

    def _deliver(self, order: Order, result: Outcome, view: View | None) -> Outcome | None:
        """Assign, show or raise: what the cell's options ask for."""
        if order.out:
            self.variables[order.out] = result
        if (error := _fatal(result)) is not None and not order.no_raise:
            self._fail(result, error, view)
        if view is not None:
            view.finish(result, silent=order.silent)
        return None if order.silent else result

    def _fail(self, result: Outcome, error: ComfyError, view: View | None) -> None:
        """Fail the cell: with a card where there is HTML, with text alone in a terminal."""
        if is_kernel(self._shell):
            if view is None or not view.replace(result):
                display(result)
            error.shown = is_attended(self._shell)  # else whoever runs the notebook tells the error and not the card
        elif result.media or result.texts:
            display(result)
        raise error


def _fatal(result: Outcome) -> ComfyError | None:
    """Return what fails a cell: of a sweep, whose failed runs are seen where they belong, only that nothing came."""
    return None if isinstance(result, SweepResult) and any(cell.completed for cell in result) else result.error


async def _soon(work: Coroutine[Any, Any, Workflow]) -> Workflow:
    """Await it for a moment; what takes longer goes on, so that the next attempt finds what it has learnt."""
    task = asyncio.ensure_future(work)
    task.add_done_callback(lambda done: done.cancelled() or done.exception())
    return await asyncio.wait_for(asyncio.shield(task), _PEEK_SECONDS)
