"""What the history knows of a sweep: its seeds, the runs that ended well, and those that may still be under way."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from comfy_notebook import settings
from comfy_notebook.errors import HistoryError
from comfy_notebook.experiments.history.history import history
from comfy_notebook.experiments.history.pace import seconds_per_run
from comfy_notebook.experiments.history.records import UNFINISHED
from comfy_notebook.results import COMPLETED

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from comfy_notebook.experiments.history.records import Record
    from comfy_notebook.experiments.sweeps.cells import Cell
    from comfy_notebook.workflow.document import Workflow

_UNDER_WAY = ("running", UNFINISHED)
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Earlier:
    """What earlier calls of a sweep left.

    Attributes
    ----------
    seeds
        What was drawn for it: parameter → seed.
    completed
        Cell's digest → the run that ended well.
    under_way
        Cell's digest → the id of a run that the server may still have.
    """

    seeds: dict[str, int] = field(default_factory=dict)
    completed: dict[str, Record] = field(default_factory=dict)
    under_way: dict[str, str] = field(default_factory=dict)

    def give(self, cells: Sequence[Cell]) -> int:
        """Hand the cells what they had, and return how many need not run."""
        for cell in cells:
            record = self.completed.get(cell.digest)
            if record is not None:
                cell.take(record)
            else:
                cell.prompt_id = self.under_way.get(cell.digest)
        return sum(cell.kept for cell in cells)


def earlier(key: str) -> Earlier:
    """Look for what earlier calls of a sweep left; nothing if the history is off, or cannot be read."""
    found = Earlier()
    for record, seeds in _records(key):
        if any(found.seeds.get(name, seed) != seed for name, seed in seeds.items()):
            continue  # of a call that drew others
        found.seeds.update(seeds)
        cell = record.labels.get("cell", "")
        if record.status == COMPLETED:
            found.completed.setdefault(cell, record)
        elif record.status in _UNDER_WAY and record.prompt_id:
            found.under_way.setdefault(cell, record.prompt_id)
    return found


def pace(workflow: Workflow, server: str) -> float | None:
    """Return how long a run takes, in seconds, by the history; None if that does not say."""
    if not settings.is_history_on():
        return None
    try:
        return seconds_per_run(workflow, server)
    except HistoryError as error:
        _log.debug("the history does not say how long runs take: %s", error)
        return None


def _records(key: str) -> Iterator[tuple[Record, dict[str, int]]]:
    """Yield the runs of a sweep and the seeds that were drawn for it, the newest first."""
    if not settings.is_history_on():
        return
    try:
        records = history.labelled(sweep=key)
    except HistoryError as error:
        _log.warning("Nothing is taken from the history. %s", error)
        return
    for record in reversed(records):
        yield record, json.loads(record.labels.get("seeds", "{}"))
