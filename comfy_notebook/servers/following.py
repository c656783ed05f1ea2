"""Follows one run from its submission to its end.

The run's id is ours, chosen before it is sent, and its feed is open before that, so that no event finds nobody
waiting. It is over when the server says so. Where events may be missing, or none came for long, the server's
queue and history are asked; a run that neither of them knows is lost. So no run waits without an end while the
server answers, and none is sent twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from comfy_notebook.errors import RunLostError, ServerError
from comfy_notebook.servers.progress import RunState, passed_over

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from comfy_notebook.media import Media
    from comfy_notebook.servers.downloads import RunFiles
    from comfy_notebook.servers.events import Event
    from comfy_notebook.servers.http import Api
    from comfy_notebook.servers.socket import EventSocket
    from comfy_notebook.workflow.binding import Binding
    from comfy_notebook.workflow.document import Workflow

QUIET_SECONDS = 30.0  # without an event, after which the server is asked
GRACE_SECONDS = 2.0  # for the end to be announced, once the outcome is known
BLIND_SECONDS = (0.1, 2.0)  # first and longest pause between questions where there are no events
AWAY_SECONDS = 60.0  # for a server that stopped answering to come back
MOVE_SECONDS = 5.0  # the same where the run can go on elsewhere
_log = logging.getLogger(__name__)
Watch: TypeAlias = "Callable[[Run, Event], None]"


@dataclass(slots=True)
class Run:
    """One run on its way: what was sent, and how far it is.

    Attributes
    ----------
    began
        The monotonic time at which it was sent, in seconds.
    files
        Where its media come from.
    warnings
        What a user should know though the run goes on.
    prefetched
        The nodes whose files are on their way already.
    media
        The media that were made so far, so that each file is one object.
    accepted
        Whether the server has answered the submit.
    on_accepted
        Called when it has.
    rejoined
        Whether it was sent by another process, or another life of this one.
    """

    workflow: Workflow
    binding: Binding
    files: RunFiles
    prompt_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    rejoined: bool = False
    state: RunState = field(default_factory=RunState)
    warnings: list[str] = field(default_factory=list)
    prefetched: set[str] = field(default_factory=set)
    media: dict[tuple[str, str], Media] = field(default_factory=dict)
    accepted: bool = False
    on_accepted: Callable[[], None] | None = None
    began: float = field(default_factory=time.monotonic)

    @property
    def duration(self) -> float | None:
        """From submit to last output, or until now; as the server says of one that was rejoined, if it does."""
        if self.rejoined:
            return self.state.server_seconds
        return (self.state.last_output or time.monotonic()) - self.began

    @property
    def seconds(self) -> float | None:
        """How long the server worked on it, or does until now; None while it waits, and where that was not heard."""
        state = self.state
        if state.server_seconds is not None or state.began is None:
            return state.server_seconds
        return time.monotonic() - state.began

    @property
    def cached(self) -> set[str]:
        """The nodes whose results the server had."""
        return self.workflow.graph.keys() & self.state.cached

    @property
    def skipped(self) -> set[str]:
        """The nodes that need not run, as far as that is known: those of a branch that was not taken."""
        begun = self.state.fractions
        done = {node for node, fraction in begun.items() if fraction == 1}
        return passed_over(self.workflow.graph, done | self.state.cached, begun) - self.workflow.outputs.keys()

    @property
    def progress(self) -> float:
        """How much of the workflow is done, 0 to 1: nodes that are or need not be, and fractions of those that run."""
        nodes = self.workflow.graph
        spared = self.cached | self.skipped
        done = len(spared) + sum(self.state.fractions.get(node, 0.0) for node in nodes.keys() - spared)
        return done / len(nodes) if nodes else 1.0

    def accept(self) -> None:
        """Take that the server has it."""
        self.accepted = True
        if self.on_accepted is not None:
            self.on_accepted()

    def title(self, node_id: str | None) -> str:
        """Return a node's title as users know it, else its class, else ""."""
        node = self.workflow.graph.get(node_id or "", {})
        return self.workflow.title(node_id or "") or str(node.get("class_type") or "")


class Follower:
    """Brings a run's state up to date until it is over.

    ``elsewhere`` tells whether the run could go on elsewhere: then a server that is away is not waited for so long.
    """

    def __init__(
        self,
        api: Api,
        socket: EventSocket,
        run: Run,
        watch: Watch | None,
        elsewhere: Callable[[], Awaitable[bool]] | None = None,
    ) -> None:
        self._api = api
        self._socket = socket
        self._run = run
        self._watch = watch
        self._elsewhere = elsewhere
        self._pause = BLIND_SECONDS[0]
        self._away_since: float | None = None
        self._reopening: asyncio.Task[None] | None = None
        self.feed = socket.follow(run.prompt_id, self._take)

    def rename(self, prompt_id: str) -> None:
        """Follow the run under the id that the server chose for it."""
        self._socket.unfollow(self.feed)
        self._run.prompt_id = prompt_id
        self.feed = self._socket.follow(prompt_id, self._take)

    def close(self) -> None:
        """Hear no more of the run."""
        self._socket.unfollow(self.feed)
        if self._reopening is not None:
            self._reopening.cancel()

    async def follow(self) -> None:
        """Return once the run is over and its outputs are known.

        Raises
        ------
        RunLostError
            If the server no longer knows the run, or stopped answering for good.
        """
        state, feed = self._run.state, self.feed
        feed.idle = told = False  # what was said of the queue before the run was in it says nothing of it
        while not state.over:
            patience = self._patience()
            await feed.wait(patience)
            silent = time.monotonic() - feed.heard >= patience
            if not state.over and (silent or feed.adrift):
                told = await self._ask()
        if not told and self._in_doubt():
            await self._read_history()

    def _take(self, event: Event) -> bool:
        """Take an event into account, and say whether there is something to do."""
        state = self._run.state
        state.apply(event)
        if self._watch is not None:
            try:
                self._watch(self._run, event)
            except Exception:  # noqa: BLE001 - a watcher of any kind, and the run matters more
                _log.exception("what watches a run failed, and no longer watches")
                self._watch = None
        return state.over or state.verdict is not None

    def _patience(self) -> float:
        """Return how many seconds may pass without an event before the server is asked."""
        if self.feed.adrift:
            self._pause = min(self._pause * 1.5, BLIND_SECONDS[1])
            return self._pause
        return GRACE_SECONDS if self._run.state.verdict or self.feed.idle else QUIET_SECONDS

    def _in_doubt(self) -> bool:
        """Whether events may be missing, by what is known of the connection, or by an output that did not come."""
        state, feed = self._run.state, self.feed
        return feed.adrift or feed.garbled or state.began is None or state.verdict is None or self._lacks_outputs()

    def _lacks_outputs(self) -> bool:
        state = self._run.state
        came = {state.display_nodes.get(node, node) for node in state.outputs}
        return not self._run.workflow.outputs.keys() <= came

    async def _ask(self) -> bool:
        """Ask the server how the run stands, and return whether it told the outcome.

        One that is away is borne with for a while.
        """
        told = False
        try:
            told = await self._settle()
            self._away_since = None
        except ServerError as error:
            self._away_since = self._away_since or time.monotonic()
            if await self._gives_up(time.monotonic() - self._away_since):
                why = f"The server stopped answering while it ran this: {error.message}"
                raise _lost(why, error.hint, server_lost=True) from error
        if self.feed.adrift and not self._run.state.over and self._reopening is None:
            self._reopening = asyncio.create_task(self._reopen())
        return told

    async def _gives_up(self, away: float) -> bool:
        """Whether a server that was away for so many seconds will not be waited for any longer."""
        if away > AWAY_SECONDS:
            return True
        return away > MOVE_SECONDS and self._elsewhere is not None and await self._elsewhere()

    async def _reopen(self) -> None:
        """Open the socket again, for its word that the queue changed; the run is asked after meanwhile."""
        with contextlib.suppress(ServerError):
            await self._socket.open()

    async def _settle(self) -> bool:
        """Read the queue, then the history, in which a run that left the queue appears a moment later.

        Returns whether the history told the outcome.
        """
        run = self._run
        for _ in range(3):
            running, pending = await self._api.queue()
            run.state.started |= any(item[1] == run.prompt_id for item in running)
            if any(item[1] == run.prompt_id for item in [*running, *pending]):
                return False
            entry = await self._api.history(run.prompt_id)
            if entry is not None:
                run.state.read_history(entry)
                return True
            await asyncio.sleep(BLIND_SECONDS[0])
        if run.state.verdict is not None:  # we saw its end; only its history is gone
            run.state.over = True
            return False
        raise _lost(
            "The server no longer knows this run: it was restarted, or someone took the run out of the queue "
            "or cleared the history.",
            "It was not sent again; run the cell again if you want it.",
            server_lost=self.feed.adrift,
        )

    async def _read_history(self) -> None:
        """Take the outputs from the history, because events may be missing.

        It may be written a moment later; if outputs are missing, a server that does not answer is borne with for long.
        """
        run, began = self._run, time.monotonic()
        while True:
            patience, why, away = GRACE_SECONDS, "the server's history does not have it.", False
            try:
                entry = await self._api.history(run.prompt_id)
            except ServerError as error:
                entry, why, away = None, error.message, True
                patience = AWAY_SECONDS if self._lacks_outputs() else GRACE_SECONDS
            if entry is not None:
                run.state.read_history(entry)
                return
            if time.monotonic() - began >= patience:
                break
            await asyncio.sleep(BLIND_SECONDS[0])
        if run.state.verdict is None:
            raise _lost(f"The run has ended, but how cannot be found out: {why}", None, server_lost=away)
        run.warnings.append(f"Outputs of this run may be missing, as events were lost and {why}")


def _lost(message: str, hint: str | None, *, server_lost: bool) -> RunLostError:
    error = RunLostError(message, hint=hint)
    error.server_lost = server_lost
    return error
