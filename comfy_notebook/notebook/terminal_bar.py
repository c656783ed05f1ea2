"""Shows a run in a terminal while it runs: a progress bar, which leaves nothing behind."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

from comfy_notebook.notebook.live import log_failure, moment_of
from comfy_notebook.printable import printable
from comfy_notebook.servers.portal import portal

if TYPE_CHECKING:
    from comfy_notebook.jobs import Batch, Job
    from comfy_notebook.media import Shown

_FIRST_SECONDS = 0.5
_PAUSE_SECONDS = 0.1
_FORMAT = "{percentage:3.0f}%|{bar}| {elapsed}{postfix}"


class TerminalBar:
    """The bar of one job, or several; it is drawn from the portal's loop, where someone looks at the terminal.

    Attributes
    ----------
    prefetch
        None: a terminal shows names, and files are fetched when they are read.
    """

    prefetch = None

    def __init__(self) -> None:
        self._lock = threading.Lock()  # between the loop's updates and whoever ends them
        self._over = False
        self._bar: Any = None

    def begin(self, work: Job | Batch) -> None:
        """Show it from now on."""
        portal.start(self._tick(work)).add_done_callback(log_failure)

    def finish(self, _result: Shown, *, silent: bool) -> None:  # noqa: ARG002 - as a LiveView's
        """Take the bar away."""
        self.clear()

    def replace(self, _result: Shown) -> bool:
        """Take the bar away; a result does not stand in its place."""
        self.clear()
        return False

    def clear(self) -> None:
        """Take the bar away."""
        self.end()

    def end(self) -> None:
        """Take the bar away."""
        with self._lock:
            self._over = True
            if self._bar is not None:
                self._bar.close()

    async def _tick(self, work: Job | Batch) -> None:
        await asyncio.sleep(_FIRST_SECONDS)
        while not self._over and not work.done:
            self._draw(work)
            await asyncio.sleep(_PAUSE_SECONDS)

    def _draw(self, work: Job | Batch) -> None:
        from comfy_notebook.notebook.html.live import doing

        moment = moment_of(work, 0.0)  # the bar has a clock of its own
        self._show(moment.fraction, doing(moment))

    def _show(self, fraction: float, words: str) -> None:
        from tqdm import tqdm

        with self._lock:
            if self._over:
                return
            if self._bar is None:  # disable: where nobody looks
                self._bar = tqdm(total=100, leave=False, disable=None, bar_format=_FORMAT)
            self._bar.n = 100 * fraction
            self._bar.set_postfix_str(printable(words))
