"""A ComfyUI server as a place to run workflows: ask, upload, submit, cancel, fetch."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Any

from comfy_notebook.errors import (
    NodeError,
    NoServerError,
    RunCancelledError,
    RunError,
    RunLostError,
    ServerError,
)
from comfy_notebook.results import CANCELLED, COMPLETED, FAILED, ExecuteResult
from comfy_notebook.servers.downloads import RunFiles
from comfy_notebook.servers.events import Event, QueueStatus
from comfy_notebook.servers.following import Follower, Run, Watch
from comfy_notebook.servers.http import Api
from comfy_notebook.servers.load import Load
from comfy_notebook.servers.outputs import Source, collect, media_of, named_file
from comfy_notebook.servers.places import Places
from comfy_notebook.servers.socket import EventSocket
from comfy_notebook.servers.submission import STRAGGLER_SECONDS, may_still_come, submit
from comfy_notebook.servers.uploads import Uploads
from comfy_notebook.workflow.binding import bind
from comfy_notebook.workflow.schema import NodeSchema, read_node
from comfy_notebook.workflow.sources import read

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence

    from comfy_notebook.errors import ComfyError
    from comfy_notebook.media import Media
    from comfy_notebook.servers.address import Address
    from comfy_notebook.workflow.binding import Binding
    from comfy_notebook.workflow.document import Workflow
    from comfy_notebook.workflow.files import FileValue
    from comfy_notebook.workflow.schema import Schemas

_log = logging.getLogger(__name__)


class ComfyUI:
    """One server, for use on the portal's loop.

    Attributes
    ----------
    label
        What results and footers call it.
    mine
        The ids of this process's runs there that are not over.
    load
        How busy it is.
    """

    def __init__(self, address: Address, label: str | None = None) -> None:
        self.address = address
        self.label = label or address.url
        self._api = Api(address)
        self.load = Load()
        self._socket = EventSocket(address, self.load.hear)
        self._places = Places(self._api)
        self.mine: set[str] = set()
        self._schemas: dict[str, NodeSchema | None] = {}
        self._uploads = Uploads(self._api)
        self._losses = 0
        self._closed = False
        self._cleanups: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        """Close all connections; runs under way are not cancelled on the server."""
        self._closed = True
        await self._socket.close()
        await self._api.close()

    # -- asking --------------------------------------------------------------------------------------

    async def stats(self, timeout: float | None = None) -> dict[str, Any]:  # noqa: ASYNC109
        """Return ``/system_stats``; ``timeout`` in seconds. NoServerError if nobody answers."""
        return await self._api.system_stats(timeout)

    @property
    def is_heard(self) -> bool:
        """Whether it tells by itself of runs and of its queue."""
        return self._socket.is_open

    async def greet(self) -> None:
        """Ask how long its queue is, and connect to hear of that from now on; ServerError if it does not answer."""
        self.load.hear(await self._api.queue_remaining())
        with contextlib.suppress(ServerError):  # runs are followed by asking, then
            await self._socket.open(again=True)

    async def queue(self) -> tuple[list[list[Any]], list[list[Any]]]:
        """Return (running, pending) items, each ``[number, prompt id, graph, extra data, outputs]``."""
        return await self._api.queue()

    async def models(self, folder: str) -> list[str]:
        """Return the model files that the server has in a folder such as "checkpoints"."""
        names = await self._api.models(folder)
        if names is None:
            raise ServerError(f"{self.label} has no folder of models called {folder!r}.")
        return names

    async def schemas(self, class_types: Iterable[str], *, fresh: bool = False) -> Schemas:
        """Return what the server says of these node classes; None for those that it lacks.

        What it said once is kept; ``fresh`` asks again, as lists of files and models change.
        """
        self._forget_if_restarted()
        wanted = [name for name in class_types if fresh or self._schemas.get(name) is None]
        infos = await asyncio.gather(*(self._api.object_info(name) for name in wanted))
        for name, info in zip(wanted, infos, strict=True):
            self._schemas[name] = read_node(name, info) if info is not None else None
        return self._schemas

    def _forget_if_restarted(self) -> None:
        """Forget what the server said and was sent once the connection was lost: it may be another server now."""
        if self._losses != self._socket.losses:
            self._losses = self._socket.losses
            self._schemas.clear()
            self._uploads.forget()

    # -- running -------------------------------------------------------------------------------------

    async def upload(self, binding: Binding) -> None:
        """Upload the binding's files, each content once per server, and put their names in its graph."""
        self._forget_if_restarted()
        await self._uploads.send(binding)

    async def upload_file(self, file: FileValue) -> str:
        """Upload one file, and return the name that the server's nodes know it by."""
        self._forget_if_restarted()
        return await self._uploads.send_file(file)

    def input_file(self, name: str) -> Media:
        """Return a file that the server's nodes can take, by the name that they know it by."""
        return named_file(name, Source(self.address.url, self.files(), {}, {}))

    def prepare(self, workflow: Workflow, binding: Binding) -> Run:
        """Return a run of a workflow, to be sent; its files are uploaded."""
        return Run(workflow, binding, self.files())

    def files(self) -> RunFiles:
        """Return where one run's files come from."""
        return RunFiles(self._api)

    async def execute(
        self,
        run: Run,
        *,
        extra_data: dict[str, Any] | None = None,
        prefetch: Callable[[Sequence[Media]], None] | None = None,
        watch: Watch | None = None,
        elsewhere: Callable[[], Awaitable[bool]] | None = None,
    ) -> ExecuteResult:
        """Send a run, and follow it to its end.

        Parameters
        ----------
        run
            From :meth:`prepare`.
        extra_data
            Goes along with it, e.g. a partner's key.
        prefetch
            Called on the portal's thread with the files of each node as soon as it reports them, while the rest still
            runs; they are then on their way. Without it, files are fetched when they are read.
        watch
            Called on the portal's thread after every event, with the run and the event.
        elsewhere
            Asked, where the server has been away for some seconds, whether the run is better given up, as it can go
            on elsewhere.

        Returns
        -------
        ExecuteResult
            Whatever became of the run once the server had accepted it.

        Raises
        ------
        ParameterError
            If the server refuses the workflow.
        ServerError
            If it cannot be reached, or its answer to the submit is none.
        """
        async with self._following(run, prefetch, watch, elsewhere) as follower:
            client_id = await self._client_id(run)
            follower.feed.adrift |= client_id is None
            try:
                await submit(self._api, run, follower.rename, client_id, extra_data or {})
            except ServerError as error:
                if may_still_come(error):
                    self.abandon(run)
                raise
            return await self._followed(run, follower)

    async def find(self, prompt_id: str) -> Run:
        """Return a run that the server has, running, queued or over, whoever sent it.

        Raises
        ------
        RunLostError
            If it has none of this id.
        """
        running, pending = await self._api.queue()
        graphs = {str(item[1]): item[2] for item in [*running, *pending]}
        entry = None if prompt_id in graphs else await self._api.history(prompt_id)
        graph = graphs.get(prompt_id) or (entry["prompt"][2] if entry is not None else None)
        if graph is None:
            raise RunLostError(
                f"{self.label} has no run {prompt_id}, neither queued nor in its history.",
                hint="It was restarted since, or the id is another server's.",
            )
        workflow = read(graph).workflow({})
        return Run(workflow, bind(workflow, {}, {}, complete=False), self.files(), prompt_id, rejoined=True)

    async def rejoin(self, run: Run, watch: Watch) -> ExecuteResult:
        """Follow a run from :meth:`find` to its end; its events go to whoever sent it, so that the server is asked."""
        async with self._following(run, None, watch) as follower:
            follower.feed.adrift = run.accepted = True
            return await self._followed(run, follower)

    @contextlib.asynccontextmanager
    async def _following(
        self,
        run: Run,
        prefetch: Callable[[Sequence[Media]], None] | None,
        watch: Watch | None,
        elsewhere: Callable[[], Awaitable[bool]] | None = None,
    ) -> AsyncIterator[Follower]:
        """Hear what becomes of a run; whoever stops waiting for it ends it on the server."""

        def tell(run: Run, event: Event) -> None:
            if prefetch is not None:
                self._prefetch(run, prefetch)
            if watch is not None:
                if isinstance(event, QueueStatus) and not run.state.started:
                    self._places.refresh()
                watch(run, event)

        follower = Follower(self._api, self._socket, run, tell, elsewhere)
        try:
            yield follower
        except asyncio.CancelledError:
            self.abandon(run)
            raise
        finally:
            follower.close()
            self.mine.discard(run.prompt_id)

    async def _followed(self, run: Run, follower: Follower) -> ExecuteResult:
        self.mine.add(run.prompt_id)
        await follower.follow()
        return self.result(run, *_outcome(run))

    async def cancel(self, prompt_id: str) -> None:
        """End this run, queued or running, and no one else's; nothing happens if it is over."""
        await self._api.dequeue(prompt_id)
        running, _ = await self._api.queue()
        if any(item[1] == prompt_id for item in running):  # old servers interrupt whatever runs: look first
            await self._api.interrupt(prompt_id)

    def abandon(self, run: Run) -> None:
        """End a run that nobody waits for any more, in the background; the end of the program leaves it alone."""
        if not self._closed:
            self._in_background(self._abandon(run))

    async def _abandon(self, run: Run) -> None:
        await self.cancel(run.prompt_id)
        if not run.accepted:  # the submit was under way, and may yet arrive
            await asyncio.sleep(STRAGGLER_SECONDS)
            await self.cancel(run.prompt_id)

    def result(self, run: Run, status: str, error: ComfyError | None) -> ExecuteResult:
        """Return what a run has brought, be it over or not."""
        state = run.state
        blocked = [str(data.get("exception_message") or "").strip() for data in state.blocked]
        return ExecuteResult(
            status=status,
            msg=str(error) if error else "",
            error=error,
            warnings=[*run.warnings, *blocked],
            prompt_id=run.prompt_id,
            duration=run.duration,
            seconds=run.seconds,
            server=self.label,
            outputs=dict(state.outputs),
            params=dict(run.binding.params),
            workflow=run.binding.graph,
            **collect(state.outputs, self._source(run)),
        )

    def media(self, run: Run) -> list[Media]:
        """Return the files that a run has made so far."""
        source = self._source(run)
        outputs = [(node_id, output) for node_id, output in run.state.outputs.items() if isinstance(output, dict)]
        return [media for node_id, output in outputs for media in media_of(node_id, output, source)]

    def ahead(self, run: Run) -> int | None:
        """Return how many runs are before it in the queue, the running one included; None if that is not known."""
        return None if run.state.started else self._places.ahead(run.prompt_id)

    def _source(self, run: Run) -> Source:
        return Source(self.address.url, run.files, run.workflow.outputs, run.state.display_nodes, run.media)

    def _prefetch(self, run: Run, tell: Callable[[Sequence[Media]], None]) -> None:
        source = self._source(run)
        for node_id in run.state.outputs.keys() - run.prefetched:
            run.prefetched.add(node_id)
            output = run.state.outputs[node_id]
            files = list(media_of(node_id, output, source)) if isinstance(output, dict) else []
            for media in files:
                run.files.begin(media)
            tell(files)

    async def _client_id(self, run: Run) -> str | None:
        """Open the socket before anything is sent; None if there is none, so that the run is followed by asking."""
        try:
            return await self._socket.open()
        except ServerError as error:
            await self._api.queue_remaining()  # says so if nobody is there at all
            run.warnings.append(f"{error.message} Progress is not shown, and its end is noticed a little later.")
            return None

    def _in_background(self, work: Any) -> None:
        task = asyncio.ensure_future(_report(work))
        self._cleanups.add(task)
        task.add_done_callback(self._cleanups.discard)


def _outcome(run: Run) -> tuple[str, ComfyError | None]:
    state = run.state
    if state.verdict == COMPLETED:
        return COMPLETED, None
    if state.verdict == CANCELLED:
        return CANCELLED, RunCancelledError("The run was interrupted on the server.")
    if state.failure is None:
        return FAILED, RunError("The run failed, and the server does not say why.")
    node_id = str(state.failure.get("node_id") or "")
    return FAILED, NodeError.from_message(state.failure, run.workflow.title(node_id))


async def _report(work: Any) -> None:
    try:
        await work
    except NoServerError as error:  # so that nothing runs there
        _log.debug("a run could not be cancelled: %s", error)
    except ServerError as error:
        _log.warning("a run could not be cancelled: %s", error)
