"""The files of one run: each fetched once, as early as wanted, and kept in the cache of originals."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from comfy_notebook.cache import ContentCache, default_cache
from comfy_notebook.errors import MediaError, ServerError
from comfy_notebook.servers.portal import portal

if TYPE_CHECKING:
    from comfy_notebook.results import Media
    from comfy_notebook.servers.http import Api

_GONE = 404
_log = logging.getLogger(__name__)


class RunFiles:
    """Where the media of one run come from.

    Per run, because a server may give a later file the same URL. The coroutines run on the portal's loop;
    ``read`` and ``aread`` may be called from anywhere else.
    """

    def __init__(self, api: Api) -> None:
        self._api = api
        self._digests: dict[str, str] = {}
        self._downloads: dict[str, asyncio.Task[bytes]] = {}

    def begin(self, media: Media) -> None:
        """Start to fetch a file in the background, so that a later read finds it here."""
        if media not in self._digests:
            self._download(media)

    def read(self, media: Media) -> bytes:
        """Return a file's content, blocking; MediaError if it cannot be had."""
        kept = self._kept(media)
        return portal.wait(self._fetch(media)) if kept is None else kept

    async def aread(self, media: Media) -> bytes:
        """Return a file's content on any event loop; MediaError if it cannot be had."""
        kept = await asyncio.to_thread(self._kept, media)
        return await portal.cross(self._fetch(media)) if kept is None else kept

    def _kept(self, media: Media) -> bytes | None:
        digest = self._digests.get(media)
        return default_cache().get(digest) if digest else None

    async def _fetch(self, media: Media) -> bytes:
        return await asyncio.shield(self._download(media))

    def _download(self, media: Media) -> asyncio.Task[bytes]:
        task = self._downloads.get(media)
        if task is None:
            task = self._downloads[media] = asyncio.create_task(self._fetch_and_keep(media))
            task.add_done_callback(lambda done: self._finish(media, done))
        return task

    def _finish(self, media: Media, task: asyncio.Task[bytes]) -> None:
        self._downloads.pop(media, None)
        if not task.cancelled() and task.exception() is not None:
            _log.debug("%s", task.exception())  # told again, and then to someone, when the file is read

    async def _fetch_and_keep(self, media: Media) -> bytes:
        pieces = bytearray()
        try:
            async for piece in self._api.download(str(media)):
                pieces += piece
        except ServerError as error:
            why = "the server no longer has it" if error.status == _GONE else error.message
            raise MediaError(f"{media.filename} cannot be fetched: {why}") from error
        content = bytes(pieces)
        digest = await asyncio.to_thread(_keep, default_cache(), content)
        if digest:
            self._digests[media] = digest
        return content


def _keep(cache: ContentCache, content: bytes) -> str | None:
    try:
        return cache.put(content)
    except OSError as error:  # a full disk, a read-only home: the result still shows
        _log.warning("an original could not be kept in the cache: %s", error)
        return None
