"""Fetches files by their URL, without credentials: those of results that have no connection, as from a pickle."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import io
import logging
from typing import TYPE_CHECKING, BinaryIO

from comfy_notebook.cache import default_cache
from comfy_notebook.errors import MediaError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from comfy_notebook.media import Media

_SECONDS, _SECONDS_TO_CONNECT = 60.0, 5.0
_PIECE = 1024 * 1024
_log = logging.getLogger(__name__)


class Anonymous:
    """The origin of media that have no other."""

    def read(self, media: Media) -> bytes:
        """Return a file's content, blocking; MediaError if it can no longer be had."""
        out = io.BytesIO()
        self.write(media, out)
        return out.getvalue()

    async def aread(self, media: Media) -> bytes:
        """Return a file's content; MediaError if it can no longer be had."""
        return await asyncio.to_thread(self.read, media)

    def write(self, media: Media, file: BinaryIO) -> None:
        """Write a file's content into ``file``, and keep it; MediaError if it can no longer be had."""
        hashed, keep = hashlib.sha256(), default_cache()
        with contextlib.ExitStack() as stack:
            writer = None
            with contextlib.suppress(OSError):
                writer = stack.enter_context(keep.writer())
            for piece in _pieces(media):
                hashed.update(piece)
                file.write(piece)
                if writer is not None:
                    try:
                        writer.write(piece)
                    except OSError as error:
                        _log.warning("an original could not be kept in the cache: %s", error)
                        writer = None
            if media.digest not in (None, hashed.hexdigest()):
                raise MediaError(
                    f"{media.filename or media} can no longer be had: the server has another file of that name by now."
                )
            if writer is not None:
                with contextlib.suppress(OSError):
                    writer.commit()
        media.digest = hashed.hexdigest()

    async def awrite(self, media: Media, file: BinaryIO) -> None:
        """Write a file's content into ``file``; MediaError if it can no longer be had."""
        await asyncio.to_thread(self.write, media, file)


def _pieces(media: Media) -> Iterator[bytes]:
    import httpx

    timeout = httpx.Timeout(_SECONDS, connect=_SECONDS_TO_CONNECT)
    try:
        with httpx.stream("GET", str(media), timeout=timeout) as response:
            yield from response.raise_for_status().iter_bytes(_PIECE)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise MediaError(f"{media.filename or media} can no longer be fetched: {error}.") from None


ANONYMOUS = Anonymous()
