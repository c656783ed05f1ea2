"""The engine: its thread, its event loop, its port and its folder, from start to stop."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import logging
import os
import shutil
import tempfile
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from aiohttp import web

from comfy_notebook.servers.embedded.api import Api
from comfy_notebook.servers.embedded.app import application
from comfy_notebook.servers.embedded.files import Files
from comfy_notebook.servers.embedded.media import Media
from comfy_notebook.servers.embedded.nodes import NODES
from comfy_notebook.servers.embedded.queue import History, JobQueue
from comfy_notebook.servers.embedded.sockets import Sockets
from comfy_notebook.servers.embedded.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

T = TypeVar("T")

_LOG = logging.getLogger(__name__)
_HOST = "127.0.0.1"
_SECONDS_TO_START = 30
_SECONDS_TO_STOP = 2


class Engine:
    """A running engine; `start` gives one.

    Attributes
    ----------
    url
        Where it answers, such as "http://127.0.0.1:40123".
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.url = ""
        self._owns_folder = folder is None
        self._folder = folder or Path(tempfile.mkdtemp(prefix="comfy_notebook_"))
        self._files = Files(self._folder)
        self._started: Future[str] = Future()
        self._stopping = asyncio.Event()
        self._worker: Worker | None = None
        self._loop = asyncio.new_event_loop()
        # our own, because a loop ends its default one in a new thread, and at exit there are no new threads
        self._executor = _Executor(thread_name_prefix="comfy_notebook embedded files")
        self._loop.set_default_executor(self._executor)
        self._lock = threading.Lock()
        self._process = os.getpid()
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="comfy_notebook embedded engine", daemon=True)

    @classmethod
    def start(cls, folder: Path | None = None) -> Self:
        """Start an engine on a free port of 127.0.0.1 and return once it answers.

        Parameters
        ----------
        folder
            Where input/, output/ and temp/ are, and stay; None for a temporary folder that goes with the engine.

        Raises
        ------
        OSError
            If the folder cannot be made, or there is no port.
        """
        engine = cls(folder)
        engine._thread.start()
        try:
            engine.url = engine._started.result(_SECONDS_TO_START)
        except BaseException:
            engine.stop()
            raise
        atexit.register(engine.stop)
        return engine

    def stop(self) -> None:
        """End the run in progress, close all connections and the port; again, or at exit, it does nothing."""
        if os.getpid() != self._process:  # a forked child, which has no part in it
            return
        with self._lock:
            if self._stopped:
                return
            self._stopped = True
            if self._worker is not None:
                self._worker.stop()
            with contextlib.suppress(RuntimeError):  # the loop has ended by itself
                self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join(2 * _SECONDS_TO_STOP)
            if self._owns_folder:
                # on Windows a file that is still open cannot be deleted, and that must not fail the stop
                shutil.rmtree(self._folder, ignore_errors=True)
        atexit.unregister(self.stop)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.url}{' (stopped)' if self._stopped else ''}>"

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
        except Exception as error:  # noqa: BLE001 - whoever waits for the start has to hear of it
            if self._started.done():
                _LOG.exception("the built-in engine failed")
            else:
                self._started.set_exception(error)
        finally:
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._executor.shutdown()
            self._loop.close()

    async def _serve(self) -> None:
        sockets = Sockets(self._loop, lambda sid: _greeting(queue, worker, sid))
        queue, history = JobQueue(lambda remaining: sockets.send("status", _status(remaining))), History()
        worker = self._worker = Worker(queue, history, NODES, self._files, sockets)
        api, media = Api(self._files, NODES, queue, history, worker), Media(self._files)
        app = application([*api.routes(), *media.routes(), web.get("/ws", sockets.serve)])
        runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=0.3)
        await runner.setup()
        try:
            await web.TCPSite(runner, _HOST, 0).start()
            host, port = runner.addresses[0][:2]
            worker.start()
            self._started.set_result(f"http://{host}:{port}")
            await self._stopping.wait()
        finally:
            await sockets.close()
            await runner.cleanup()


class _Executor(ThreadPoolExecutor):
    """A pool that does in place what it is given while the interpreter exits: a file still has to be closed then."""

    def submit(self, work: Callable[..., T], /, *args: Any, **options: Any) -> Future[T]:
        try:
            return super().submit(work, *args, **options)
        except RuntimeError:
            done: Future[T] = Future()
            try:
                done.set_result(work(*args, **options))
            except BaseException as error:  # noqa: BLE001 - whoever waits for it hears of it
                done.set_exception(error)
            return done


def _status(remaining: int) -> dict[str, Any]:
    return {"status": {"exec_info": {"queue_remaining": remaining}}}


def _greeting(queue: JobQueue, worker: Worker, sid: str) -> list[tuple[str, Any]]:
    greeting: list[tuple[str, Any]] = [("status", _status(queue.remaining()) | {"sid": sid})]
    executing = worker.executing(sid)
    if executing is not None:
        greeting.append(("executing", {"node": executing}))
    return greeting
