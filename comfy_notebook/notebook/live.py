"""Shows a run in its cell while it runs, and puts the result in the same place when it ends.

Nothing appears in the first moment, so that a quick run leaves nothing but its result.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from typing import TYPE_CHECKING, Any

from comfy_notebook.jobs import RUNNING, jobs_of
from comfy_notebook.notebook.show import mimebundle
from comfy_notebook.notebook.unattended import is_attended
from comfy_notebook.servers.portal import portal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from concurrent.futures import Future

    from IPython.core.interactiveshell import InteractiveShell
    from IPython.display import DisplayHandle

    from comfy_notebook.jobs import Batch, Job
    from comfy_notebook.media import Shown
    from comfy_notebook.notebook.html.live import Moment
    from comfy_notebook.notebook.media.pipeline import Item

_FIRST_SECONDS = 0.5
PAUSE_SECONDS = 0.25  # previews are pictures: four a second is what front ends bear
CLOCK_SECONDS = 1.0  # without news, for the clock
BYTES_PER_SECOND = 1_000_000
_log = logging.getLogger(__name__)


class Place:
    """A place in a cell: something is shown there, and another thing instead of it, until someone ends that."""

    def __init__(self, shell: InteractiveShell) -> None:
        self._shell = shell
        self._handle: DisplayHandle | None = None
        self._lock = threading.Lock()  # between the loop's updates and whoever ends them
        self._over = False

    def end(self) -> None:
        """Update it no more."""
        with self._lock:
            self._over = True

    def finish(self, result: Shown, *, silent: bool) -> None:
        """Put the result where the progress was, if there was any; the cell's value then shows nothing more."""
        if silent:
            self.clear()
        elif self.replace(result):
            show_no_more(self._shell, result)

    def replace(self, result: Shown) -> bool:
        """Show a result where the progress was; False if there was none."""
        self.end()
        if self._handle is not None:
            self._handle.update(mimebundle(result, None, None), raw=True)
        return self._handle is not None

    def clear(self) -> None:
        """Take the progress away."""
        self.end()
        if self._handle is not None:
            self._handle.update({"text/plain": "", "text/html": ""}, raw=True)

    def _put(self, bundle: Mapping[str, str]) -> int:
        """Show something, and return how many characters that took."""
        from IPython.display import display

        with self._lock:
            if self._over:
                return 0
            if self._handle is None:
                self._handle = display(bundle, raw=True, display_id=True)
            else:
                self._handle.update(bundle, raw=True)
        return len(bundle["text/html"])


class LiveView(Place):
    """The display of one job in a notebook, or of several; it is updated on the portal's loop.

    Attributes
    ----------
    prefetch
        What a job is to be submitted with, so that its pictures are ready when it ends.
    """

    def __init__(self, shell: InteractiveShell, *, first: float = _FIRST_SECONDS) -> None:
        from comfy_notebook.notebook.media.pipeline import Ahead  # only once something is shown

        super().__init__(shell)
        self._first = first
        self._began = time.monotonic()
        self._seen: tuple[Any, ...] = ()
        self.prefetch = Ahead()

    def begin(self, work: Job | Batch) -> None:
        """Show a job, or several, from now on."""
        portal.start(self._tick(work)).add_done_callback(log_failure)

    def clear(self) -> None:
        """Take the progress away."""
        super().clear()
        self.prefetch.cancel()

    async def _tick(self, work: Job | Batch) -> None:
        await asyncio.sleep(self._first)
        shown_at = 0.0
        while not self._over and not work.done:
            now, size = time.monotonic(), 0
            self._feed(work)
            moment = moment_of(work, now - self._began, self.prefetch.ready())
            if self._is_news(moment) or now - shown_at >= CLOCK_SECONDS:
                shown_at, size = now, self._publish(moment)
            await asyncio.sleep(max(PAUSE_SECONDS, size / BYTES_PER_SECOND))

    def _feed(self, work: Job | Batch) -> None:
        """Do nothing: the job itself tells what it has made."""

    def _is_news(self, moment: Moment) -> bool:
        """Whether what there is to see has changed."""
        from comfy_notebook.notebook.html.live import doing

        state = moment.run.state if moment.run is not None else None
        at = (state.current, id(state.preview)) if state is not None else None
        before, self._seen = self._seen, (doing(moment), moment.fraction, at, len(moment.finished))
        return before != self._seen

    def _publish(self, moment: Moment) -> int:
        """Show how it stands, and return how many characters that took."""
        from comfy_notebook.notebook.html.live import live_html, live_text

        return self._put({"text/plain": live_text(moment), "text/html": live_html(moment)})


class JobView(LiveView):
    """The display of what runs in the background: the result takes its place by itself."""

    def __init__(self, shell: InteractiveShell, work: Job | Batch) -> None:
        super().__init__(shell, first=0.0)
        self._fed: dict[Job, int] = {}
        self._publish(moment_of(work, 0.0))
        self.begin(work)

    def _feed(self, work: Job | Batch) -> None:
        for job in jobs_of(work):
            made = job.media
            self.prefetch(made[self._fed.get(job, 0) :])
            self._fed[job] = len(made)

    async def _tick(self, work: Job | Batch) -> None:
        await super()._tick(work)
        result = await work
        bundle = await asyncio.to_thread(mimebundle, result, None, None)
        if self._handle is not None:
            self._handle.update(bundle, raw=True)


def log_failure(ticked: Future[None]) -> None:
    """Tell in the log why a display stopped: the run goes on without it."""
    if not ticked.cancelled() and (error := ticked.exception()) is not None:
        _log.error("a run's display failed", exc_info=error)


def moment_of(work: Job | Batch, seconds: float, finished: Sequence[Item] = ()) -> Moment:
    """Return how a job, or several, stand: as the one that is at work does."""
    from comfy_notebook.notebook.html.live import Moment

    jobs = jobs_of(work)
    at_work = [job for job in jobs if not job.done]
    job = next((job for job in at_work if job.status == RUNNING), at_work[0] if at_work else jobs[-1])
    return Moment(job.run, seconds, finished, job.ahead, len(jobs) - len(at_work), len(jobs))


def show_job(work: Job | Batch) -> None:
    """Show what runs in the background where IPython shows things: live where someone looks, else as it stands now."""
    from IPython import get_ipython
    from IPython.display import display

    shell = get_ipython()
    if work.done and shell is not None:
        display(work.result())
    elif not is_attended(shell):
        print(repr(work))  # noqa: T201 - what a terminal shows, it prints
    else:
        JobView(shell, work)


def show_no_more(shell: InteractiveShell, result: Shown) -> None:
    """Let this cell's value be the result without a second display of it; later displays are as ever."""
    vars(result)["_ipython_display_"] = lambda: None

    def forget(_outcome: object) -> None:
        vars(result).pop("_ipython_display_", None)
        shell.events.unregister("post_run_cell", forget)

    shell.events.register("post_run_cell", forget)
