"""Grid: a sweep's runs laid out as a user wants, to be shown, or written as a picture or a page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from comfy_notebook.errors import ParameterError
from comfy_notebook.experiments.sweeps.layout import arrange
from comfy_notebook.media import Shown

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from comfy_notebook.experiments.sweeps.layout import Layout
    from comfy_notebook.experiments.sweeps.result import SweepResult
    from comfy_notebook.media import Media
    from comfy_notebook.results import ExecuteResult


class Grid(Shown):
    """A sweep laid out, from :meth:`SweepResult.grid`: it shows itself, live while the sweep fills in."""

    def __init__(
        self, sweep: SweepResult, rows: str | None, columns: str | None, by: Sequence[str], output: str | None
    ) -> None:
        self.sweep = sweep
        self._axes = rows, columns, by
        self._output = output
        if output is not None and output not in self.outputs:
            raise ParameterError(f"The workflow has no output {output!r}. It has {', '.join(self.outputs) or 'none'}.")

    def layout(self, most: int | None = None) -> Layout:
        """Return which run stands where, of at most so many runs."""
        rows, columns, by = self._axes
        return arrange(self.sweep.cells, self.sweep.course.plan, rows, columns, by, most=most)

    @property
    def outputs(self) -> list[str]:
        """The names of the workflow's outputs, in its order."""
        return list(dict.fromkeys(self.sweep.course.workflow.outputs.values()))

    @property
    def output(self) -> str | None:
        """The output that is shown: the one asked for, else the first that was saved; None while that is not known."""
        if self._output is not None:
            return self._output
        first = next((cell for cell in self.sweep.cells if cell.completed), None)
        result = first.result if first is not None else None
        if result is None:
            return None
        return min(result.media, key=_rank).var if result.media else next(iter(result.texts_by_var), None)

    def shown(self, result: ExecuteResult) -> list[Media]:
        """Return the files of a result that are shown."""
        output = self.output
        return [media for media in result.media if media.var == output]

    def texts(self, result: ExecuteResult) -> list[str]:
        """Return the texts of a result that are shown."""
        return result.texts_by_var.get(self.output or "", [])

    def to_image(self, path: str | Path, size: int | None = None) -> Path:
        """Write it as one picture with its labels, to be posted.

        A file at ``path`` is replaced; its suffix says the format.

        Parameters
        ----------
        path
            Where to: ``"grid.png"``.
        size
            The longest side of a run's picture, in pixels; else that of the pictures, as far as the whole stays below
            8000 pixels.

        Returns
        -------
        Path
            The path written; OSError if it cannot be.
        """
        from comfy_notebook.experiments.sweeps.picture import draw

        return draw(self, path, size)

    def to_html(self, path: str | Path) -> Path:
        """Write it as a page that needs nothing else, and return the path; OSError if it cannot be written.

        The pictures are as large as in a notebook; ``s.results`` and ``download`` have the originals.
        """
        from comfy_notebook.notebook.html.standalone import write_grid

        return write_grid(self, path)

    def _ipython_display_(self) -> None:
        from comfy_notebook.notebook.sweeping import show_sweep

        show_sweep(self)

    def __repr__(self) -> str:
        layout = self.layout()
        rows, columns = (", ".join(names) or "none" for names in (layout.rows, layout.columns))
        return f"<Grid of {len(self.sweep)} runs: rows {rows}, columns {columns}, {len(layout.sections)} sections>"


def _rank(media: Media) -> tuple[bool, bool]:
    """Return what comes first: what was saved, and what can be looked at."""
    return media.type != "output", media.kind not in ("image", "video")
