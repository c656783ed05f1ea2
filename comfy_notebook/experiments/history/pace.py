"""How long runs of a workflow take, by those that are recorded."""

from __future__ import annotations

import statistics
from itertools import pairwise
from typing import TYPE_CHECKING

from comfy_notebook.experiments.history.description import digest_of, written
from comfy_notebook.experiments.history.privacy import Secrets
from comfy_notebook.experiments.history.store import default_store

if TYPE_CHECKING:
    from comfy_notebook.workflow.document import Workflow

_RUNS = 50


def seconds_per_run(workflow: Workflow, server: str) -> float | None:
    """Return how long a server takes for a run of a workflow, in seconds, by the last ones; None if there are none.

    The time in the queue is left out: a run's own time begins where the one before it ended.
    """
    rows = default_store().read(
        "SELECT began, ended FROM runs JOIN workflows ON workflows.id = workflow JOIN origins ON origins.id = origin "
        "WHERE digest = ? AND server = ? AND status = 'completed' ORDER BY runs.id DESC LIMIT ?",
        (digest_of(written(workflow, Secrets([]))), server, _RUNS),
    )
    times = sorted((row["ended"], row["began"]) for row in rows)
    own = [later[0] - max(later[1], earlier[0]) for earlier, later in pairwise([(0.0, 0.0), *times])]
    return statistics.median(own) if own else None
