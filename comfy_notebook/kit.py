"""ComfyKit: what a user holds to run workflows, with ComfyKit's names.

Source: ComfyKit 0.1.12, docs/en/api-reference.md and configuration.md. Where its documentation and its code
disagree, this follows the documentation.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Literal, Self

from comfy_notebook import settings
from comfy_notebook.errors import ComfyError
from comfy_notebook.results import ExecuteResult
from comfy_notebook.servers.address import shown
from comfy_notebook.servers.portal import portal
from comfy_notebook.workflow.binding import Binding, bind
from comfy_notebook.workflow.sources import load

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping
    from pathlib import Path

    from comfy_notebook.servers.comfyui import ComfyUI
    from comfy_notebook.servers.following import Run
    from comfy_notebook.workflow.document import Workflow

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
        self._said: set[str] = set()

    async def execute(
        self, workflow: str | Path | Mapping[str, Any] | Workflow, params: Mapping[str, Any] | None = None
    ) -> ExecuteResult:
        """Run a workflow and wait for its end.

        Parameters
        ----------
        workflow
            A path, a URL, JSON text, a dict, or a loaded Workflow, in ComfyUI's API format.
        params
            Parameter name → value. A name is one that the workflow's author marked, an input's own name where
            only one node has it, or any node's input as ``"6.text"``. Files may be paths, URLs, bytes, PIL images,
            numpy arrays, or an earlier result's media.

        Returns
        -------
        ExecuteResult
            Also when something is wrong, be it with the workflow, a value, the server or a node: then ``status`` is
            "failed" or "cancelled", ``msg`` says what happened, and ``error`` has the details.
        """
        return await portal.cross(self.perform(workflow, params or {}))

    async def execute_json(
        self, workflow_json: Mapping[str, Any], params: Mapping[str, Any] | None = None
    ) -> ExecuteResult:
        """Run a workflow given as a dict; the same as :meth:`execute`."""
        return await self.execute(workflow_json, params)

    def run(
        self, workflow: str | Path | Mapping[str, Any] | Workflow, params: Mapping[str, Any] | None = None
    ) -> ExecuteResult:
        """Run a workflow and block until its end; the same as :meth:`execute` without ``await``.

        Works in a script, in IPython and in a notebook. Ctrl-C cancels the run on the server.
        """
        return portal.wait(self.perform(workflow, params or {}))

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
        source: str | Path | Mapping[str, Any] | Workflow,
        given: Mapping[str, Any],
        *,
        prefetch: bool = False,
        watch: Callable[[Run], None] | None = None,
    ) -> ExecuteResult:
        """Load, bind, upload, submit, follow, collect: one run, whose failure is a result, too.

        To be awaited on the portal's loop. ``prefetch`` and ``watch`` are those of ``ComfyUI.execute``.
        """
        known: dict[str, Any] = {}
        try:
            workflow = await self._load(source)
            known["workflow"] = workflow.graph
            server, note = await self._choose(workflow)
            known |= {"server": server.label, "warnings": [note] if note else []}
            binding = await self._bind(server, workflow, given)
            known |= {"params": binding.params, "workflow": binding.graph}
            extra = {"api_key_comfy_org": self._partner_key} if self._partner_key else {}
            result = await server.execute(workflow, binding, extra_data=extra, prefetch=prefetch, watch=watch)
        except ComfyError as error:
            return ExecuteResult.failure(error, **known)
        result.warnings[:0] = known["warnings"]
        return result

    async def server(self, workflow: Workflow | None = None) -> ComfyUI:
        """Return the server that a workflow would run on; to be awaited on the portal's loop."""
        return (await self._choose(workflow))[0]

    async def _load(self, source: str | Path | Mapping[str, Any] | Workflow) -> Workflow:
        return load(source) if isinstance(source, dict) else await asyncio.to_thread(load, source)

    async def _choose(self, workflow: Workflow | None) -> tuple[ComfyUI, str]:
        from comfy_notebook.servers.connections import choose

        class_types = workflow.class_types if workflow else set()
        server, note = await choose(self._wanted, self._api_key, self._cookies, class_types)
        if note and note not in self._said:
            self._said.add(note)
            _log.warning(note)
        return server, note

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


class _Done:
    """Something done already that may be awaited all the same."""

    def __await__(self) -> Generator[Any, None, None]:
        return
        yield
