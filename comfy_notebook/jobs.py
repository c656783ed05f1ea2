"""Runs in the background: what is known of one while it runs, and how it is waited for, watched and stopped."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import itertools
import logging
import threading
import time
import weakref
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from comfy_notebook.errors import RunCancelledError
from comfy_notebook.results import CANCELLED, FAILED, ExecuteResult, ResultList
from comfy_notebook.servers.portal import HEARTBEAT, portal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Hashable, Mapping

    from comfy_notebook.errors import ComfyError
    from comfy_notebook.media import Media
    from comfy_notebook.servers.comfyui import ComfyUI
    from comfy_notebook.servers.events import Event
    from comfy_notebook.servers.following import Run, Watch

PREPARING, QUEUED, RUNNING = "preparing", "queued", "running"
_TURN_SECONDS = 1.0  # for the run before to be sent
STOP_SECONDS = 0.4  # for a run that is stopped to tell what it had
_log = logging.getLogger(__name__)
_jobs: weakref.WeakSet[Job] = weakref.WeakSet()


class Turn:
    """The place of a run in the order in which several are sent, so that the server runs, and numbers, them so.

    For use on the portal's loop.

    Attributes
    ----------
    sent
        Set once the run was sent, or will not be.
    """

    def __init__(self, before: Turn | None = None) -> None:
        self.sent: asyncio.Event = asyncio.Event()
        self._before = before.sent if before is not None else None

    async def come(self) -> None:
        """Wait until the run before was sent; not for long, as it may have trouble."""
        if self._before is not None:
            with contextlib.suppress(TimeoutError):  # asyncio.wait_for may swallow a cancellation before Python 3.12
                async with asyncio.timeout(_TURN_SECONDS):
                    await self._before.wait()

    def pass_on(self) -> None:
        """Let the next one come."""
        self.sent.set()


@dataclass(slots=True)
class Attempt:
    """What is known of one run so far, so that it can be told however the run ends.

    Attributes
    ----------
    number
        Its place, from 0, among several runs with different seeds.
    turn
        Its place in the order in which several are sent; None if that is all the same.
    labels
        What it belongs to, for whoever keeps account of runs: a sweep and its cell, say.
    recorded
        Whether account is kept of it here, and not by whoever sent it.
    """

    number: int | None = None
    turn: Turn | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    recorded: bool = True
    server: ComfyUI | None = None
    run: Run | None = None
    warnings: list[str] = field(default_factory=list)
    workflow: dict[str, Any] = field(default_factory=dict)

    def ended(self, error: ComfyError, status: str = FAILED) -> ExecuteResult:
        """Return the result of a run that ends here, with the outputs that it had."""
        if self.server is not None and self.run is not None:
            result = self.server.result(self.run, status, error)
            result.warnings[:0] = self.warnings
            if not self.run.accepted:
                result.prompt_id = result.duration = result.seconds = None
            elif not self.run.rejoined:
                result.duration = time.monotonic() - self.run.began  # until now, and not until its last output
            return result
        label = self.server.label if self.server else ""
        return ExecuteResult.failure(error, status, server=label, warnings=self.warnings, workflow=self.workflow)


class Job:
    """A run in the background, from :meth:`ComfyKit.submit` or :meth:`ComfyKit.attach`.

    It shows itself live in a notebook. ``await job`` and :meth:`result` wait for its end; ``async for event in job``
    gives what the server tells of it. Usable from any thread and any event loop.
    """

    def __init__(
        self, perform: Callable[[Attempt, Watch], Coroutine[Any, Any, ExecuteResult]], attempt: Attempt | None = None
    ) -> None:
        self._attempt = attempt or Attempt()
        self._task: asyncio.Task[ExecuteResult] | None = None
        self._lock = threading.Lock()
        self._events = _Past()
        self._watchers: list[Callable[[Event | None], None]] = []
        self._ended = False  # whether the watchers were told
        self._future = portal.start(self._live(perform))
        self._future.add_done_callback(lambda _: self._tell(None))
        _jobs.add(self)

    # -- how it stands -------------------------------------------------------------------------------

    @property
    def run(self) -> Run | None:
        """The run on the server, once it is prepared."""
        return self._attempt.run

    @property
    def prompt_id(self) -> str | None:
        """The run's id on the server, once it is sent: what :meth:`ComfyKit.attach` takes."""
        return self.run.prompt_id if self.run is not None else None

    @property
    def server(self) -> str:
        """Where it runs; "" until that is chosen."""
        return self._attempt.server.label if self._attempt.server else ""

    @property
    def done(self) -> bool:
        """Whether it is over."""
        return self._future.done()

    @property
    def status(self) -> str:
        """What it is at: "preparing", "queued", "running", then "completed", "failed" or "cancelled"."""
        if self._future.done():
            return self._future.result().status
        if self.run is None:
            return PREPARING
        if self.run.state.started:  # which may be heard before the answer to the submit
            return RUNNING
        return QUEUED if self.run.accepted else PREPARING

    @property
    def progress(self) -> float:
        """How much of the workflow is done, 0 to 1."""
        if self._future.done():
            return 1.0
        return self.run.progress if self.run is not None else 0.0

    @property
    def ahead(self) -> int | None:
        """How many runs are before it in the server's queue, the running one included; None if that is not known."""
        server, run = self._attempt.server, self.run
        return server.ahead(run) if server is not None and run is not None else None

    @property
    def media(self) -> list[Media]:
        """The files that it has made so far."""
        server, run = self._attempt.server, self.run
        return server.media(run) if server is not None and run is not None else []

    # -- waiting and stopping ------------------------------------------------------------------------

    def result(self, timeout: float | None = None) -> ExecuteResult:
        """Block until it is over, and return what came back, also when it failed.

        An interrupt, or ``timeout`` seconds gone by, end the waiting and not the run.

        Raises
        ------
        TimeoutError
            If it is not over in time.
        """
        portal.may_wait()
        waited = 0.0
        while not self._future.done():
            if timeout is not None and waited >= timeout:
                raise TimeoutError(f"the run is not over after {timeout:g} s; it goes on")
            step = HEARTBEAT if timeout is None else min(HEARTBEAT, timeout - waited)
            concurrent.futures.wait([self._future], timeout=step)
            waited += step
        return self._future.result()

    def __await__(self) -> Generator[Any, None, ExecuteResult]:
        return portal.joined(self._future).__await__()

    def cancel(self) -> None:
        """End it, queued or running, with the outputs that it had; nothing happens if it is over."""
        if not self._future.done():
            portal.start(self._stop())

    def stop(self) -> ExecuteResult:
        """Cancel it, and return what it had."""
        self.cancel()
        return self.result(STOP_SECONDS)

    # -- watching ------------------------------------------------------------------------------------

    def on_event(self, callback: Callable[[Event], None]) -> None:
        """Have ``callback`` called for each event from now on, on a thread of ours: it had better be quick."""
        self._watch_with(lambda event: callback(event) if event is not None else None)

    def on_done(self, callback: Callable[[ExecuteResult], None]) -> None:
        """Have ``callback`` called with the result when it is over, or now if it is; on a thread of ours."""
        self._future.add_done_callback(lambda future: _call(callback, future.result()))

    async def __aiter__(self) -> AsyncIterator[Event]:
        """Give the run's events from its beginning to its end.

        Of those before now that tell how far it is, only the last of each kind and node are kept, and no previews.
        """
        loop = asyncio.get_running_loop()
        queue: asyncio.Queue[Event | None] = asyncio.Queue()

        def put(event: Event | None) -> None:
            with contextlib.suppress(RuntimeError):  # the loop that listened has ended
                loop.call_soon_threadsafe(queue.put_nowait, event)

        for event in self._watch_with(put):
            yield event
        try:
            while (news := await _next(queue)) is not None:
                yield news
        finally:
            self._watchers.remove(put)

    def _watch_with(self, watcher: Callable[[Event | None], None]) -> list[Event]:
        """Add one who is told each event, and None at the end; return the events so far."""
        with self._lock:
            self._watchers.append(watcher)
            if self._ended:
                watcher(None)
            return self._events.all()

    # -- on the portal's loop ------------------------------------------------------------------------

    async def _live(self, perform: Callable[[Attempt, Watch], Coroutine[Any, Any, ExecuteResult]]) -> ExecuteResult:
        self._task = asyncio.ensure_future(perform(self._attempt, self._take))
        await asyncio.wait({self._task})
        if self._task.cancelled():
            return self._attempt.ended(RunCancelledError("The run was cancelled."), CANCELLED)
        return self._task.result()

    async def settled(self) -> ExecuteResult:
        """Await its end, on the portal's loop alone: without waking meanwhile, for those who await hundreds."""
        return await asyncio.shield(asyncio.wrap_future(self._future))

    async def _stop(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def _take(self, _run: Run, event: Event) -> None:
        self._tell(event)

    def _tell(self, event: Event | None) -> None:
        with self._lock:
            self._ended = self._ended or event is None
            if event is not None:
                self._events.add(event)
            watchers = list(self._watchers)
        for watcher in watchers:
            _call(watcher, event)

    # -- how it shows itself -------------------------------------------------------------------------

    def _ipython_display_(self) -> None:
        from comfy_notebook.notebook.live import show_job

        show_job(self)

    def __repr__(self) -> str:
        name = f" {self.prompt_id}" if self.prompt_id else ""
        return f"<Job{name}: {self.status}, {self.progress:.0%}>"


class Batch:
    """Several jobs of one workflow, from :meth:`ComfyKit.submit_many`: waited for, watched and stopped as one."""

    def __init__(self, jobs: list[Job]) -> None:
        self.jobs = jobs

    @property
    def done(self) -> bool:
        """Whether all of them are over."""
        return all(job.done for job in self.jobs)

    @property
    def progress(self) -> float:
        """How much of all of them is done, 0 to 1."""
        return sum(job.progress for job in self.jobs) / len(self.jobs)

    def result(self, timeout: float | None = None) -> ResultList:
        """Block until all are over, and return what came back, in order; as :meth:`Job.result`."""
        ends = None if timeout is None else time.monotonic() + timeout
        return ResultList(job.result(None if ends is None else max(0.0, ends - time.monotonic())) for job in self.jobs)

    def __await__(self) -> Generator[Any, None, ResultList]:
        return self._results().__await__()

    def cancel(self) -> None:
        """End those that are not over."""
        for job in reversed(self.jobs):  # so that no later one begins meanwhile
            job.cancel()

    def stop(self) -> ResultList:
        """Cancel them, and return what they had."""
        self.cancel()
        return self.result(STOP_SECONDS)

    async def _results(self) -> ResultList:
        return ResultList([await job for job in self.jobs])

    def _ipython_display_(self) -> None:
        from comfy_notebook.notebook.live import show_job

        show_job(self)

    def __repr__(self) -> str:
        over = sum(job.done for job in self.jobs)
        return f"<Batch: {over} of {len(self.jobs)} over, {self.progress:.0%}>"


def jobs_of(work: Job | Batch) -> list[Job]:
    """Return the single jobs of either."""
    return work.jobs if isinstance(work, Batch) else [work]


def underway() -> list[Job]:
    """Return this process's jobs that are not over."""
    return [job for job in list(_jobs) if not job.done]


class _Past:
    """A run's events so far, for whoever listens late; it does not grow with the number of steps."""

    def __init__(self) -> None:
        self._events: dict[Hashable, Event] = {}  # in their order
        self._number = itertools.count()

    def add(self, event: Event) -> None:
        from comfy_notebook.servers.events import NodeProgress, NodeStates, Preview, QueueStatus

        if isinstance(event, Preview):
            return
        again = isinstance(event, NodeProgress | NodeStates | QueueStatus)
        key = (type(event), getattr(event, "node", None)) if again else next(self._number)
        self._events.pop(key, None)
        self._events[key] = event

    def all(self) -> list[Event]:
        return list(self._events.values())


async def _next(queue: asyncio.Queue[Event | None]) -> Event | None:
    """Return the next event, waking now and then: ipykernel's interrupt does not wake an idle loop."""
    while True:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(HEARTBEAT):
                return await queue.get()


def _call(callback: Callable[[Any], None], value: Any) -> None:
    try:
        callback(value)
    except Exception:  # noqa: BLE001 - a callback of any kind, and the run matters more
        _log.exception("what watches a run failed")
