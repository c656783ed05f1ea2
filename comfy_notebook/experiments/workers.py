"""Workers that run a sweep's cells: those of a Dask cluster, or of any executor, each with the ComfyUI beside it."""

from __future__ import annotations

import asyncio
import contextlib
import platform
import tempfile
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from comfy_notebook.cache import default_cache
from comfy_notebook.errors import ComfyError, ParameterError, Problem, WorkerError
from comfy_notebook.experiments.history import recording
from comfy_notebook.experiments.remote import Errand, end_here, look_here, run_here
from comfy_notebook.experiments.sweeps.identity import takes_file
from comfy_notebook.jobs import QUEUED, RUNNING, Attempt, Job
from comfy_notebook.running import accounted
from comfy_notebook.workflow.binding import merged
from comfy_notebook.workflow.files import LocalFile, MadeFile, MaskedFile, ResultFile, as_file

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Coroutine, Mapping

    from comfy_notebook.results import ExecuteResult
    from comfy_notebook.running import Access
    from comfy_notebook.workflow.document import Workflow
    from comfy_notebook.workflow.files import FileValue
    from comfy_notebook.workflow.schema import NodeSchema

T = TypeVar("T")
_AHEAD = 64  # errands under way at least: they wait where the workers are
# What is alike is done each time, and tried again where a worker has no ComfyUI just now.
_DASK_OPTIONS: dict[str, Any] = {"pure": False, "retries": 2}


class Future(Protocol):
    """What an executor gives for its work: a ``concurrent.futures.Future``, or Dask's."""

    def add_done_callback(self, callback: Callable[[Any], Any], /) -> None:
        """Have it called once the work is over."""

    def result(self) -> Any:
        """Return what the work gave, or raise what it raised."""

    def cancel(self) -> Any:
        """Let the work be, if it has not begun."""


class Executor(Protocol):
    """A ``concurrent.futures.Executor``, or a ``dask.distributed.Client``."""

    def submit(self, work: Callable[..., Any], /, *arguments: Any) -> Any:
        """Have work done elsewhere."""


@dataclass(slots=True)
class Order:
    """A run that is to be.

    Attributes
    ----------
    access
        Whose credentials are kept out of the history; they do not go to the workers.
    workflow, given, timeout
        As for :meth:`ComfyKit.submit`. Files are read here, and sent along.
    future
        The executor's, once it has the run.
    """

    access: Access
    workflow: Workflow
    given: Mapping[str, Any]
    timeout: float | None = None
    future: Any = None

    def take(self, future: Any) -> None:
        """Take that the executor has it."""
        self.future = future


class Workers:
    """The workers of one executor.

    Parameters
    ----------
    executor
        Dask's client, or any executor. A worker needs this package, and a ComfyUI: that of its own COMFYUI_BASE_URL,
        or as :class:`ComfyKit` finds one there.
    server
        The same for all workers instead: a URL as they see it, or "embedded".
    """

    def __init__(self, executor: Executor, server: str | None = None) -> None:
        self._executor = executor
        self._server = server
        self._folder = tempfile.TemporaryDirectory(prefix="comfy_notebook_", ignore_cleanup_errors=True)
        self._called_off = Path(self._folder.name)
        self._dask = executor if type(executor).__module__.partition(".")[0] == "distributed" else None

    @property
    def label(self) -> str:
        """What to call them: the same for the same kind of executor, so that a sweep is known again."""
        return f"the workers of {type(self._executor).__name__}"

    @property
    def ahead(self) -> int:
        """How many errands are to be under way, so that no worker idles."""
        threads: Mapping[str, int] = self._dask.nthreads() if self._dask is not None else {}  # type: ignore[attr-defined]
        return max(_AHEAD, 2 * sum(threads.values()))

    async def schemas(self, class_types: Collection[str]) -> Mapping[str, NodeSchema | None]:
        """Return what the ComfyUI beside one of them says of node classes.

        Raises
        ------
        NoServerError
            If none is beside it.
        WorkerError
            If no worker answers as it should.
        """
        schemas: Mapping[str, NodeSchema | None] = await self._done(look_here, set(class_types), self._server)
        return schemas

    def launch(self, order: Order, labels: Mapping[str, str]) -> Job:
        """Begin a run on one of them; ``labels`` is what it belongs to."""
        return RemoteJob(order, self._perform, Attempt(labels=labels), self.label)

    async def _perform(self, order: Order, attempt: Attempt) -> ExecuteResult:
        entry = recording.elsewhere(order.access, attempt, order.workflow, order.given)
        return await accounted(self._run(order), attempt, entry)

    async def _run(self, order: Order) -> ExecuteResult:
        """Have a run performed, and return what came back, its files in this machine's cache."""
        workflow = order.workflow
        values = await portable(workflow, merged(workflow, workflow.values, order.given))
        token = uuid.uuid4().hex
        errand = Errand(
            token,
            workflow.graph,
            workflow.name,
            values,
            self._server,
            order.timeout,
            platform.node(),
            str(self._called_off / token),
        )
        try:
            delivery = await self._done(run_here, errand, take=order.take)
        except asyncio.CancelledError:
            await asyncio.shield(asyncio.to_thread(self._end, token))
            raise
        await asyncio.to_thread(_keep, delivery.contents)
        return delivery.result

    async def _done(self, work: Callable[..., T], *arguments: Any, take: Callable[[Any], None] | None = None) -> T:
        """Have work done by a worker, without blocking the loop."""
        future, options = None, _DASK_OPTIONS if self._dask is not None else {}
        try:
            future = await asyncio.to_thread(self._executor.submit, work, *arguments, **options)
            if take is not None:
                take(future)
            await _over(future)
            value: T = await asyncio.to_thread(future.result)
        except asyncio.CancelledError:
            if future is not None:
                future.cancel()
            raise
        except ComfyError:
            raise
        except Exception as error:
            raise _worker_error(error) from error
        return value

    def _end(self, token: str) -> None:
        """End an errand that has begun: in this process, in others of this machine, and on every worker of Dask's."""
        end_here(token)
        (self._called_off / token).touch()
        if self._dask is not None:
            with contextlib.suppress(Exception):  # they are gone
                self._dask.run(end_here, token)  # type: ignore[attr-defined]


class RemoteJob(Job):
    """A run on a worker: what happens there is not heard, but its beginning and its end are."""

    def __init__(
        self,
        order: Order,
        perform: Callable[[Order, Attempt], Coroutine[Any, Any, ExecuteResult]],
        attempt: Attempt,
        label: str,
    ) -> None:
        self._order, self._label = order, label
        super().__init__(lambda attempt, _watch: perform(order, attempt), attempt)

    @property
    def status(self) -> str:
        """What it is at; Dask does not say which runs, so that those are "queued"."""
        future = self._order.future
        if future is None or self.done:
            return super().status
        running = getattr(future, "running", None)
        return RUNNING if running is not None and running() else QUEUED

    @property
    def server(self) -> str:
        """Where it runs."""
        return self._label


async def portable(workflow: Workflow, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return values as they can be sent: files with their content.

    Raises
    ------
    ParameterError
        If a file cannot be read, or a value is no file.
    MediaError
        If an earlier result's file can no longer be had.
    """
    return {
        name: await _portable_file(name, value) if takes_file(workflow, name) else value
        for name, value in given.items()
    }


async def _portable_file(name: str, value: Any) -> Any:
    """Return a file with its content; what may be the name of a file on the server, or is a URL, stays as it is."""
    try:
        file = as_file(value)
        return value if file is None else await _with_content(file)
    except (OSError, ValueError) as error:
        problem = Problem(str(error), name)
        raise ParameterError("One thing is wrong; this was not sent to a worker.", problems=[problem]) from error


async def _with_content(file: FileValue) -> FileValue:
    if isinstance(file, LocalFile):
        return MadeFile(file.name, await asyncio.to_thread(file.read))
    if isinstance(file, ResultFile):
        return MadeFile(file.name, await file.media.abytes())
    if isinstance(file, MaskedFile):
        picture, mask = await _with_content(file.picture), await _with_content(file.mask)
        assert not isinstance(picture, MaskedFile)  # noqa: S101
        assert not isinstance(mask, MaskedFile)  # noqa: S101
        return MaskedFile(picture, mask)
    return file


async def _over(future: Future) -> None:
    """Await the end of an executor's work, on the loop; cancelling this leaves the work alone."""
    loop, over = asyncio.get_running_loop(), asyncio.Event()

    def tell(_future: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(over.set)

    future.add_done_callback(tell)
    await over.wait()


def _keep(contents: Mapping[str, bytes]) -> None:
    """Put files into this machine's cache, from which they are read from now on."""
    with contextlib.suppress(OSError):  # a full disk: the result is there all the same
        for content in contents.values():
            default_cache().put(content)


def _worker_error(error: Exception) -> ComfyError:
    """Say what kept a worker from performing a run: it died, was cancelled, or cannot even begin."""
    said = str(error).strip()
    kind = type(error).__name__
    return WorkerError(
        f"No worker got this run done: {kind}{f': {said}' if said else ''}",
        hint="A worker needs comfy_notebook, in this version, and a ComfyUI that it can reach.",
    )
