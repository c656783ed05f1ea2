"""sweep: runs a workflow for many values, and shows the results side by side under the values that made them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from comfy_notebook.errors import ParameterError
from comfy_notebook.experiments.sweeps.plan import make_plan
from comfy_notebook.experiments.sweeps.preparing import Order, prepare
from comfy_notebook.experiments.sweeps.result import SweepResult
from comfy_notebook.experiments.sweeps.varying import values_of
from comfy_notebook.experiments.sweeps.watching import watched
from comfy_notebook.servers.portal import portal
from comfy_notebook.workflow.values import plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from comfy_notebook.experiments.workers import Executor, Workers
    from comfy_notebook.kit import ComfyKit
    from comfy_notebook.workflow.document import Workflow
    from comfy_notebook.workflow.sources import Source


def sweep(
    workflow: Source | Workflow,
    values: Mapping[str, Any] | Sequence[Mapping[str, Any]] | pd.DataFrame | None = None,
    /,
    *,
    cells: Sequence[Mapping[str, Any]] | pd.DataFrame | None = None,
    zip: bool = False,  # noqa: A002 - the word for it
    sample: int | None = None,
    sample_seed: int = 0,
    server: ComfyKit | str | Sequence[str] | None = None,
    executor: Executor | None = None,
    background: bool = False,
    confirm: bool = False,
    fresh: bool = False,
    timeout: float | None = None,
    **named: Any,
) -> SweepResult:
    """Run a workflow once for every combination of values, and lay the results out in a grid.

    ::

        sweep("workflow.json", cfg=[4, 7, 10], sampler_name=["euler", "dpmpp_2m"], prompt="a fox")

    A list, a range, an array of one dimension or ``vary(...)`` gives a parameter several values; everything else is the
    same in all runs. All values are checked before anything is queued. Unless they are given, seeds are the same in all
    runs, drawn once and told, since a sweep compares; ``seed=range(4)`` varies them.

    It waits for the end, and shows the grid filling in; an interrupt cancels what is not over. The same sweep, called
    again, goes on where it stopped, also after the kernel was restarted: what ran well is taken from the history.

    Parameters
    ----------
    workflow
        As for :meth:`ComfyKit.execute`.
    values, named
        Parameter name → its value or values. ``values`` is for names that are no Python identifiers, or are those of an
        option here: ``sweep("wf.json", {"6.text": ["a fox", "a cat"]}, cfg=[4, 7])``. It may be ``cells``, too.
    cells
        The values of every run, as a list of dicts or a pandas DataFrame; with other parameters that vary, each is run
        with each of theirs.
    zip
        Whether values change together, the first with the first, instead of being crossed.
    sample
        How many of the combinations run, drawn at random; all if there are no more.
    sample_seed
        The same one draws the same combinations.
    server
        Where to run: a URL, several, "embedded", or a kit; else the usual one, see :class:`ComfyKit`.
    executor
        Whose workers run it: a ``dask.distributed.Client``, or any ``concurrent.futures.Executor``. Each worker drives
        the ComfyUI beside it: that of its own COMFYUI_BASE_URL, as ``ComfyKit()`` finds it there, or ``server`` as it
        is seen from there. Files go there with the runs, and what they made comes back here. What becomes of the runs
        of workers that die is the executor's affair: Dask gives them to others.
    background
        Whether to return at once; the result shows itself live, and ``wait``, ``await`` and ``cancel`` are there.
    confirm
        Whether more than 100 runs, or more than half an hour, are meant.
    fresh
        Whether everything runs anew, and nothing is taken from the history.
    timeout
        Seconds after which one run is stopped; then it failed.

    Returns
    -------
    SweepResult
        Also if runs failed: each of those is a cell with its error, and ``retry()`` runs them again.

    Raises
    ------
    ParameterError
        If values do not fit, or the sweep is larger than was confirmed; all that is wrong is told at once.
    ComfyError
        If the workflow cannot be read, or no server answers.
    KeyboardInterrupt
        If it is interrupted; its attribute ``sweep`` has what was there.
    """
    options = {"zip": zip, "background": background, "confirm": confirm, "fresh": fresh}
    if misplaced := [name for name, value in options.items() if not isinstance(value, bool)]:
        raise ParameterError(
            f"{', '.join(misplaced)} is an option of sweep, True or False.",
            hint="A parameter of that name goes into the mapping: sweep(workflow, {...}).",
        )
    given = dict(values) if isinstance(values, Mapping) else {}
    if twice := [name for name in named if name in given]:
        raise ParameterError(f"{', '.join(twice)} is given twice.")
    given |= named
    several = {name: found for name, value in given.items() if (found := values_of(value)) is not None}
    plan = make_plan(
        {name: plain(value) for name, value in given.items() if name not in several},
        several,
        rows=values if values is not None and not isinstance(values, Mapping) else cells,
        together=zip,
        sample=sample,
        sample_seed=sample_seed,
    )
    workers = _workers(executor, server) if executor is not None else None
    kit = _kit(server) if workers is None else _kit(None)
    order = Order(kit, workflow, plan, timeout, confirmed=confirm, fresh=fresh, workers=workers)
    course = portal.wait(prepare(order))
    result = SweepResult(course, course.cells)
    if not background:
        return watched(result, result.cells)
    course.start(result.cells)
    return result


def _workers(executor: Executor, server: ComfyKit | str | Sequence[str] | None) -> Workers:
    from comfy_notebook.experiments.workers import Workers

    if not hasattr(executor, "submit"):
        raise ParameterError(
            f"{type(executor).__name__} is no executor.",
            hint="Give a dask.distributed.Client, or a concurrent.futures.Executor.",
        )
    if server is not None and not isinstance(server, str):
        raise ParameterError(
            'With an executor, server is a URL as its workers see it, or "embedded".',
            hint="Without it, each worker finds its own, by its COMFYUI_BASE_URL.",
        )
    return Workers(executor, server)


def _kit(server: ComfyKit | str | Sequence[str] | None) -> ComfyKit:
    from comfy_notebook.kit import ComfyKit

    return server if isinstance(server, ComfyKit) else ComfyKit(server)
