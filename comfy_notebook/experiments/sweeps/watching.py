"""Waits for a sweep as a cell does: seen while it fills in, ended by an interrupt with what it had."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from comfy_notebook.experiments.sweeps.cells import Cell
    from comfy_notebook.experiments.sweeps.result import SweepResult


class SweepInterrupted(KeyboardInterrupt):
    """The waiting for a sweep was interrupted, and what was not over cancelled.

    Attributes
    ----------
    sweep
        What there is of it.
    """

    def __init__(self, sweep: SweepResult) -> None:
        over = sum(cell.completed for cell in sweep.cells)
        super().__init__(f"Interrupted with {over} of {len(sweep)} runs completed.")
        self.sweep = sweep

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


def watched(sweep: SweepResult, cells: Sequence[Cell]) -> SweepResult:
    """Show a sweep where there is something to show it, run some of its cells, wait for their end, and return it.

    Raises
    ------
    SweepInterrupted
        If the waiting is interrupted: what is not over is cancelled then.
    """
    from comfy_notebook.notebook.sweeping import view_of

    view = view_of(sweep)
    view.begin(sweep)
    sweep.course.start(cells)
    try:
        sweep.wait()
    except KeyboardInterrupt:
        _stop(sweep)
        view.replace(sweep)
        raise SweepInterrupted(sweep) from None
    except BaseException:
        view.end()
        raise
    view.finish(sweep, silent=False)
    return sweep


def _stop(sweep: SweepResult) -> None:
    try:
        sweep.stop()
    except TimeoutError:  # the machine is busy: it ends all the same
        return
