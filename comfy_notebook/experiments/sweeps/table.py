"""A sweep as a pandas DataFrame."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from comfy_notebook.experiments.tables import data_frame

if TYPE_CHECKING:
    import pandas as pd

    from comfy_notebook.experiments.sweeps.cells import Cell
    from comfy_notebook.experiments.sweeps.result import SweepResult


def dataframe(sweep: SweepResult) -> pd.DataFrame:
    """Return the runs, one row each; see :meth:`SweepResult.to_dataframe`."""
    varied = list(sweep.axes)
    seeds = sweep.course.shared_seeds
    return data_frame([_row(cell, varied, seeds) for cell in sweep.cells])


def _row(cell: Cell, varied: list[str], seeds: dict[str, int]) -> dict[str, Any]:
    result, values = cell.result, cell.point
    row = {name: values.get(name) for name in varied} | seeds | {"status": cell.status}
    if result is None:
        return row
    return row | {
        "seconds": result.seconds,
        "error": result.error.message if result.error is not None else None,
        "images": list(map(str, result.images)),
        "videos": list(map(str, result.videos)),
        "audios": list(map(str, result.audios)),
        "texts": list(result.texts),
        "prompt_id": result.prompt_id,
        "server": result.server,
    }
