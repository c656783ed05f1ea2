"""One WebSocket to one server, and which of its events belong to which run.

Invariants: each connection has a client id of its own, because two sockets with one id go deaf. The reader
never waits on anyone: events are taken into account as they come, and those of unknown runs are kept for a while,
because a run's first events may come before the answer that names it. When a connection ends, every feed is
told, and its run asks the server how it stands.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
import uuid
from collections import deque
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from comfy_notebook.errors import ServerError
from comfy_notebook.servers.events import (
    Ended,
    Event,
    Executing,
    Preview,
    QueueStatus,
    Started,
    is_garbled,
    read_binary,
    read_text,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from comfy_notebook.servers.address import Address

_OPEN_SECONDS = 10.0
_REFUSED_SECONDS = 15.0  # in which a socket that did not open is not tried again
_PING_SECONDS, _PONG_SECONDS = 20.0, 60.0  # a server that loads a model may not answer for long
_KEPT_EVENTS, _KEPT_SECONDS = 2_000, 60.0
_frames_log = logging.getLogger(f"{__name__}.frames")
_frames_log.setLevel(logging.INFO)  # at DEBUG, the library writes the headers down, and with them credentials
_FLAGS = json.dumps({"type": "feature_flags", "data": {"supports_preview_metadata": True}})


class Feed:
    """The events of one run, handed to whoever follows it as they come.

    Attributes
    ----------
    adrift
        Whether events may be missing: the connection under which the run was sent is gone.
    garbled
        Whether a frame came that could not be read: events may be missing, though the connection stands.
    idle
        Whether nobody has a run in the server's queue, by its last word: ours is over, or was taken out.
    heard
        The monotonic time of the last event, or of the feed's start.
    """

    def __init__(self, prompt_id: str, take: Callable[[Event], bool]) -> None:
        self.prompt_id = prompt_id
        self.adrift = False
        self.garbled = False
        self.idle = False
        self.heard = time.monotonic()
        self._take = take
        self._news = asyncio.Event()

    def put(self, event: Event) -> None:
        """Hand an event over; ``wait`` returns if it is one to act on."""
        self.heard = time.monotonic()
        self.idle = False
        if self._take(event):
            self._news.set()

    def tell(self, event: QueueStatus) -> None:
        """Hand over what is said to everyone: no sign of life of this run."""
        self._take(event)

    def wake(self) -> None:
        """Make ``wait`` return, because something may have happened that has no event."""
        self._news.set()

    async def wait(self, timeout: float) -> None:  # noqa: ASYNC109
        """Wait for an event to act on, ``timeout`` seconds at most."""
        if not self._news.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout):
                    await self._news.wait()
        self._news.clear()


class _NoRedirect(connect):
    """Follows no redirect: the headers hold credentials for one origin."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


class EventSocket:
    """The WebSocket of one server, opened when it is first needed and again when it was lost.

    ``losses`` counts how often it was lost: then the server may have been restarted. ``heard_queue`` is called with
    the number of runs that are queued or running, everyone's, whenever the server tells it.
    """

    def __init__(self, address: Address, heard_queue: Callable[[int], None]) -> None:
        self._address = address
        self._heard_queue = heard_queue
        self._connection: ClientConnection | None = None
        self._reader: asyncio.Task[None] | None = None
        self._client_id = ""
        self._opening = asyncio.Lock()
        self._refusal: tuple[float, ServerError] | None = None
        self._closed = False
        self.losses = 0
        self._feeds: dict[str, Feed] = {}
        self._unclaimed: deque[tuple[float, Event]] = deque(maxlen=_KEPT_EVENTS)
        self._running: str | None = None

    @property
    def is_open(self) -> bool:
        """Whether there is a connection, as far as is known."""
        return self._connection is not None

    async def open(self, *, again: bool = False) -> str:
        """Connect if need be, and return the client id to submit under.

        ``again`` tries, too, what did not work a moment ago.

        Raises
        ------
        ServerError
            If there is no WebSocket to be had, or was none a moment ago, or it was closed.
        """
        async with self._opening:
            if self._connection is None:
                if not again and self._refusal is not None and time.monotonic() - self._refusal[0] < _REFUSED_SECONDS:
                    raise self._refusal[1]
                try:
                    await self._connect()
                except ServerError as error:
                    self._refusal = time.monotonic(), error
                    raise
            return self._client_id

    def follow(self, prompt_id: str, take: Callable[[Event], bool]) -> Feed:
        """Begin to hand over a run's events, first those that came already.

        ``take`` is called for each on the reader's own time, so it must be quick and must not raise; it says
        whether whoever waits on the feed should look.
        """
        feed = self._feeds[prompt_id] = Feed(prompt_id, take)
        kept = [entry for entry in self._unclaimed if entry[1].prompt_id == prompt_id]
        for entry in kept:
            self._unclaimed.remove(entry)
            feed.put(entry[1])
        return feed

    def unfollow(self, feed: Feed) -> None:
        """Stop handing over."""
        if self._feeds.get(feed.prompt_id) is feed:
            del self._feeds[feed.prompt_id]

    async def close(self) -> None:
        """Close the connection for good: one that is being opened is given up, and no other follows."""
        self._closed = True
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)
        if self._connection is not None:  # the reader, which closes it, had not begun
            connection, self._connection = self._connection, None
            await connection.close()

    async def _connect(self) -> None:
        client_id = uuid.uuid4().hex
        self._stay_closed()
        try:
            async with asyncio.timeout(_OPEN_SECONDS), AsyncExitStack() as stack:
                connection = await stack.enter_async_context(self._handshake(client_id))
                await connection.send(_FLAGS)  # has to be the first message, or it is ignored
                self._dispatch(await connection.recv())  # the status: from here on no event is missed
                self._stay_closed()
                stack.pop_all()
        except (OSError, TimeoutError, WebSocketException) as error:
            raise ServerError(
                f"{self._address.url} answers, but its WebSocket does not open: {error or type(error).__name__}.",
                hint="Does something in front of ComfyUI let WebSockets through?",
            ) from error
        self._connection, self._client_id = connection, client_id
        self._reader = asyncio.create_task(self._read(connection))

    def _stay_closed(self) -> None:
        if self._closed:
            raise ServerError(f"The connection to {self._address.url} was closed.")

    def _handshake(self, client_id: str) -> connect:
        return _NoRedirect(
            f"{self._address.socket_url}/ws?clientId={client_id}",
            additional_headers=self._address.headers,
            ssl=self._address.tls(),
            proxy=None if self._address.is_loopback else True,
            logger=_frames_log,
            compression=None,  # pictures do not shrink, and the rest is small
            max_size=None,
            ping_interval=_PING_SECONDS,
            ping_timeout=_PONG_SECONDS,
            close_timeout=1.0,
        )

    async def _read(self, connection: ClientConnection) -> None:
        try:
            async for frame in connection:
                self._dispatch(frame)
        except ConnectionClosed:
            pass  # told to the feeds below, as an orderly end is
        finally:
            self._connection = None
            self.losses += 1
            for feed in self._feeds.values():
                feed.adrift = True
                feed.wake()
            await connection.close()

    def _dispatch(self, frame: str | bytes) -> None:
        event = read_text(frame) if isinstance(frame, str) else read_binary(frame)
        if isinstance(event, QueueStatus):
            self._note_queue(event)
        elif isinstance(event, Preview) and event.prompt_id is None:
            self._deliver_unnamed(event)
        elif event is not None and event.prompt_id is not None:
            self._note_running(event, event.prompt_id)
            self._deliver(event, event.prompt_id)
        elif isinstance(frame, str) and is_garbled(frame):
            for feed in self._feeds.values():
                feed.garbled = True

    def _deliver(self, event: Event, prompt_id: str) -> None:
        feed = self._feeds.get(prompt_id)
        if feed is not None:
            feed.put(event)
            return
        now = time.monotonic()
        while self._unclaimed and now - self._unclaimed[0][0] > _KEPT_SECONDS:
            self._unclaimed.popleft()
        if not isinstance(event, Preview):
            self._unclaimed.append((now, event))

    def _deliver_unnamed(self, event: Preview) -> None:
        """Deliver a preview of old, which does not say of which run it is: it is of the one that runs."""
        feed = self._feeds.get(self._running or "")
        if feed is not None:
            feed.put(event)

    def _note_running(self, event: Event, prompt_id: str) -> None:
        if isinstance(event, Started | Executing):
            self._running = prompt_id
        elif isinstance(event, Ended) and self._running == prompt_id:
            self._running = None

    def _note_queue(self, event: QueueStatus) -> None:
        """Tell every run that the queue changed: one whose events go elsewhere may be over, and all if it is empty."""
        self._heard_queue(event.remaining)
        for feed in list(self._feeds.values()):
            feed.tell(event)
            feed.idle = event.remaining == 0
            if feed.adrift or feed.idle:
                feed.wake()
