"""A few threads that make things small: what someone waits for first, then what may be wanted soon.

Not an executor of the standard library's: at exit that waits for everything in its queue, and it starts threads
when an exiting interpreter refuses new ones.
"""

from __future__ import annotations

import atexit
import itertools
import os
import queue
import threading
import time
from concurrent.futures import Future, wait
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

T = TypeVar("T")

WANTED, AHEAD, _END = 0, 1, 2
_HEARTBEAT = 0.1  # a lock waited for without a timeout cannot be interrupted on Windows
_FEWEST, _MOST = 4, 16  # also where there are fewer cores: some wait for a server
_END_SECONDS = 2.0


class Workers:
    """Daemon threads with a queue, started when first needed."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._order = itertools.count()
        self._jobs: queue.PriorityQueue[tuple[int, int, Callable[[], None] | None]] = queue.PriorityQueue()
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._ending = False

    def submit(self, work: Callable[[], T], priority: int = WANTED) -> Future[T]:
        """Have work done by a thread, or here and now if there can be none."""
        future: Future[T] = Future()

        def job() -> None:
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(work())
                except BaseException as error:  # noqa: BLE001 - to be raised where it is waited for
                    future.set_exception(error)

        self._jobs.put((priority, next(self._order), job))
        if not self._started():
            job()
        return future

    def close(self) -> None:
        """End the threads after what they are at; what is in the queue is not done any more."""
        with self._lock:
            self._ending = True
            threads, self._threads = self._threads, []
        for _ in threads:
            self._jobs.put((-1, next(self._order), None))
        end = time.monotonic() + _END_SECONDS
        for thread in threads:
            thread.join(max(0.0, end - time.monotonic()))

    def forget(self) -> None:
        """Begin anew: in a forked child the threads do not exist."""
        self.__init__(self._count)  # type: ignore[misc]

    def _started(self) -> bool:
        with self._lock:
            if self._ending:
                return False
            try:
                while len(self._threads) < self._count:
                    name = f"comfy_notebook-media-{len(self._threads)}"
                    thread = threading.Thread(target=self._serve, name=name, daemon=True)
                    thread.start()
                    self._threads.append(thread)
            except RuntimeError:  # the interpreter is exiting
                return bool(self._threads)
            return True

    def _serve(self) -> None:
        while True:
            _, _, job = self._jobs.get()
            if job is None:
                return
            job()
            del job  # and with it what it made


def results(futures: Sequence[Future[T]]) -> list[T]:
    """Wait for all; an interrupt is raised at once, and what has not begun is not begun."""
    try:
        while wait(futures, timeout=_HEARTBEAT).not_done:
            pass
    except BaseException:
        cancel(futures)
        raise
    return [future.result() for future in futures]


def cancel(futures: Iterable[Future[Any]]) -> None:
    """Do not begin what has not begun."""
    for future in futures:
        future.cancel()


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


workers = Workers(min(_MOST, max(_FEWEST, _cores())))
atexit.register(workers.close)
if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(after_in_child=workers.forget)
