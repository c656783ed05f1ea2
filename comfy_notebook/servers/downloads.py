"""The files of one run: each fetched once, as early as wanted, and kept in the cache of originals."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, BinaryIO

from comfy_notebook.cache import default_cache
from comfy_notebook.errors import MediaError, ServerError
from comfy_notebook.servers.origins import PortalOrigin
from comfy_notebook.servers.portal import portal

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterable

    from comfy_notebook.cache import CacheWriter
    from comfy_notebook.media import Media
    from comfy_notebook.servers.http import Api

_GONE = 404
_AT_ONCE = 3  # more are no faster, and take more of the processor
_IN_MEMORY = 8 * 1024 * 1024  # what is larger goes to the disk in pieces of this size
_log = logging.getLogger(__name__)


class RunFiles(PortalOrigin):
    """Where the media of one run come from.

    Per run, because a server may give a later file the same URL. The coroutines run on the portal's loop; what is
    public but ``begin`` may be called from anywhere else.

    Attributes
    ----------
    learned
        Called on the portal's thread with a file whose digest has become known, for whoever keeps account of it.
    """

    def __init__(self, api: Api) -> None:
        self._api = api
        self._digests: dict[str, str] = {}
        self._downloads: dict[str, asyncio.Task[bytes | None]] = {}
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self.learned: Callable[[Media], None] | None = None

    def another(self) -> RunFiles:
        """Return one for the files of another run on the same server."""
        return RunFiles(self._api)

    def begin(self, media: Media) -> None:
        """Start to fetch a file in the background, so that a later read finds it here."""
        if media not in self._digests:
            self._download(media)

    def ahead(self, media: Iterable[Media]) -> None:
        """Start to fetch files in the background, from any thread."""
        wanted = [item for item in media if item not in self._digests]
        if wanted:
            portal.start(self._begin_all(wanted))

    async def keep_all(self, media: Iterable[Media]) -> None:
        """Have files in the cache, as far as that takes them; MediaError if one cannot be had."""
        await asyncio.gather(*(self._fetch(item) for item in media if not self._known(item)))

    async def keep(self, media: Media, most: int) -> bool:
        """Fetch a file into the cache, and say whether it is there now; MediaError if it cannot be had.

        For those who can do without it: one of more than ``most`` bytes is given up. On the portal's loop.
        """
        if media in self._downloads:
            await self._fetch(media)
        return self._known(media) is not None or await self._fetch_up_to(media, most)

    async def _fetch_up_to(self, media: Media, most: int) -> bool:
        size = 0
        async with contextlib.AsyncExitStack() as stack:
            writer = await asyncio.to_thread(_begun, stack)
            pieces = await stack.enter_async_context(contextlib.aclosing(self._pieces(media)))
            async for piece in pieces:
                size += len(piece)
                if size > most or writer is None or not await asyncio.to_thread(_added, writer, piece):
                    return False
            digest = await asyncio.to_thread(_ended, writer, b"") if writer is not None else None
        self._learn(media, digest)
        return digest is not None

    def _learn(self, media: Media, digest: str | None) -> None:
        if digest:
            self._digests[media] = media.digest = digest
            if self.learned is not None:
                self.learned(media)

    async def _begin_all(self, wanted: Iterable[Media]) -> None:
        for media in wanted:
            self.begin(media)

    async def _read(self, media: Media) -> bytes:
        content = await self._kept(media)
        if content is None:
            content = await self._fetch(media)
        if content is None:
            content = await self._kept(media)
        if content is None:  # too large for memory's liking, and the disk did not take it
            content = b"".join([piece async for piece in self._pieces(media)])
        return content

    async def _write(self, media: Media, file: BinaryIO) -> None:
        if await self._copied(media, file):
            return
        content = await self._fetch(media)
        if content is not None:
            await asyncio.to_thread(file.write, content)
        elif not await self._copied(media, file):
            async for piece in self._pieces(media):
                await asyncio.to_thread(file.write, piece)

    async def _kept(self, media: Media) -> bytes | None:
        digest = self._known(media)
        return await asyncio.to_thread(default_cache().get, digest) if digest else None

    async def _copied(self, media: Media, file: BinaryIO) -> bool:
        digest = self._known(media)
        return bool(digest) and await asyncio.to_thread(default_cache().copy, digest or "", file)

    def _known(self, media: Media) -> str | None:
        """Return a file's digest, and leave it on the media: another one of this URL may have been read."""
        media.digest = media.digest or self._digests.get(media)
        return media.digest

    async def _fetch(self, media: Media) -> bytes | None:
        """Return a file's content, or None if it is in the cache alone."""
        content = await asyncio.shield(self._download(media))
        self._known(media)
        return content

    def _download(self, media: Media) -> asyncio.Task[bytes | None]:
        task = self._downloads.get(media)
        if task is None:
            task = self._downloads[media] = asyncio.create_task(self._fetch_and_keep(media))
            task.add_done_callback(lambda done: self._finish(media, done))
        return task

    def _finish(self, media: Media, task: asyncio.Task[bytes | None]) -> None:
        self._downloads.pop(media, None)
        if not task.cancelled() and task.exception() is not None:
            _log.debug("%s", task.exception())  # told again, and then to someone, when the file is read

    async def _fetch_and_keep(self, media: Media) -> bytes | None:
        """Fetch a file into the cache; return its content, or None if it is too large to be held in memory."""
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(self._turns)
            head, whole = bytearray(), True
            writer: CacheWriter | None = None
            async for piece in self._pieces(media):
                head += piece
                if len(head) >= _IN_MEMORY:
                    writer = writer or await asyncio.to_thread(_begun, stack)
                    whole = False
                    if writer is None or not await asyncio.to_thread(_added, writer, bytes(head)):
                        return None
                    head.clear()
            content = bytes(head)
            digest = await asyncio.to_thread(_ended, writer, content)
        self._learn(media, digest)
        return content if whole else None

    async def _pieces(self, media: Media) -> AsyncGenerator[bytes, None]:
        try:
            async for piece in self._api.download(str(media)):
                yield piece
        except ServerError as error:
            why = "the server no longer has it" if error.status == _GONE else error.message
            raise MediaError(f"{media.filename} cannot be fetched: {why}") from error


# A full disk, a read-only home: the result still shows, so what the cache cannot keep is a warning.


def _begun(stack: contextlib.AsyncExitStack) -> CacheWriter | None:
    try:
        return stack.enter_context(default_cache().writer())
    except OSError as error:
        _warn(error)
        return None


def _added(writer: CacheWriter, piece: bytes) -> bool:
    try:
        writer.write(piece)
    except OSError as error:
        _warn(error)
        return False
    return True


def _ended(writer: CacheWriter | None, content: bytes) -> str | None:
    try:
        if writer is None:
            return default_cache().put(content)
        writer.write(content)
        return writer.commit()
    except OSError as error:
        _warn(error)
        return None


def _warn(error: OSError) -> None:
    _log.warning("an original could not be kept in the cache: %s", error)
