"""The files of a recorded run, fetched from its server when they are not in the cache, while it still has them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from comfy_notebook.errors import ComfyError, MediaError
from comfy_notebook.experiments.history.access import files_at
from comfy_notebook.experiments.history.keeping import keeper
from comfy_notebook.experiments.history.writing import note_digest
from comfy_notebook.servers import builtin
from comfy_notebook.servers.connections import EMBEDDED
from comfy_notebook.servers.origins import PortalOrigin

if TYPE_CHECKING:
    from comfy_notebook.experiments.history.store import Store
    from comfy_notebook.media import Media
    from comfy_notebook.servers.downloads import RunFiles


@dataclass(frozen=True, slots=True)
class Originals(PortalOrigin):
    """Where the media of one recorded run come from."""

    store: Store
    run: int
    address: str

    async def _read(self, media: Media) -> bytes:
        known, files = media.digest, await self._files(media)
        content = await files.aread(media)
        self._learn(media, known)
        return content

    async def _write(self, media: Media, file: BinaryIO) -> None:
        known, files = media.digest, await self._files(media)
        await files.awrite(media, file)
        self._learn(media, known)

    async def _files(self, media: Media) -> RunFiles:
        """Return the way to the server, for a file that is the server's: nothing else is asked for."""
        if self.address == EMBEDDED and not media.startswith(f"{builtin.running()}/"):
            raise MediaError(
                f"{media.filename} can no longer be had: it was not kept, and the built-in engine that made it ended."
            )
        if self.address != EMBEDDED and not media.startswith(f"{self.address}/"):
            raise MediaError(f"{media.filename} cannot be had: it is not where its run was.")
        try:
            return await files_at(self.address)
        except ComfyError as error:
            raise MediaError(f"{media.filename} can no longer be had: {error.message}") from error

    def _learn(self, media: Media, known: str | None) -> None:
        """Note what was read, unless it is another file than the run made."""
        if known not in (None, media.digest):
            media.digest = known
            raise MediaError(f"{media.filename} can no longer be had: the server has another file of that name by now.")
        if known is None:
            self.store.write(lambda writing: note_digest(writing, self.run, media))
            keeper.add(self.store, None, [media])
