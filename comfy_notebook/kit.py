"""ComfyKit: what a user holds to run workflows, with ComfyKit's names.

Source: ComfyKit 0.1.12, docs/en/api-reference.md and configuration.md. Where its documentation and its code
disagree, this follows the documentation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Self

from comfy_notebook import settings
from comfy_notebook.jobs import Attempt, Batch, Job, Turn
from comfy_notebook.running import Access, Runner
from comfy_notebook.servers.address import shown
from comfy_notebook.servers.portal import portal

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence

    import pandas as pd

    from comfy_notebook.experiments.sweeps.result import SweepResult
    from comfy_notebook.media import Media
    from comfy_notebook.results import ExecuteResult
    from comfy_notebook.workflow.document import Workflow
    from comfy_notebook.workflow.sources import Source


class ComfyKit:
    """Runs workflows on a ComfyUI server, or on several.

    Cheap to make: nothing is connected before the first run, and all kits for one server share a connection.
    Usable from any thread and any event loop, as ``with`` and as ``async with``, or just so.

    Parameters
    ----------
    comfyui_url
        A URL such as ``"http://127.0.0.1:8188"``, with a prefix if there is one, or ``"embedded"`` for the
        built-in engine. Else the environment's COMFYUI_BASE_URL; else the ComfyUI on port 8188 of this machine;
        else, with a line that says so, the built-in engine if it can run the workflow.

        Several, as a list or as one text with spaces between, share the runs: each goes to the one with the shortest
        queue of those that have all its nodes and models, and those of a server that dies go on on the others.
    executor_type
        Accepted for ComfyKit's sake: both of its values mean the same here.
    api_key
        Sent to this server alone, as a bearer token. Else COMFYUI_API_KEY. Of several servers, to each that is named
        here, but to none whose URL has a login of its own (``http://user:password@host``); cookies likewise.
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
        comfyui_url: str | Sequence[str] | None = None,
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
        self.access = Access(
            settings.several(comfyui_url),
            settings.API_KEY.resolve(api_key),
            settings.COOKIES.resolve(cookies),
            settings.COMFY_ORG_API_KEY.resolve(comfy_org_api_key),
            verify,
        )
        self.runner = Runner(self.access)

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
        return await portal.cross(self.runner.perform(workflow, params or {}, timeout=timeout))

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
        return portal.wait(self.runner.perform(workflow, params or {}, timeout=timeout))

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
            lambda attempt, watch: self.runner.perform(
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
        runs are sent ahead, in this order, so that the server never waits for the next. The rest is as for
        :meth:`submit`.
        """
        given = dict(params or {})

        def job(number: int, turn: Turn) -> Job:
            return Job(
                lambda attempt, watch: self.runner.perform(
                    workflow, given, timeout=timeout, prefetch=prefetch, watch=watch, attempt=attempt
                ),
                Attempt(number, turn),
            )

        jobs: list[Job] = []
        turn = None
        for number in range(count):
            turn = Turn(turn)
            jobs.append(job(number, turn))
        return Batch(jobs)

    def sweep(
        self,
        workflow: Source | Workflow,
        values: Mapping[str, Any] | Sequence[Mapping[str, Any]] | pd.DataFrame | None = None,
        /,
        **options: Any,
    ) -> SweepResult:
        """Run a workflow once for every combination of values; :func:`comfy_notebook.sweep` has the options."""
        from comfy_notebook.experiments.sweeps.sweep import sweep  # which is made of this class

        return sweep(workflow, values, **{"server": self} | options)

    def attach(self, prompt_id: str) -> Job:
        """Pick up a run that the server has, by its id: one of another kernel, or of this one before it restarted.

        Its events go to whoever sent it, so that its progress is not seen; its outputs and its end are. If there is
        none of this id, the job's result says so.
        """
        return Job(lambda attempt, watch: self.runner.rejoin(prompt_id, attempt, watch))

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
        return portal.wait(self.runner.inspect(workflow))

    def models(self, folder: str = "checkpoints") -> list[str]:
        """Return the names of the model files that the server has in a folder; of several, what any of them has.

        Raises
        ------
        ServerError
            If there is no such folder, or no server.
        """
        return portal.wait(self.runner.models(folder))

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
        urls = [shown(url) for url in self.access.wanted] or [""]
        return f"ComfyKit({(urls if len(urls) > 1 else urls[0])!r})"


def load(workflow: Source | Workflow, server: str | Sequence[str] | None = None) -> Workflow:
    """Read a workflow to look at, before it runs or instead; see :meth:`ComfyKit.load`.

    Parameters
    ----------
    workflow
        As for :meth:`ComfyKit.execute`.
    server
        A URL, several, or "embedded" for the built-in engine; else the usual one, see :class:`ComfyKit`.
    """
    return ComfyKit(server).load(workflow)


class _Done:
    """Something done already that may be awaited all the same."""

    def __await__(self) -> Generator[Any, None, None]:
        return
        yield
