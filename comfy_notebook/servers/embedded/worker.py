"""The thread that takes prompts off the queue and runs them."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from comfy_notebook.servers.embedded.cache import Cache
from comfy_notebook.servers.embedded.execution import Execution
from comfy_notebook.servers.embedded.reporter import Reporter

if TYPE_CHECKING:
    from collections.abc import Mapping

    from comfy_notebook.servers.embedded.files import Files
    from comfy_notebook.servers.embedded.nodes import Node
    from comfy_notebook.servers.embedded.queue import History, Job, JobQueue
    from comfy_notebook.servers.embedded.sockets import Sockets

_LOG = logging.getLogger(__name__)
_SECONDS_TO_STOP = 1.5


class Worker:
    """Runs one prompt at a time."""

    def __init__(
        self, queue: JobQueue, history: History, nodes: Mapping[str, Node], files: Files, sockets: Sockets
    ) -> None:
        self._queue = queue
        self._history = history
        self._nodes = nodes
        self._files = files
        self._sockets = sockets
        self._cache = Cache(nodes, files)
        self._forget = threading.Event()
        self._now: tuple[Job, Reporter] | None = None
        self._thread = threading.Thread(target=self._work, name="comfy_notebook embedded worker", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Interrupt what runs, take nothing more, and wait for the thread to end."""
        self._queue.stop()
        if self._thread.ident is None:  # it was never started
            return
        self._thread.join(_SECONDS_TO_STOP)
        if self._thread.is_alive():
            _LOG.warning("a node of the built-in engine does not end; its thread is left behind")

    def forget(self) -> None:
        """Empty the cache as soon as nothing runs."""
        self._forget.set()
        self._queue.wake()

    def executing(self, client_id: str) -> str | None:
        """Give the node that runs now, if it runs for this client."""
        now = self._now
        return now[1].current if now is not None and now[0].client_id == client_id else None

    def _work(self) -> None:
        while not self._queue.stopped:
            job = self._queue.take()
            if self._forget.is_set():
                self._forget.clear()
                self._cache.clear()
            if job is not None:
                self._run(job)

    def _run(self, job: Job) -> None:
        reporter = Reporter(job, self._sockets)
        self._now = (job, reporter)
        execution = Execution(
            job,
            nodes=self._nodes,
            files=self._files,
            cache=self._cache,
            reporter=reporter,
            interrupted=self._queue.interrupted,
        )
        try:
            execution.run()
        except Exception as error:  # noqa: BLE001 - the thread has to live on, and the client to hear of it
            _LOG.exception("the built-in engine failed")
            reporter.failed({"node_id": None, "exception_type": "InternalError", "exception_message": str(error)})
        # the history is there before anybody is told that the run has ended
        self._history.add(job, reporter.record)
        self._queue.done()
        self._now = None
        reporter.ended()
