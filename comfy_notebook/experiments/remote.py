"""What a worker does: runs one workflow on the ComfyUI beside it, and gives back the result with its files' content.

Everything that goes there and back is plain data, and the functions are found by name: any executor can send them.
"""

from __future__ import annotations

import contextlib
import hashlib
import platform
import threading
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from comfy_notebook.cache import default_cache
from comfy_notebook.errors import MediaError, NoServerError, RunLostError
from comfy_notebook.jobs import Attempt, Job
from comfy_notebook.kit import ComfyKit
from comfy_notebook.servers.downloads import RunFiles
from comfy_notebook.servers.portal import portal
from comfy_notebook.workflow.document import Workflow

if TYPE_CHECKING:
    from comfy_notebook.media import Media
    from comfy_notebook.results import ExecuteResult
    from comfy_notebook.workflow.graph import Graph
    from comfy_notebook.workflow.schema import NodeSchema

LARGEST, LARGEST_TOGETHER = 64 * 1024 * 1024, 256 * 1024 * 1024  # bytes of a file, and of a run's, that are sent back
_LOOK_SECONDS = 0.5  # between looks whether it is called off: another process has no other way to tell
_under_way: dict[str, Job] = {}
_ended: deque[str] = deque(maxlen=1000)  # those that were to end before they began
_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class Errand:
    """One run, as it is sent to a worker.

    Attributes
    ----------
    token
        What it is ended by.
    graph, name
        The workflow's.
    values
        Parameter name → value, files as :class:`MadeFile`.
    server
        Where the worker is to run it; None for the worker's own choice.
    host
        The machine that sends it.
    call_off
        A file on that machine; when it is there, or its folder is not, nobody wants the run any more.
    """

    token: str
    graph: Graph = field(repr=False)
    name: str
    values: dict[str, Any] = field(repr=False)
    server: str | None = None
    timeout: float | None = None
    host: str = ""
    call_off: str = ""


@dataclass(frozen=True, slots=True)
class Delivery:
    """What comes back from a worker: the result, and its files' content by digest."""

    result: ExecuteResult
    contents: dict[str, bytes] = field(repr=False)


def run_here(errand: Errand) -> Delivery:
    """Run an errand, blocking, and return what came back, also when it failed.

    Raises
    ------
    NoServerError, RunLostError
        If that is for want of a server: it may be tried again, here or on another worker.
    """
    job = _begun(errand)
    try:
        result = _awaited(job, errand)
    finally:
        with _lock:
            _under_way.pop(errand.token, None)
    if isinstance(result.error, NoServerError | RunLostError):
        raise result.error
    if errand.host != platform.node():
        result.server = f"{result.server} of {platform.node()}"
    return Delivery(result, portal.wait(_contents(result)))


def end_here(token: str) -> None:
    """End an errand, if it is under way in this process or comes later."""
    with _lock:
        job = _under_way.get(token)
        if job is None:
            _ended.append(token)
    if job is not None:
        job.cancel()


def look_here(class_types: set[str], server: str | None) -> dict[str, NodeSchema | None]:
    """Return what the worker's ComfyUI says of node classes: None for those that it lacks.

    Raises
    ------
    ServerError
        If none answers.
    """

    async def looked() -> dict[str, NodeSchema | None]:
        schemas = await (await ComfyKit(server).runner.server(class_types)).schemas(class_types)
        return {name: schemas[name] for name in class_types}

    return portal.wait(looked())


def _begun(errand: Errand) -> Job:
    workflow, runner = Workflow(errand.graph, errand.name), ComfyKit(errand.server).runner
    with _lock:
        job = _under_way[errand.token] = Job(
            lambda attempt, watch: runner.perform(
                workflow, errand.values, timeout=errand.timeout, watch=watch, attempt=attempt
            ),
            Attempt(recorded=False),
        )
        if errand.token in _ended:
            _ended.remove(errand.token)
            job.cancel()
    return job


def _awaited(job: Job, errand: Errand) -> ExecuteResult:
    """Wait for an errand's end, and see to it that one that is called off comes to it."""
    file = Path(errand.call_off) if errand.call_off and errand.host == platform.node() else None
    while True:
        if file is not None and (file.exists() or not file.parent.exists()):
            job.cancel()
        with contextlib.suppress(TimeoutError):
            return job.result(_LOOK_SECONDS)


async def _contents(result: ExecuteResult) -> dict[str, bytes]:
    """Return the content of the result's files by digest; what is too large for that is told in a warning."""
    contents: dict[str, bytes] = {}
    left = LARGEST_TOGETHER
    for media in result.media:
        try:
            content = await _content(media, min(left, LARGEST))
        except MediaError as error:
            result.warnings.append(error.message)
            continue
        if content is None:
            result.warnings.append(f"{media.filename} is too large to be sent along: it stays on {result.server}.")
        elif media.digest is not None and media.digest not in contents:
            contents[media.digest] = content
            left -= len(content)
    return contents


async def _content(media: Media, limit: int) -> bytes | None:
    """Return a file's content, by way of the cache, so that a large one never is in memory; None if it is too large."""
    if isinstance(media.origin, RunFiles):
        await media.origin.keep_all([media])
    kept = default_cache().path(media.digest) if media.digest else None
    if kept is not None and kept.stat().st_size > limit:
        return None
    content = await media.abytes()
    media.digest = media.digest or hashlib.sha256(content).hexdigest()
    return content if len(content) <= limit else None
