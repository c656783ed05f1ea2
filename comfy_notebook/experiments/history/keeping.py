"""Fetches what runs made and nobody read, when there is nothing else to do, so that it is there next week.

One file at a time, and none while runs begin and end. What is not done when the program ends is done when someone looks
at the run, if its server still has the file.
"""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import contextlib
import logging
import threading
import time
from collections import deque
from typing import TYPE_CHECKING

from comfy_notebook.cache import default_cache
from comfy_notebook.errors import ComfyError
from comfy_notebook.experiments.history.thumbnails import thumbnail
from comfy_notebook.experiments.history.writing import insert_thumbnail
from comfy_notebook.servers.portal import portal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from comfy_notebook.experiments.history.store import Store
    from comfy_notebook.media import Media
    from comfy_notebook.servers.downloads import RunFiles

IDLE_SECONDS = 0.3  # without a run's beginning or end, after which there is nothing else to do
LARGEST = 64 * 1024 * 1024  # bytes of a file that is fetched though nobody asked for it
_MOST = 1_000  # runs that wait; of more, the oldest are left for when someone looks
_END_SECONDS = 2.0  # at the program's end
_log = logging.getLogger(__name__)


class Keeper:
    """Keeps files, in a task on the portal's loop that is there while there are some."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[Store, RunFiles | None, Sequence[Media]]] = deque(maxlen=_MOST)
        self._task: asyncio.Task[None] | None = None
        self._quiet_since = 0.0
        self._hurry = asyncio.Event()
        self._registered = False

    def make_way(self) -> None:
        """Take that a run begins or ends."""
        self._quiet_since = time.monotonic()

    def add(self, store: Store, files: RunFiles | None, media: Sequence[Media]) -> None:
        """Keep files of a run, in time; on the portal's loop.

        ``files`` is where they come from; None if they have been read, and only have no thumbnails.
        """
        self.make_way()
        if not media:
            return
        self._waiting.append((store, files, media))
        if not self._registered:
            self._registered = True
            _before_threads_end(self.finish)
        if self._task is None or self._task.done() or self._task.get_loop() is not asyncio.get_running_loop():
            self._hurry = asyncio.Event()
            self._task = asyncio.create_task(self._serve())

    def finish(self) -> None:
        """Fetch what can be fetched in a moment, as the program ends; thumbnails can be made later."""
        if self._task is not None and not self._task.done():
            concurrent.futures.wait([portal.start(self._ended(self._task))], timeout=_END_SECONDS)

    async def _ended(self, task: asyncio.Task[None]) -> None:
        self._hurry.set()
        await asyncio.wait({task})

    async def _serve(self) -> None:
        while self._waiting:
            await self._idle()
            store, files, media = self._waiting.popleft()
            for item in media:
                await self._idle()
                try:
                    await self._keep(store, files, item)
                except ComfyError as error:  # the server has it no more, or is no more
                    _log.debug("%s", error)
                except Exception:  # noqa: BLE001 - nobody waits for it
                    _log.debug("a file was not kept", exc_info=True)

    async def _idle(self) -> None:
        while not self._hurry.is_set() and (left := self._quiet_since + IDLE_SECONDS - time.monotonic()) > 0:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._hurry.wait()

    async def _keep(self, store: Store, files: RunFiles | None, media: Media) -> None:
        if media.digest is None and (files is None or not await files.keep(media, LARGEST)):
            return
        if media.kind in ("image", "video") and not self._hurry.is_set():
            await asyncio.to_thread(_make_thumbnail, store, media.digest, media.kind)


def _before_threads_end(finish: Callable[[], None]) -> None:
    """Have something done as the program ends, while files can still be fetched.

    When the functions of atexit are called, no thread pool takes work any more, be it ours or the engine's; so this is
    where the pools themselves register, which has no public name. Without it, less is kept.
    """
    getattr(threading, "_register_atexit", atexit.register)(finish)


async def make_thumbnails(store: Store, wanted: Sequence[tuple[str, str]]) -> None:
    """Make the thumbnails of contents that are in the cache, given as (digest, kind)."""
    for digest, kind in wanted:
        await asyncio.to_thread(_make_thumbnail, store, digest, kind)


def _make_thumbnail(store: Store, digest: str | None, kind: str) -> None:
    if digest is None or store.read("SELECT 1 FROM thumbnails WHERE digest = ?", (digest,)):
        return
    content = default_cache().get(digest)
    made = thumbnail(content, kind) if content is not None else None
    if made is None:
        return
    values = (digest, made.content, made.width, made.height)
    with contextlib.suppress(ComfyError):  # whoever recorded the run has said why
        store.write(lambda writing: insert_thumbnail(writing, *values)).result()


keeper = Keeper()
