"""Where media come from whose files are fetched on the portal's loop: the same from any thread and any event loop."""

from __future__ import annotations

from typing import TYPE_CHECKING

from comfy_notebook.servers.portal import portal

if TYPE_CHECKING:
    from typing import BinaryIO

    from comfy_notebook.media import Media


class PortalOrigin:
    """An origin of media; each kind says how a file is read, and written into another, on the portal's loop."""

    def read(self, media: Media) -> bytes:
        """Return a file's content, blocking; MediaError if it cannot be had."""
        return portal.wait(self._read(media))

    async def aread(self, media: Media) -> bytes:
        """Return a file's content on any event loop; MediaError if it cannot be had."""
        return await portal.cross(self._read(media))

    def write(self, media: Media, file: BinaryIO) -> None:
        """Write a file's content into ``file``, blocking; MediaError if it cannot be had."""
        portal.wait(self._write(media, file))

    async def awrite(self, media: Media, file: BinaryIO) -> None:
        """Write a file's content into ``file`` on any event loop; MediaError if it cannot be had."""
        await portal.cross(self._write(media, file))

    async def _read(self, media: Media) -> bytes:
        raise NotImplementedError

    async def _write(self, media: Media, file: BinaryIO) -> None:
        raise NotImplementedError
