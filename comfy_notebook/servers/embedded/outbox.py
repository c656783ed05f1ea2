"""What waits to be sent to one client: bounded, so that one that does not read costs nobody anything."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from types import MappingProxyType

PREVIEW = "preview"
# how many of the messages that a slow reader can do without may wait; then the oldest of them goes
_MOST = MappingProxyType({PREVIEW: 8, "progress": 256, "progress_state": 256})
_MOST_BYTES = 64 * 2**20


class OverflowingError(Exception):
    """So much waits that the client has to connect again, and ask /history what it has missed."""


class Outbox:
    """Messages in order, each with its kind. Used on the event loop alone."""

    def __init__(self, most_bytes: int = _MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._messages: deque[tuple[str, str | bytes]] = deque()
        self._waiting: Counter[str] = Counter()
        self._bytes = 0
        self._ready = asyncio.Event()

    def put(self, kind: str, content: str | bytes) -> None:
        """Add a message; where too many of its kind wait, the oldest of them is dropped.

        Raises
        ------
        OverflowingError
            If more bytes wait than may. Previews are never the reason: they are dropped long before.
        """
        self._messages.append((kind, content))
        self._count(kind, content, 1)
        if self._waiting[kind] > _MOST.get(kind, self._waiting[kind]):
            self._drop_oldest(kind)
        if self._bytes > self._most_bytes:
            raise OverflowingError
        self._ready.set()

    async def get(self) -> str | bytes:
        """Wait for the next message and take it out."""
        while not self._messages:
            self._ready.clear()
            await self._ready.wait()
        kind, content = self._messages.popleft()
        self._count(kind, content, -1)
        return content

    def _drop_oldest(self, kind: str) -> None:
        index = next(index for index, (each, _) in enumerate(self._messages) if each == kind)
        _, content = self._messages[index]
        del self._messages[index]
        self._count(kind, content, -1)

    def _count(self, kind: str, content: str | bytes, change: int) -> None:
        self._waiting[kind] += change
        self._bytes += change * len(content)
