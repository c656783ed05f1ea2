"""ComfyKit: what a user holds to run workflows, with ComfyKit's names.

Source: ComfyKit 0.1.12, docs/en/api-reference.md and configuration.md. Where its documentation and its code
disagree, this follows the documentation.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Literal, Self

from comfy_notebook import settings
from comfy_notebook.errors import ComfyError, NoServerError, RunTimeoutError, WorkflowError
from comfy_notebook.jobs import Attempt, Batch, Job
from comfy_notebook.servers.address import shown
from comfy_notebook.servers.portal import portal
from comfy_notebook.workflow.binding import Binding, bind
from comfy_notebook.workflow.document import Workflow
from comfy_notebook.workflow.formats import Document
from comfy_notebook.workflow.reseeding import reseeded
from comfy_notebook.workflow.sources import read

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Generator, Mapping, Sequence

    from comfy_notebook.media import Media
    from comfy_notebook.results import ExecuteResult
    from comfy_notebook.servers.comfyui import ComfyUI
    from comfy_notebook.servers.following import Watch
    from comfy_notebook.workflow.sources import Source

_log = logging.getLogger("comfy_notebook")


class ComfyKit:
    """Runs workflows on a ComfyUI server.

    Cheap to make: nothing is connected before the first run, and all kits for one server share a connection.
    Usable from any thread and any event loop, as ``with`` and as ``async with``, or just so.

    Parameters
    ----------
    comfyui_url
        A URL such as ``"http://127.0.0.1:8188"``, with a prefix if there is one, or ``"embedded"`` for the
        built-in engine. Else the environment's COMFYUI_BASE_URL; else the ComfyUI on port 8188 of this machine;
        else, with a line that says so, the built-in engine if it can run the workflow.
    executor_type
        Accepted for ComfyKit's sake: both of its values mean the same here.
    api_key
        Sent to this server alone, as a bearer token. Else COMFYUI_API_KEY.
    cookies
        Sent to this server alone: ``"name=value; ..."``, a JSON object, or a URL that answers with either.
        Else COMFYUI_COOKIES.
    comfy_org_api_key
        comfy.org's key for partner nodes, sent along with each run. Else COMFY_ORG_API_KEY.
    verify
        False lets this one server's certificate be any: anyone on the way may then read what is sent, the key, too. A
        certificate of one's own is better trusted through the environment's SSL_CERT_FILE.
    runninghub_url, runninghub_api_key, runninghub_timeout, runninghub_retry_count, runninghub_instance_type
        Accepted for ComfyKit's sake and not used: workflows run on ComfyUI servers, and a RunningHub workflow id
        is told so.
    """

    def __init__(
        self,
        comfyui_url: str | None = None,
        executor_type: Literal["http", "websocket"] = "http",  # noqa: ARG002
        api_key: str | None = None,
        cookies: str | None = None,
        *,
        comfy_org_api_key: str | None = None,
        verify: bool = True,
        runninghub_url: str | None = None,  # noqa: ARG002
        runninghub_api_key: str | None = None,  # noqa: ARG002
        runninghub_timeout: int | None = None,  # noqa: ARG002
        runninghub_retry_count: int | None = None,  # noqa: ARG002
        runninghub_instance_type: str | None = None,  # noqa: ARG002
    ) -> None:
        self._wanted = settings.SERVER.resolve(comfyui_url)
        self._api_key = settings.API_KEY.resolve(api_key)
        self._cookies = settings.COOKIES.resolve(cookies)
        self._partner_key = settings.COMFY_ORG_API_KEY.resolve(comfy_org_api_key)
        self._verify = verify
        self._said: set[str] = set()

    async def execute(
        self,
        workflow: Source | Workflow,
        params: Mapping[str, Any] | None = None,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - it becomes a result
    ) -> ExecuteResult:
        """Run a workflow and wait for its end.

        Parameters
        ----------
        workflow
            A path, a URL, JSON text or a dict, as ComfyUI's Save or Export (API) writes it; a picture, video or
            audio file that ComfyUI made, or a result's media; a result, whose graph runs again; a loaded Workflow.
        params
            Parameter name → value. A name is one that the workflow's author marked; ``prompt`` or
            ``negative_prompt``; an input's own name where only one node has it; the node's title and the input
            (``"upscale_model.scale_by"``); or any node's input as ``"6.text"`` or ``"KSampler.seed"``. A seed may
            be ``"random"``. Files may be paths, URLs, bytes, PIL images, numpy arrays, or an earlier result's
            media; a pair of pictures is a picture and its mask.
        timeout
            Seconds after which it is stopped, waiting in the queue included: then it failed, with the outputs that
            it had.

        Returns
        -------
        ExecuteResult
            Also when something is wrong, be it with the workflow, a value, the server or a node: then ``status`` is
            "failed" or "cancelled", ``msg`` says what happened, and ``error`` has the details.
        """
        return await portal.cross(self.perform(workflow, params or {}, timeout=timeout))

    async def execute_json(
        self,
        workflow_json: Mapping[str, Any],
        params: Mapping[str, Any] | None = None,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - it becomes a result
    ) -> ExecuteResult:
        """Run a workflow given as a dict; the same as :meth:`execute`."""
        return await self.execute(workflow_json, params, timeout=timeout)

    def run(
        self, workflow: Source | Workflow, params: Mapping[str, Any] | None = None, *, timeout: float | None = None
    ) -> ExecuteResult:
        """Run a workflow and block until its end; the same as :meth:`execute` without ``await``.

        Works in a script, in IPython and in a notebook. Ctrl-C cancels the run on the server.
        """
        return portal.wait(self.perform(workflow, params or {}, timeout=timeout))

    def submit(
        self,
        workflow: Source | Workflow,
        params: Mapping[str, Any] | None = None,
        *,
        timeout: float | None = None,
        prefetch: Callable[[Sequence[Media]], None] | None = None,
    ) -> Job:
        """Run a workflow in the background, and return at once.

        Parameters
        ----------
        workflow, params, timeout
            As for :meth:`execute`.
        prefetch
            Called on a thread of ours with the files of each node as soon as it has them.
        """
        given = dict(params or {})
        return Job(
            lambda attempt, watch: self.perform(
                workflow, given, timeout=timeout, prefetch=prefetch, watch=watch, attempt=attempt
            )
        )

    def submit_many(
        self,
        workflow: Source | Workflow,
        params: Mapping[str, Any] | None,
        count: int,
        *,
        timeout: float | None = None,
        prefetch: Callable[[Sequence[Media]], None] | None = None,
    ) -> Batch:
        """Run a workflow ``count`` times in the background, each time with other seeds, and return at once.

        A seed among ``params`` is that of the first run, and the next ones count on from it; all others are drawn. All
        runs are sent ahead, so that the server never waits for the next. The rest is as for :meth:`submit`.
        """
        given = dict(params or {})

        def job(number: int) -> Job:
            return Job(
                lambda attempt, watch: self.perform(
                    workflow, given, timeout=timeout, prefetch=prefetch, watch=watch, attempt=attempt
                ),
                Attempt(number),
            )

        return Batch([job(number) for number in range(count)])

    def attach(self, prompt_id: str) -> Job:
        """Pick up a run that the server has, by its id: one of another kernel, or of this one before it restarted.

        Its events go to whoever sent it, so that its progress is not seen; its outputs and its end are. If there is
        none of this id, the job's result says so.
        """
        return Job(lambda attempt, watch: self._rejoin(prompt_id, attempt, watch))

    def load(self, workflow: Source | Workflow) -> Workflow:
        """Read a workflow, and what this kit's server says of its nodes, without running it.

        Parameters
        ----------
        workflow
            As for :meth:`execute`.

        Returns
        -------
        Workflow
            Without types, ranges and choices if no server answers.

        Raises
        ------
        WorkflowError
            If it cannot be read, or is no workflow, or cannot be converted from the editor's format.
        NoServerError
            If it is in the editor's format, which only a server's schemas can convert, and no server answers.
        """
        return portal.wait(self.inspect(workflow))

    def models(self, folder: str = "checkpoints") -> list[str]:
        """Return the names of the model files that the server has in a folder.

        Raises
        ------
        ServerError
            If there is no such folder, or no server.
        """
        return portal.wait(self._models(folder))

    def close(self) -> _Done:
        """End the use of this kit. It may be awaited, as ComfyKit's, and need not be.

        Connections are shared between kits and end with the process, so there is nothing to wait for.
        """
        return _Done()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"ComfyKit({shown(self._wanted or '')!r})"

    # -- the way of one run, on the portal's loop ------------------------------------------------------

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

        To be awaited on the portal's loop. ``prefetch`` and ``watch`` are those of ``ComfyUI.execute``; ``attempt``
        takes what becomes known of the run.
        """
        attempt = attempt or Attempt()
        try:
            async with asyncio.timeout(timeout) as limit:
                result = await self._perform(source, given, prefetch, watch, attempt)
        except TimeoutError:
            if not limit.expired():
                raise
            error = RunTimeoutError(f"The run was stopped: it was not over after {timeout:g} s.")
            result = attempt.ended(error)
        except ComfyError as error:
            result = attempt.ended(error)
        said = result.error.message if result.error else result.counts()
        _log.info("%s on %s: %s", result.status, result.server or "no server", said)
        return result

    async def _perform(
        self,
        source: Source | Document | Workflow,
        given: Mapping[str, Any],
        prefetch: Callable[[Sequence[Media]], None] | None,
        watch: Watch | None,
        attempt: Attempt,
    ) -> ExecuteResult:
        document = await self._read(source)
        server, note = await self._choose(document.class_types)
        attempt.server, attempt.warnings = server, [note] if note else []
        workflow = await self._workflow(server, document)
        attempt.workflow = workflow.graph
        values = given if attempt.number is None else reseeded(workflow, given, attempt.number)
        binding = await self._bind(server, workflow, values)
        run = attempt.run = server.prepare(workflow, binding)
        extra = {"api_key_comfy_org": self._partner_key} if self._partner_key else {}
        result = await server.execute(run, extra_data=extra, prefetch=prefetch, watch=watch)
        result.warnings[:0] = attempt.warnings
        return result

    async def _rejoin(self, prompt_id: str, attempt: Attempt, watch: Watch) -> ExecuteResult:
        try:
            attempt.server = await self.server()
            attempt.run = await attempt.server.find(prompt_id)
            return await attempt.server.rejoin(attempt.run, watch)
        except ComfyError as error:
            return attempt.ended(error)

    async def inspect(self, source: Source | Document | Workflow) -> Workflow:
        """Read a workflow, as :meth:`load`; to be awaited on the portal's loop."""
        document = await self._read(source)
        try:
            server, _ = await self._choose(document.class_types)
            return await self._workflow(server, document)
        except NoServerError as error:
            if isinstance(document, Workflow) or not document.is_editors:
                return document.workflow({})
            error.hint = f"{error.hint or ''} {document.name} is as the editor saves it: converting it takes a server."
            raise

    async def server(self, class_types: Collection[str] = ()) -> ComfyUI:
        """Return the server that a workflow of these classes would run on; to be awaited on the portal's loop."""
        return (await self._choose(class_types))[0]

    async def _read(self, source: Source | Document | Workflow) -> Document | Workflow:
        if isinstance(source, Workflow | Document):
            return source
        return read(source) if isinstance(source, dict) else await asyncio.to_thread(read, source)

    async def _choose(self, class_types: Collection[str]) -> tuple[ComfyUI, str]:
        from comfy_notebook.servers.connections import choose

        server, note = await choose(self._wanted, self._api_key, self._cookies, class_types, verified=self._verify)
        if note and note not in self._said:
            self._said.add(note)
            _log.warning(note)
        return server, note

    async def _workflow(self, server: ComfyUI, document: Document | Workflow) -> Workflow:
        """Make a Workflow with the server's schemas; what the kept ones cannot convert is tried on fresh ones."""
        class_types = document.class_types
        schemas = await server.schemas(class_types)
        try:
            return document.workflow(schemas, server.label)
        except WorkflowError:
            schemas = await server.schemas(class_types, fresh=True)
            return document.workflow(schemas, server.label)

    async def _bind(self, server: ComfyUI, workflow: Workflow, given: Mapping[str, Any]) -> Binding:
        """Bind and upload; what the kept schemas refuse is tried on fresh ones, as lists of files change."""
        schemas = await server.schemas(workflow.class_types)
        try:
            binding = bind(workflow, given, schemas)
        except ComfyError:
            binding = bind(workflow, given, await server.schemas(workflow.class_types, fresh=True))
        await server.upload(binding)
        return binding

    async def _models(self, folder: str) -> list[str]:
        return await (await self.server()).models(folder)


def load(workflow: Source | Workflow, server: str | None = None) -> Workflow:
    """Read a workflow to look at, before it runs or instead; see :meth:`ComfyKit.load`.

    Parameters
    ----------
    workflow
        As for :meth:`ComfyKit.execute`.
    server
        A URL, or "embedded" for the built-in engine; else the usual one, see :class:`ComfyKit`.
    """
    return ComfyKit(server).load(workflow)


class _Done:
    """Something done already that may be awaited all the same."""

    def __await__(self) -> Generator[Any, None, None]:
        return
        yield
