"""The files that a form's fields take: uploaded at once, so that they have a name that lasts, and previewed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from comfy_notebook.errors import ComfyError
from comfy_notebook.media import InMemory, Media
from comfy_notebook.workflow.files import LocalFile, MadeFile, NotAFileError, as_file

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from comfy_notebook.kit import ComfyKit
    from comfy_notebook.notebook.form.session import Session
    from comfy_notebook.notebook.form.state import FormState
    from comfy_notebook.servers.comfyui import ComfyUI
    from comfy_notebook.workflow.files import FileValue

_SIDE = 192  # pixels of a preview, twice what it is shown at
_MOST_RESULTS = 60


class FormFiles:
    """Uploads and previews of one form.

    Parameters
    ----------
    kit
        Where files go to and come from.
    state
        Whose values they are.
    session
        Whose results can be taken in again.
    start
        Begins work on the portal's loop.
    """

    def __init__(
        self,
        kit: ComfyKit,
        state: FormState,
        session: Session,
        start: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        self._kit = kit
        self._state = state
        self._class_types = state.workflow.class_types
        self._has_server = bool(state.workflow.server)
        self._session = session
        self._start = start
        self._wanted: dict[str, Any] = {}

    def results(self, kind: str) -> list[tuple[int, Media]]:
        """Return the session's files of a kind, the latest first, each with its run's number."""
        found = [
            (entry.number, media)
            for entry in reversed(self._session.entries)
            if entry.result is not None
            for media in entry.result.media
            if kind in ("file", media.kind)
        ]
        return found[:_MOST_RESULTS]

    def upload(self, name: str, content: bytes, then: Callable[[str, str], None]) -> None:
        """Send a file to the server, and tell the name that it got there, or what went wrong."""
        self._start(self._upload(MadeFile(name, content), then))

    def take_in(self, value: Any, then: Callable[[str, str], None]) -> None:
        """Send what is no name, a path or a URL, such as an earlier result's file, and tell as :meth:`upload`."""
        self._start(self._take_in(value, then))

    def preview(self, name: str, value: Any, then: Callable[[str, str], None]) -> None:
        """Tell a small picture of a field's value, as a URL, and a few words; "" where there is none."""
        self._wanted[name] = value
        self._start(self._preview(name, value, then))

    async def _take_in(self, value: Any, then: Callable[[str, str], None]) -> None:
        try:
            file = await asyncio.to_thread(as_file, value)
        except NotAFileError as error:
            then("", str(error))
            return
        if file is not None:
            await self._upload(file, then)

    async def _upload(self, file: FileValue, then: Callable[[str, str], None]) -> None:
        try:
            names = [await server.upload_file(file) for server in await self._servers()]
        except ComfyError as error:
            then("", f"It could not be uploaded: {error.message}")
            return
        if names[0] not in self._state.uploaded:
            self._state.uploaded.insert(0, names[0])
        then(names[0], "")

    async def _servers(self) -> list[ComfyUI]:
        """Return where a run may be, and its files should be: all servers of a pool."""
        servers = await self._kit.runner.servers()
        return servers if len(servers) > 1 else [await self._kit.runner.server(self._class_types)]

    async def _preview(self, name: str, value: Any, then: Callable[[str, str], None]) -> None:
        from comfy_notebook.notebook.form.thumbnails import preview

        try:
            media = await self._media(value)
            shown = await asyncio.to_thread(preview, media, _SIDE) if media is not None else ("", "")
        except (ComfyError, NotAFileError, OSError) as error:
            shown = "", str(getattr(error, "message", error))
        if not shown[0] and self._state.problem(name):  # which says it better
            shown = "", ""
        if self._wanted.get(name) is value:  # another one may have been chosen meanwhile
            then(*shown)

    async def _media(self, value: Any) -> Media | None:
        """Return a value as something to fetch and to look at."""
        if value is None or isinstance(value, Media):
            return value
        file = await asyncio.to_thread(as_file, value)
        if isinstance(file, LocalFile | MadeFile):
            content = await asyncio.to_thread(file.read)
            return Media(file.name, filename=file.name, origin=InMemory(content))
        if file is not None or not self._has_server:
            return None
        return (await self._kit.runner.server(self._class_types)).input_file(str(value))
