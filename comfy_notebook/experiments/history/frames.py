"""Recorded runs as a pandas DataFrame."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from comfy_notebook.experiments.tables import data_frame

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pandas import DataFrame

    from comfy_notebook.experiments.history.records import Record

_COLUMNS = (
    "when",
    "status",
    "workflow",
    "server",
    "duration",
    "seconds",
    "prompt_id",
    "notebook",
    "starred",
    "tags",
    "error",
)


def frame(records: Iterable[Record]) -> DataFrame:
    """Return runs as a table; MissingExtraError without pandas."""
    rows = [_row(record) for record in records]
    names = dict.fromkeys([*_COLUMNS, *(name for row in rows for name in row)])
    return data_frame(rows, [*names])


def _row(record: Record) -> dict[str, Any]:
    own = {name: getattr(record, name) for name in _COLUMNS}
    own["error"] = record.error.message if record.error is not None else None
    return own | {f"param.{name}" if name in own else name: value for name, value in record.params.items()}
