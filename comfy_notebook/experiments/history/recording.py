"""What the runner tells of each run, on its way into the history: begun before it is sent, ended before it is given.

No run fails, or waits for long, because it cannot be recorded: that is said in the log, once.
"""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from dataclasses import replace
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, TypeVar

from comfy_notebook import settings
from comfy_notebook.errors import ComfyError, RunCancelledError, RunLostError
from comfy_notebook.experiments.history import surroundings
from comfy_notebook.experiments.history.description import (
    describe,
    describe_unready,
    ending_words,
    outcome,
    secrets_of,
)
from comfy_notebook.experiments.history.encoding import plain, to_json
from comfy_notebook.experiments.history.keeping import keeper
from comfy_notebook.experiments.history.privacy import Secrets
from comfy_notebook.experiments.history.store import default_store
from comfy_notebook.experiments.history.writing import Beginning, delete_runs, end_run, insert_run, note_digest
from comfy_notebook.results import CANCELLED
from comfy_notebook.servers.address import login_of, shown
from comfy_notebook.servers.builtin import LABEL
from comfy_notebook.servers.connections import EMBEDDED
from comfy_notebook.workflow.binding import Binding

if TYPE_CHECKING:
    import concurrent.futures
    from collections.abc import Callable, Mapping

    from comfy_notebook.experiments.history.description import Description
    from comfy_notebook.experiments.history.store import Store, Writing
    from comfy_notebook.jobs import Attempt
    from comfy_notebook.media import Media
    from comfy_notebook.results import ExecuteResult
    from comfy_notebook.running import Access
    from comfy_notebook.servers.comfyui import ComfyUI
    from comfy_notebook.workflow.document import Workflow

T = TypeVar("T")

_WAIT_SECONDS = 5.0  # for a write, which takes a millisecond
_log = logging.getLogger("comfy_notebook")
_complained: set[Store] = set()


def recorded(access: Access, attempt: Attempt, source: Any, given: Mapping[str, Any]) -> Entry | Unrecorded:
    """Return where to tell of a new run."""
    return _telling(lambda: Entry(access, attempt, source, given)) if attempt.recorded else Unrecorded()


def elsewhere(access: Access, attempt: Attempt, workflow: Workflow, given: Mapping[str, Any]) -> Entry | Unrecorded:
    """Return where to tell of a run that another process performs."""
    return _telling(lambda: Elsewhere(access, attempt, workflow, given))


def resumed(access: Access, attempt: Attempt, prompt_id: str) -> Resumed | Unrecorded:
    """Return where to tell of a run that was picked up again."""
    return _telling(lambda: Resumed(access, attempt, prompt_id))


class Unrecorded:
    """Where a run is told of that is not to be recorded."""

    async def begun(self) -> None:
        """Take that the run is ready to be sent."""

    async def ended(self, result: ExecuteResult) -> None:
        """Take that it is over."""

    def cancelled(self) -> None:
        """Take that nobody waits for it any more."""


class _Telling:
    """What both kinds of entries share: the way to the store, on which nothing may fail."""

    def __init__(self, access: Access, attempt: Attempt) -> None:
        keeper.make_way()
        self._attempt = attempt
        self._secrets = Secrets([access.api_key, access.cookies, access.partner_key, *map(login_of, access.wanted)])
        self._store = default_store()
        self._learner = _Learner(self._store)

    async def ended(self, result: ExecuteResult) -> None:
        """Take that it is over; return when that is written."""
        await self._written(self._end(result))
        if self._attempt.run is not None:
            keeper.add(self._store, self._attempt.run.files, result.media)

    def cancelled(self) -> None:
        """Take that nobody waits for it any more, so that it was ended on the server."""
        error = RunCancelledError("The run was cancelled.")
        _heed(self._end(self._attempt.ended(error, CANCELLED)), self._store)

    def _end(self, result: ExecuteResult) -> concurrent.futures.Future[None]:
        if self._attempt.run is not None:
            self._attempt.run.files.learned = self._learner
        now = time.time()
        return self._store.write(lambda writing: self._write_end(writing, result, now))

    def _write_end(self, writing: Writing, result: ExecuteResult, now: float) -> None:
        raise NotImplementedError

    def _write_outcome(self, writing: Writing, run: int, result: ExecuteResult, now: float) -> None:
        columns = outcome(result, self._secrets) | {"ended": now}
        columns |= {"prompt_id": result.prompt_id} if result.prompt_id else {}
        end_run(writing, run, columns, result.media, ending_words(result, self._secrets))

    async def _written(self, future: concurrent.futures.Future[None]) -> None:
        _heed(future, self._store)
        done = asyncio.wrap_future(future)
        done.add_done_callback(lambda over: over.cancelled() or over.exception())
        await asyncio.wait({done}, timeout=_WAIT_SECONDS)


class _Learner:
    """Takes what becomes known of a run's files for as long as someone holds them; nothing more of the run."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.run: int | None = None  # its number, once it is written; set on the store's thread

    def __call__(self, media: Media) -> None:
        """Take that a file was read, and with it its digest; on any thread."""

        def note(writing: Writing) -> None:
            if self.run is not None:
                note_digest(writing, self.run, media)

        _heed(self._store.write(note), self._store)


class Entry(_Telling):
    """One run, as it is recorded."""

    def __init__(self, access: Access, attempt: Attempt, source: Any, given: Mapping[str, Any]) -> None:
        super().__init__(access, attempt)
        self._name, self._given = _name(source), given
        self._began, self._run_id = time.time(), str(uuid.uuid4())
        self._notebook, self._cell = surroundings.notebook(), surroundings.cell()

    async def begun(self) -> None:
        """Take that the run is ready to be sent; return when that is written, so that it can be found again.

        Again, where it goes on on another server: then it is another run there, and still one here.
        """
        self._began = time.time()
        if self._attempt.run is not None:
            self._run_id = self._attempt.run.prompt_id
        await self._written(self._store.write(self._write_beginning))

    def _write_beginning(self, writing: Writing) -> None:
        described = self._described()
        if self._learner.run is not None:  # it goes on elsewhere
            delete_runs(writing, [self._learner.run])
        self._learner.run = insert_run(writing, self._beginning(), described)

    def _write_end(self, writing: Writing, result: ExecuteResult, now: float) -> None:
        known = writing.connection.execute(
            "SELECT 1 FROM runs WHERE id = ? AND run_id = ?", (self._learner.run, self._run_id)
        ).fetchone()
        if known is None:  # it failed before it was sent, or its beginning could not be written
            self._write_beginning(writing)
        assert self._learner.run is not None  # noqa: S101 - just written
        self._write_outcome(writing, self._learner.run, result, now)

    def _beginning(self) -> Beginning:
        server, run = self._attempt.server, self._attempt.run
        cell = self._cell
        if cell is not None and "source" in cell:
            cell = cell | {"source": self._secrets.cleaned_source(cell["source"])}
        return Beginning(
            self._run_id,
            run.prompt_id if run is not None else None,
            self._began,
            server.label if server is not None else "",
            address_of(server) if server is not None else "",
            plain(self._secrets.cleaned(self._notebook or "")),
            to_json(cell) if cell is not None else None,
            self._attempt.labels,
        )

    def _described(self) -> Description:
        run = self._attempt.run
        if run is None:
            self._secrets = self._secrets.and_those_in(self._given)
            return describe_unready(self._name, self._given, self._secrets)
        return self._describe(run.workflow, run.binding)

    def _describe(self, workflow: Workflow, binding: Binding) -> Description:
        self._secrets = secrets_of(binding, self._secrets)
        return describe(workflow, binding, self._secrets)


class Elsewhere(Entry):
    """A run that another process performs for this one: it is recorded once it is over."""

    def __init__(self, access: Access, attempt: Attempt, workflow: Workflow, given: Mapping[str, Any]) -> None:
        super().__init__(access, attempt, workflow, given)
        self._workflow = workflow
        self._result: ExecuteResult | None = None

    async def ended(self, result: ExecuteResult) -> None:
        """Take that it is over, and what it was."""
        self._result, self._began = result, time.time() - (result.duration or 0.0)
        await super().ended(result)

    def _beginning(self) -> Beginning:
        beginning = super()._beginning()
        return beginning if self._result is None else replace(beginning, server=self._result.server)

    def _described(self) -> Description:
        if self._result is None or not self._result.workflow:
            return super()._described()
        return self._describe(self._workflow, Binding(self._result.workflow, self._result.params))


class Resumed(_Telling):
    """A run that another program, or another life of this one, began to record."""

    def __init__(self, access: Access, attempt: Attempt, prompt_id: str) -> None:
        super().__init__(access, attempt)
        self._prompt_id = prompt_id

    async def begun(self) -> None:
        """Take that the server has it."""

    async def ended(self, result: ExecuteResult) -> None:
        """Take that it is over, or that its server no longer knows it; another's silence says nothing."""
        if self._attempt.run is not None or isinstance(result.error, RunLostError):
            await super().ended(result)

    def cancelled(self) -> None:
        """Take that nobody waits for it any more, so that it was ended on the server."""
        if self._attempt.run is not None:
            super().cancelled()

    def _write_end(self, writing: Writing, result: ExecuteResult, now: float) -> None:
        server = self._attempt.server
        row = writing.connection.execute(
            "SELECT runs.id, address FROM runs JOIN origins ON origins.id = origin "
            "WHERE prompt_id = ? AND status = 'running'",
            (self._prompt_id,),
        ).fetchone()
        here = row is not None and server is not None and row["address"] == address_of(server)
        if row is not None and (here or self._attempt.run is not None):
            self._learner.run = int(row["id"])
            self._write_outcome(writing, self._learner.run, result, now)


def address_of(server: ComfyUI) -> str:
    """Return where a server is, as it is kept: the built-in engine's address is another one tomorrow."""
    return EMBEDDED if server.label == LABEL else server.address.url


def _telling(make: Callable[[], T]) -> T | Unrecorded:
    if not settings.is_history_on():
        return Unrecorded()
    try:
        return make()
    except Exception:  # noqa: BLE001 - whatever a notebook's surroundings are, the run matters more
        _log.warning("a run is not recorded", exc_info=True)
        return Unrecorded()


def _name(source: Any) -> str:
    """Return what to call a workflow that could not be read."""
    if isinstance(source, str | PurePath) and not str(source).lstrip().startswith(("{", "[")):
        return PurePath(shown(str(source)).partition("?")[0]).name[:200]
    return str(getattr(source, "name", "") or "the workflow")


def _heed(future: concurrent.futures.Future[Any], store: Store) -> None:
    """Say once what keeps runs from being recorded."""
    future.add_done_callback(lambda done: _complain(done.exception(), store))


def _complain(error: BaseException | None, store: Store) -> None:
    if error is None:
        return
    if store in _complained:
        _log.debug("a run was not recorded: %s", error)
        return
    _complained.add(store)
    if isinstance(error, ComfyError):
        _log.warning("Runs are not recorded. %s", error)
    else:
        _log.error("A run was not recorded.", exc_info=error)
