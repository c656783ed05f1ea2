"""The one background event loop on which all network work runs, and the two ways across to it.

Invariants: connections live and die on this loop alone; nothing of ours runs nested in the user's
loop; a caller that stops waiting (Ctrl-C, a cancelled task) cancels what it was waiting for.
"""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import contextlib
import os
import threading
import time
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

T = TypeVar("T")

# A caller must wake now and then: ipykernel's interrupt handler does not wake an idle event loop,
# and on Windows a lock that is waited for without a timeout cannot be interrupted.
HEARTBEAT = 0.1
_SHUTDOWN_SECONDS = 2.0


class Portal:
    """An event loop in a daemon thread, started at the first call."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._closers: list[Callable[[], Coroutine[Any, Any, None]]] = []

    def before_close(self, closer: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Have a coroutine run on the loop before it ends."""
        self._closers.append(closer)

    def start(self, work: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
        """Begin ``work`` on the loop and return at once.

        Cancelling the future cancels the work. The caller's context variables go along.
        """
        return asyncio.run_coroutine_threadsafe(work, self._running_loop())

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """Run ``work`` and block until it is done; an interrupt cancels it and is raised at once.

        Raises
        ------
        RuntimeError
            If called on the loop's own thread, where it could only wait for itself.
        """
        try:
            self.may_wait()
        except RuntimeError:
            work.close()
            raise
        future = self.start(work)
        try:
            while not future.done():
                concurrent.futures.wait([future], timeout=HEARTBEAT)
        except BaseException:
            future.cancel()
            raise
        return future.result()

    def may_wait(self) -> None:
        """Raise RuntimeError on the loop's own thread, where a blocking call could only wait for itself."""
        if threading.current_thread() is self._thread:
            raise RuntimeError("a synchronous call cannot be made from the event loop that serves it; await it")

    async def cross(self, work: Coroutine[Any, Any, T]) -> T:
        """Run ``work`` on the loop and await it from any other loop; cancelling the caller cancels it."""
        if asyncio.get_running_loop() is self._loop:
            return await work
        future = self.start(work)
        try:
            return await self.joined(future)
        except BaseException:
            future.cancel()
            raise

    async def joined(self, future: concurrent.futures.Future[T]) -> T:
        """Await something that runs on the loop; it goes on when the caller is cancelled."""
        loop = asyncio.get_running_loop()
        done = asyncio.Event()
        future.add_done_callback(lambda _: _wake(loop, done))
        while not future.done():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(HEARTBEAT):
                    await done.wait()
        return future.result()

    def close(self) -> None:
        """Cancel what still runs and end the thread; the next call starts a new one."""
        with self._lock:
            loop, thread = self._loop, self._thread
            self._loop = self._thread = None
        if loop is None or thread is None or not loop.is_running():
            return
        for closer in self._closers:
            closing = asyncio.run_coroutine_threadsafe(closer(), loop)
            concurrent.futures.wait([closing], timeout=_SHUTDOWN_SECONDS)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(_SHUTDOWN_SECONDS)

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        loop = self._loop
        if loop is not None:
            return loop
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=_serve, args=(self._loop,), name="comfy_notebook", daemon=True)
                self._thread.start()
            return self._loop

    def forget(self) -> None:
        """Drop the loop without touching it: in a forked child its thread does not exist."""
        self._lock = threading.Lock()
        self._loop = self._thread = None


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
        loop.run_until_complete(_end_tasks())
        loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        loop.close()


def _wake(loop: asyncio.AbstractEventLoop, event: asyncio.Event) -> None:
    with contextlib.suppress(RuntimeError):  # the loop that waited has ended, as when it is interrupted
        loop.call_soon_threadsafe(event.set)


async def _end_tasks() -> None:
    """End all tasks, those that others begin in their end, too."""
    until = time.monotonic() + _SHUTDOWN_SECONDS
    while (tasks := asyncio.all_tasks() - {asyncio.current_task()}) and (left := until - time.monotonic()) > 0:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=left)


portal = Portal()
atexit.register(portal.close)
if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(after_in_child=portal.forget)
