"""SweepResult: the runs of a sweep, found by their values, shown side by side, waited for and run again."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, SupportsIndex, overload

from comfy_notebook.experiments.sweeps.labels import mark
from comfy_notebook.experiments.sweeps.layout import arrange
from comfy_notebook.jobs import STOP_SECONDS
from comfy_notebook.media import MediaList, Shown
from comfy_notebook.results import CANCELLED, COMPLETED, FAILED, ResultList

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    import pandas as pd

    from comfy_notebook.errors import ComfyError
    from comfy_notebook.experiments.sweeps.cells import Cell
    from comfy_notebook.experiments.sweeps.course import Course
    from comfy_notebook.experiments.sweeps.grid import Grid


class SweepResult(Shown):
    """The runs of a sweep, or those of them that :meth:`where` chose.

    It shows itself as a grid, live while it fills in; it has a length, an order and slices: ``s[0].result``.

    Attributes
    ----------
    cells
        The runs: each has ``point`` (the values that differ from run to run), ``params`` (all values), ``status`` and
        ``result``.
    """

    def __init__(self, course: Course, cells: Sequence[Cell]) -> None:
        self.cells = list(cells)
        self._course = course

    # -- what came back ------------------------------------------------------------------------------

    @property
    def axes(self) -> dict[str, list[Any]]:
        """The parameters that vary, and their values in these runs, each once."""
        found: dict[str, dict[Any, Any]] = {}
        for cell in self.cells:
            for name, value in cell.point.items():
                found.setdefault(name, {}).setdefault(mark(value), value)
        return {name: list(values.values()) for name, values in found.items()}

    @property
    def params(self) -> dict[str, Any]:
        """The values that all runs share, with the seed that was drawn for them."""
        return dict(self._course.plan.fixed)

    @property
    def constant(self) -> dict[str, Any]:
        """The values that these runs share: :attr:`params`, and what varies elsewhere alone."""
        alone = {name: values[0] for name, values in self.axes.items() if len(values) == 1}
        return self.params | {name: value for name, value in alone.items() if all(name in cell.point for cell in self)}

    @property
    def results(self) -> ResultList:
        """What came back from those that are over, in order."""
        return ResultList(result for cell in self.cells if (result := cell.result) is not None)

    @property
    def images(self) -> MediaList:
        """All pictures, run by run."""
        return self.results.images

    @property
    def media(self) -> MediaList:
        """All files, run by run."""
        return self.results.media

    @property
    def texts(self) -> list[str]:
        """All texts, run by run."""
        return self.results.texts

    @property
    def failed(self) -> list[Cell]:
        """The runs that failed."""
        return [cell for cell in self.cells if cell.ended == FAILED]

    @property
    def error(self) -> ComfyError | None:
        """What went wrong first; None if nothing did."""
        wrong = next((cell for cell in self.cells if cell.ended in (FAILED, CANCELLED)), None)
        result = wrong.result if wrong is not None else None
        return result.error if result is not None else None

    @property
    def status(self) -> str:
        """Return "running", then "completed" if all did, else "cancelled" or "failed"."""
        if not self.done:
            return "running"
        counts = self.counts()
        return next((status for status in (CANCELLED, FAILED) if counts[status]), COMPLETED)

    def counts(self) -> Counter[str]:
        """Return how many runs are "completed", "failed", "cancelled", "running", "queued", "preparing", "waiting"."""
        return Counter(cell.status for cell in self.cells)

    def where(self, values: Mapping[str, Any] | None = None, /, **named: Any) -> SweepResult:
        """Choose the runs with certain values: ``s.where(cfg=7)``, ``s.where(cfg=[4, 7], status="failed")``.

        Parameters
        ----------
        values, named
            Parameter name → a value, or a list of some; ``values`` is for names that are no Python identifiers.
            ``status`` chooses by how they stand, where no parameter is called so.

        Raises
        ------
        ParameterError
            If no such parameter varies, or none has such a value; it says what there is.
        """
        from comfy_notebook.experiments.sweeps.choosing import chosen

        return SweepResult(self._course, chosen(self.cells, self.axes, {**(values or {}), **named}))

    # -- how it is shown -----------------------------------------------------------------------------

    def grid(
        self,
        rows: str | None = None,
        columns: str | None = None,
        by: str | Iterable[str] = (),
        output: str | None = None,
    ) -> Grid:
        """Lay the runs out.

        Parameters
        ----------
        rows, columns
            The parameters that change from row to row and from column to column; else the first ones that are left.
        by
            The parameters that make sections, the outermost first; else all that are left.
        output
            The output that is shown, by its name or its node's id; else the first that was saved.

        Returns
        -------
        Grid
            It shows itself, and has ``to_image`` and ``to_html``.

        Raises
        ------
        ParameterError
            If no such parameter varies, or the workflow has no such output; it says what there is.
        """
        from comfy_notebook.experiments.sweeps.grid import Grid

        by = (by,) if isinstance(by, str) else tuple(by)
        arrange(self.cells, self._course.plan, rows, columns, by)  # says what is wrong, here and not when it is shown
        return Grid(self, rows, columns, by, output)

    def to_dataframe(self) -> pd.DataFrame:
        """Return the runs as a pandas DataFrame, one row each: what varied, how it went, and what came back.

        Raises
        ------
        MissingExtraError
            If pandas is not installed.
        """
        from comfy_notebook.experiments.sweeps.table import dataframe

        return dataframe(self)

    def to_image(self, path: str | Path, size: int | None = None) -> Path:
        """Write the grid as one picture with its labels; see :meth:`Grid.to_image`."""
        return self.grid().to_image(path, size)

    def to_html(self, path: str | Path) -> Path:
        """Write the grid as a page that needs nothing else; see :meth:`Grid.to_html`."""
        return self.grid().to_html(path)

    # -- waiting, stopping, running again ------------------------------------------------------------

    @property
    def done(self) -> bool:
        """Whether all are over."""
        return all(cell.done for cell in self.cells)

    @property
    def progress(self) -> float:
        """How much of it is done, 0 to 1."""
        jobs = (cell.job for cell in self.cells if not cell.done)
        under_way = sum(job.progress for job in jobs if job is not None)
        return (sum(cell.done for cell in self.cells) + under_way) / len(self.cells)

    def wait(self, timeout: float | None = None) -> SweepResult:
        """Block until all runs are over, and return it.

        An interrupt, or ``timeout`` seconds gone by, end the waiting and not the sweep.

        Raises
        ------
        TimeoutError
            If it is not over in time.
        """
        self._course.wait(self.cells, timeout)
        return self

    def result(self, timeout: float | None = None) -> SweepResult:
        """Block until all runs are over, and return it, as a job does; the same as :meth:`wait`."""
        return self.wait(timeout)

    def __await__(self) -> Generator[Any, None, SweepResult]:
        yield from self._course.join(self.cells).__await__()
        return self

    def cancel(self) -> None:
        """End what is not over, queued or running; what came back stays."""
        self._course.cancel(self.cells)

    def stop(self) -> SweepResult:
        """Cancel it, and return it with what it had."""
        self.cancel()
        return self.wait(STOP_SECONDS)

    def retry(self, *, background: bool = False) -> SweepResult:
        """Run those again that failed or were cancelled, with the same values and seeds, and return it.

        Parameters
        ----------
        background
            Whether to return at once, instead of waiting for their end.
        """
        from comfy_notebook.experiments.sweeps.watching import watched

        again = [cell for cell in self.cells if cell.ended in (FAILED, CANCELLED)]
        for cell in again:
            cell.renew()
        if not background:
            return watched(self, again)
        self._course.start(again)
        return self

    # -- as a sequence -------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self.cells)

    def __iter__(self) -> Iterator[Cell]:
        return iter(self.cells)

    @overload
    def __getitem__(self, index: SupportsIndex) -> Cell: ...
    @overload
    def __getitem__(self, index: slice) -> SweepResult: ...
    def __getitem__(self, index: SupportsIndex | slice) -> Cell | SweepResult:
        """Return a run, or some of them for a slice."""
        if isinstance(index, slice):
            return SweepResult(self._course, self.cells[index])
        return self.cells[index]

    @property
    def course(self) -> Course:
        """The sweep that these runs are of."""
        return self._course

    def _ipython_display_(self) -> None:
        from comfy_notebook.notebook.sweeping import show_sweep

        show_sweep(self)

    def __repr__(self) -> str:
        counts = ", ".join(f"{count} {status}" for status, count in self.counts().items())
        varied = " \u00d7 ".join(f"{len(values)} {name}" for name, values in self.axes.items())
        return f"<SweepResult of {len(self.cells)} runs ({varied}): {counts}>"
