"""Keeps a sweep's runs under way: enough of them sent ahead that the server never waits for the next."""

from __future__ import annotations

import asyncio
import concurrent.futures
import time
from collections import deque
from typing import TYPE_CHECKING

from comfy_notebook.errors import RunLostError
from comfy_notebook.servers.portal import portal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from comfy_notebook.experiments.sweeps.cells import Cell
    from comfy_notebook.jobs import Job

AHEAD = 32  # runs under way: the server has some in its queue while others are sent or collected


class Campaign:
    """Runs some cells in their order, and takes what comes back; it begins at once.

    Parameters
    ----------
    cells
        Those that are to run.
    launch
        Begins the run of a cell; called on the portal's loop.
    ahead
        How many may be under way.

    Attributes
    ----------
    began, ended
        Monotonic times in seconds; ``ended`` is None while it runs.
    """

    def __init__(self, cells: Sequence[Cell], launch: Callable[[Cell], Job], ahead: int = AHEAD) -> None:
        self.cells = cells
        self.began = time.monotonic()
        self.ended: float | None = None
        self._launch = launch
        self._ahead = ahead
        self._future = portal.start(self._run())

    def cancel(self, cells: Sequence[Cell]) -> None:
        """End the runs of some cells that are not over, and do not begin the others."""
        if not self._future.done():
            portal.start(self._cancel(cells))

    def wait(self, seconds: float) -> None:
        """Block until all is over, or for a time."""
        concurrent.futures.wait([self._future], timeout=seconds)
        if self._future.done():
            self._future.result()  # raises what went wrong in here

    async def join(self) -> None:
        """Await its end on any event loop."""
        await portal.joined(self._future)

    # -- on the portal's loop ------------------------------------------------------------------------

    async def _run(self) -> None:
        waiting = deque(self.cells)
        running: set[asyncio.Task[None]] = set()
        try:
            while waiting or running:
                while waiting and len(running) < self._ahead:
                    running.add(asyncio.ensure_future(self._perform(waiting.popleft())))
                if running:
                    done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                    for task in done:
                        task.result()
        finally:
            self.ended = time.monotonic()

    async def _perform(self, cell: Cell) -> None:
        """Run a cell; one that was under way already is picked up, and run anew if the server lost it."""
        if cell.done:  # it was cancelled before its turn came
            return
        cell.job = self._launch(cell)
        result = await cell.job.settled()
        if cell.prompt_id is not None and isinstance(result.error, RunLostError):
            cell.prompt_id = None
            cell.job = self._launch(cell)
            result = await cell.job.settled()
        cell.end(result)

    async def _cancel(self, cells: Sequence[Cell]) -> None:
        for cell in reversed(cells):  # so that no later one begins meanwhile
            if cell.job is not None:
                cell.job.cancel()
            elif not cell.done:
                cell.give_up()
