"""The way of one run, from its source to its result; to be awaited on the portal's loop."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from comfy_notebook.errors import ComfyError, NoServerError, ParameterError, RunTimeoutError, ServerError, WorkflowError
from comfy_notebook.jobs import Attempt
from comfy_notebook.workflow.binding import bind
from comfy_notebook.workflow.document import Workflow
from comfy_notebook.workflow.formats import Document
from comfy_notebook.workflow.requirements import unmet
from comfy_notebook.workflow.reseeding import reseeded
from comfy_notebook.workflow.schema import united
from comfy_notebook.workflow.sources import read

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence

    from comfy_notebook.media import Media
    from comfy_notebook.results import ExecuteResult
    from comfy_notebook.servers.comfyui import ComfyUI
    from comfy_notebook.servers.following import Run, Watch
    from comfy_notebook.servers.pool import Pool
    from comfy_notebook.workflow.schema import Schemas
    from comfy_notebook.workflow.sources import Source

_log = logging.getLogger("comfy_notebook")


@dataclass(frozen=True, slots=True)
class Access:
    """Where runs go, and what is sent along: the settings of :class:`ComfyKit`, resolved.

    Attributes
    ----------
    wanted
        URLs or "embedded"; several are a pool, and none means the first server that will do.
    api_key, cookies
        For these servers alone. Of several, one whose URL has a user and a password gets those instead.
    partner_key
        comfy.org's, sent along with each run.
    verified
        Whether the servers' certificates have to be such as this machine trusts.
    """

    wanted: tuple[str, ...]
    api_key: str | None = field(default=None, repr=False)
    cookies: str | None = field(default=None, repr=False)
    partner_key: str | None = field(default=None, repr=False)
    verified: bool = True


@dataclass(frozen=True, slots=True)
class _Order:
    """What one run is to be, wherever it is."""

    document: Document | Workflow
    given: Mapping[str, Any]
    prefetch: Callable[[Sequence[Media]], None] | None
    watch: Watch | None
    attempt: Attempt
    entry: Any


class Runner:
    """Performs the runs of one kit.

    Attributes
    ----------
    access
        Where they go.
    """

    def __init__(self, access: Access) -> None:
        self.access = access
        self._said: set[str] = set()

    async def perform(
        self,
        source: Source | Document | Workflow,
        given: Mapping[str, Any],
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - it becomes a result
        prefetch: Callable[[Sequence[Media]], None] | None = None,
        watch: Watch | None = None,
        attempt: Attempt | None = None,
    ) -> ExecuteResult:
        """Load, bind, upload, submit, follow, collect: one run, whose failure is a result, too.

        ``prefetch`` and ``watch`` are those of ``ComfyUI.execute``; ``attempt`` takes what becomes known of the run.
        """
        attempt = attempt or Attempt()
        entry = _history().recorded(self.access, attempt, source, given)

        async def performed() -> ExecuteResult:
            try:
                async with asyncio.timeout(timeout) as limit:
                    order = _Order(await self.read(source), given, prefetch, watch, attempt, entry)
                    return await self._perform(order)
            except TimeoutError:
                if not limit.expired():
                    raise
                raise RunTimeoutError(f"The run was stopped: it was not over after {timeout:g} s.") from None
            finally:
                if attempt.turn is not None:
                    attempt.turn.pass_on()

        result = await accounted(performed(), attempt, entry)
        said = result.error.message if result.error else result.counts()
        _log.info("%s on %s: %s", result.status, result.server or "no server", said)
        return result

    async def _perform(self, order: _Order) -> ExecuteResult:
        class_types = order.document.class_types
        if self._has_several:
            pool = await self._pool()
            return await pool.perform(
                lambda server, anew, whole: self._prepare(order, server, anew=anew, whole=whole),
                lambda server, run, elsewhere: self._execute(order, server, run, elsewhere),
            )
        server, note = await self._choose(class_types)
        order.attempt.warnings = [note] if note else []
        return await self._execute(order, server, await self._prepare(order, server))

    async def _prepare(self, order: _Order, server: ComfyUI, *, anew: bool = True, whole: bool = False) -> Run:
        """Make the run for a server; what its kept schemas refuse is tried on fresh ones, as lists of files change.

        ``anew`` is whether they are; with ``whole``, models and files that the server lacks are errors already here.
        """
        order.attempt.server, order.attempt.run = server, None  # what it had elsewhere is lost
        class_types = order.document.class_types
        try:
            return self._bound(order, server, await server.schemas(class_types), whole=whole)
        except ServerError:
            raise
        except ComfyError:
            if not anew:
                raise
            return self._bound(order, server, await server.schemas(class_types, fresh=True), whole=whole)

    def _bound(self, order: _Order, server: ComfyUI, schemas: Schemas, *, whole: bool) -> Run:
        attempt = order.attempt
        workflow = order.document.workflow(schemas, server.label)
        attempt.workflow = workflow.graph
        given = order.given if attempt.number is None else reseeded(workflow, order.given, attempt.number)
        binding = bind(workflow, given, schemas)
        if whole and (problems := unmet(workflow, binding)):
            raise ParameterError(f"The server lacks what {workflow.name} needs.", problems=problems)
        return server.prepare(workflow, binding)

    async def _execute(
        self, order: _Order, server: ComfyUI, run: Run, elsewhere: Callable[[], Awaitable[bool]] | None = None
    ) -> ExecuteResult:
        attempt, key = order.attempt, self.access.partner_key
        await server.upload(run.binding)
        attempt.server, attempt.run = server, run
        await order.entry.begun()
        if attempt.turn is not None and not self._has_several:  # each of several servers has an order of its own
            await attempt.turn.come()
            run.on_accepted = attempt.turn.pass_on
        result = await server.execute(
            run,
            extra_data={"api_key_comfy_org": key} if key else {},
            prefetch=order.prefetch,
            watch=order.watch,
            elsewhere=elsewhere,
        )
        result.warnings[:0] = attempt.warnings
        return result

    async def rejoin(self, prompt_id: str, attempt: Attempt, watch: Watch) -> ExecuteResult:
        """Follow a run that a server has to its end; that there is none is a result, too."""

        async def rejoined() -> ExecuteResult:
            if self._has_several:
                attempt.server, attempt.run = await (await self._pool()).find(prompt_id)
            else:
                attempt.server = await self.server()
                attempt.run = await attempt.server.find(prompt_id)
            return await attempt.server.rejoin(attempt.run, watch)

        return await accounted(rejoined(), attempt, _history().resumed(self.access, attempt, prompt_id))

    async def inspect(self, source: Source | Document | Workflow, *, fresh: bool = False) -> Workflow:
        """Read a workflow as :meth:`ComfyKit.load` does; ``fresh`` is that of :meth:`place`."""
        document = await self.read(source)
        try:
            return (await self.place(document, fresh=fresh))[1]
        except NoServerError as error:
            if isinstance(document, Workflow) or not document.is_editors:
                return document.workflow({})
            error.hint = f"{error.hint or ''} {document.name} is as the editor saves it: converting it takes a server."
            raise

    async def place(self, source: Source | Document | Workflow, *, fresh: bool = False) -> tuple[ComfyUI, Workflow]:
        """Read a workflow, and choose a server that it would run on; ComfyError if either cannot be.

        ``fresh`` asks the server again for what it has said before, as its lists of files and models change.
        """
        document = await self.read(source)
        class_types = document.class_types
        server = await self.server(class_types)
        schemas = await server.schemas(class_types, fresh=fresh)
        try:
            return server, document.workflow(schemas, server.label)
        except WorkflowError:  # of a class, perhaps, that the server did not have
            return server, document.workflow(await server.schemas(class_types, fresh=True), server.label)

    async def server(self, class_types: Collection[str] = ()) -> ComfyUI:
        """Return the server that a workflow of these classes would run on; of several, one that has them."""
        if self._has_several:
            return await (await self._pool()).knowing(class_types)
        return (await self._choose(class_types))[0]

    async def label(self, server: ComfyUI) -> str:
        """Return what to call where runs go: the server, or all of several."""
        return ", ".join(each.label for each in await self.servers()) if self._has_several else server.label

    async def schemas(self, class_types: Collection[str], *, fresh: bool = False) -> Schemas:
        """Return what the server says of node classes; of several, what any of those that answer takes."""
        if not self._has_several:
            return await (await self.server(class_types)).schemas(class_types, fresh=fresh)
        servers = await (await self._pool()).answering()
        return united(await asyncio.gather(*(server.schemas(class_types, fresh=fresh) for server in servers)))

    async def servers(self) -> list[ComfyUI]:
        """Return all servers of the kit, whether or not they answer."""
        return (await self._pool()).servers if self._has_several else [await self.server()]

    async def models(self, folder: str) -> list[str]:
        """Return the model files of a folder on any of the servers, in the order in which they are named first."""
        if self._has_several:
            return await (await self._pool()).models(folder)
        return await (await self.server()).models(folder)

    @property
    def count(self) -> int:
        """How many servers share the runs."""
        return max(1, len(self.access.wanted))

    @property
    def _has_several(self) -> bool:
        return len(self.access.wanted) > 1

    async def read(self, source: Source | Document | Workflow) -> Document | Workflow:
        """Read a workflow, as far as that takes no server; WorkflowError if it is none."""
        if isinstance(source, Workflow | Document):
            return source
        return read(source) if isinstance(source, dict) else await asyncio.to_thread(read, source)

    async def _choose(self, class_types: Collection[str]) -> tuple[ComfyUI, str]:
        from comfy_notebook.servers.connections import choose

        access = self.access
        wanted = access.wanted[0] if access.wanted else None
        server, note = await choose(wanted, access.api_key, access.cookies, class_types, verified=access.verified)
        if note and note not in self._said:
            self._said.add(note)
            _log.warning(note)
        return server, note

    async def _pool(self) -> Pool:
        from comfy_notebook.servers.connections import together

        access = self.access
        return await together(access.wanted, access.api_key, access.cookies, verified=access.verified)


async def accounted(work: Awaitable[ExecuteResult], attempt: Attempt, entry: Any) -> ExecuteResult:
    """Await a run, whose failure is a result, too, and have its end noted in its entry of the history."""
    try:
        result = await work
    except ComfyError as error:
        result = attempt.ended(error)
    except asyncio.CancelledError:
        entry.cancelled()
        raise
    await entry.ended(result)
    return result


def _history() -> Any:
    """Return what keeps account of runs.

    Against the direction of all other imports, so that every run is recorded, whoever asks for it and whether the
    history was ever looked at; and as late as the first run, so that none of it is loaded before.
    """
    from comfy_notebook.experiments.history import recording

    return recording
