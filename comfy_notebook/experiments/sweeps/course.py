"""A sweep on its way: what it runs, how each run is begun, and what is known of all of them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from comfy_notebook.experiments.sweeps.campaign import AHEAD, Campaign
from comfy_notebook.jobs import Attempt, Job, Turn
from comfy_notebook.servers.portal import HEARTBEAT, portal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from comfy_notebook.experiments.sweeps.cells import Cell
    from comfy_notebook.experiments.sweeps.plan import Plan
    from comfy_notebook.experiments.workers import Workers
    from comfy_notebook.running import Runner
    from comfy_notebook.workflow.document import Workflow


class Course:
    """A sweep, from its first run to the last repetition of one that failed.

    Attributes
    ----------
    cells
        All its runs.
    seeds
        What was drawn for it: parameter → seed.
    notes
        Lines that a user should see before it begins.
    """

    def __init__(
        self,
        runner: Runner,
        workflow: Workflow,
        plan: Plan,
        cells: Sequence[Cell],
        *,
        labels: Mapping[str, str],
        server: str,
        timeout: float | None,
        seeds: Mapping[str, int],
        workers: Workers | None = None,
    ) -> None:
        self.workflow = workflow
        self.plan = plan
        self.cells = cells
        self.server = server
        self.seeds = seeds
        self.notes: list[str] = []
        self.expected: float | None = None  # seconds that one run takes, by the history
        self.began = time.monotonic()
        self.warnings: list[str] = []
        self._runner = runner
        self._labels = labels
        self._timeout = timeout
        self._workers = workers
        self._campaigns: list[Campaign] = []
        self._turn: Turn | None = None

    def start(self, cells: Sequence[Cell]) -> None:
        """Run cells that are not over."""
        self.began = time.monotonic()
        self._campaigns = [each for each in self._campaigns if each.ended is None]
        ahead = self._workers.ahead if self._workers is not None else AHEAD * self._runner.count
        self._campaigns.append(Campaign([cell for cell in cells if not cell.done], self.launch, ahead))

    def launch(self, cell: Cell) -> Job:
        """Begin the run of a cell, or pick it up where it is under way already."""
        labels = {**self._labels, "cell": cell.digest}
        prompt_id = cell.prompt_id
        if self._workers is not None:
            from comfy_notebook.experiments.workers import Order

            order = Order(self._runner.access, self.workflow, cell.params, self._timeout)
            return self._workers.launch(order, labels)
        if prompt_id is not None:
            return Job(lambda attempt, watch: self._runner.rejoin(prompt_id, attempt, watch), Attempt(labels=labels))
        given = cell.params
        self._turn = Turn(self._turn)  # the picture of a later run shall not have a lower number
        return Job(
            lambda attempt, watch: self._runner.perform(
                self.workflow, given, timeout=self._timeout, watch=watch, attempt=attempt
            ),
            Attempt(labels=labels, turn=self._turn),
        )

    def cancel(self, cells: Sequence[Cell]) -> None:
        """End those that are not over."""
        for campaign in self._campaigns:
            campaign.cancel(cells)

    def wait(self, cells: Sequence[Cell], timeout: float | None) -> None:
        """Block until some cells are over; TimeoutError if they are not in time."""
        portal.may_wait()
        until = None if timeout is None else time.monotonic() + timeout
        for campaign in list(self._campaigns):
            while campaign.ended is None and not _over(cells):
                left = HEARTBEAT if until is None else min(HEARTBEAT, until - time.monotonic())
                if left <= 0:
                    raise TimeoutError(f"the sweep is not over after {timeout:g} s; it goes on")
                campaign.wait(left)

    async def join(self, cells: Sequence[Cell]) -> None:
        """Await some cells' end, on any event loop."""
        for campaign in list(self._campaigns):
            if not _over(cells):
                await campaign.join()

    @property
    def shared_seeds(self) -> dict[str, int]:
        """The seeds that were drawn for all runs alike."""
        return {name: seed for name, seed in self.seeds.items() if name in self.plan.fixed}

    @property
    def announcement(self) -> str:
        """What a user is told before it begins: how many runs, where, and how long they take."""
        waiting = sum(not cell.done for cell in self.cells)
        if not waiting:
            return " ".join(["Nothing is left to run.", *self.notes])
        axes = " \u00d7 ".join(f"{len(axis.points)} {', '.join(axis.names)}" for axis in self.plan.axes)
        long = f"about {_spoken(waiting * self.expected)}" if self.expected is not None else "for a time not known yet"
        runs = f"{waiting:,} run{'s' if waiting != 1 else ''} ({axes})"
        return " ".join([f"{runs} on {self.server}, {long}.", *self.notes])

    def seconds_left(self, cells: Sequence[Cell]) -> float | None:
        """Return how long some cells still take, by those that are over, else by the history; None if unknown."""
        left = sum(not cell.done for cell in cells)
        over = sum(cell.done and not cell.kept for cell in self.cells)
        if over:
            return self.seconds / over * left
        return self.expected * left if self.expected is not None else None

    @property
    def seconds(self) -> float:
        """How long it has run, or ran."""
        now = time.monotonic()
        ends = [now if each.ended is None else each.ended for each in self._campaigns]
        return max(ends, default=now) - self.began


def _spoken(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def _over(cells: Sequence[Cell]) -> bool:
    return all(cell.done for cell in cells)
