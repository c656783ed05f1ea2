"""The files that runs take: read where they are, and sent to a server once per content."""

from __future__ import annotations

import asyncio
import hashlib
import time
from typing import TYPE_CHECKING

from comfy_notebook.errors import MediaError
from comfy_notebook.servers.patience import overdue
from comfy_notebook.workflow.files import FileValue, MaskedFile, RemoteFile, ResultFile, named_by_content
from comfy_notebook.workflow.masks import with_mask

if TYPE_CHECKING:
    from comfy_notebook.servers.http import Api
    from comfy_notebook.workflow.binding import Binding

_LARGEST_FETCH = 512 * 1024 * 1024


class Uploads:
    """What one server was sent; for use on the portal's loop."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._sent: dict[str, asyncio.Task[str]] = {}

    def forget(self) -> None:
        """Forget what was sent, as after the server's restart."""
        self._sent.clear()

    async def send(self, binding: Binding) -> None:
        """Upload the binding's files, and put the names that the server gave them in its graph."""
        names = await asyncio.gather(*(self.send_file(file) for file in binding.uploads.values()))
        for target, name in zip(binding.uploads, names, strict=True):
            binding.place(target, name)
        binding.uploads.clear()

    async def send_file(self, file: FileValue) -> str:
        """Upload one file, and return the name that the server gave it."""
        name, content = file.name, await _content(file)
        if name == "view":  # a ComfyUI's URL, whose path does not name the file
            name = named_by_content(content).name
        digest = hashlib.sha256(content + name.encode()).hexdigest()
        sent = self._sent.get(digest)
        if sent is None or (sent.done() and (sent.cancelled() or sent.exception() is not None)):
            sent = self._sent[digest] = asyncio.create_task(self._api.upload(name, content))
        return await asyncio.shield(sent)  # another run may want it that is not cancelled


async def _content(file: FileValue) -> bytes:
    if isinstance(file, ResultFile):
        return await file.media.abytes()
    if isinstance(file, RemoteFile):
        return await _fetch(file.url)
    if isinstance(file, MaskedFile):
        picture, mask = await asyncio.gather(_content(file.picture), _content(file.mask))
        return await asyncio.to_thread(with_mask, picture, mask)
    return await asyncio.to_thread(file.read)


async def _fetch(url: str) -> bytes:
    """Fetch a file from elsewhere, without credentials."""
    import httpx

    content, began = bytearray(), time.monotonic()
    try:
        async with (
            httpx.AsyncClient(follow_redirects=True, timeout=60.0) as client,
            client.stream("GET", url) as response,
        ):
            response.raise_for_status()
            async for piece in response.aiter_bytes():
                content += piece
                if len(content) > _LARGEST_FETCH:
                    raise MediaError(f"{url} is larger than {_LARGEST_FETCH >> 20} MB.")
                if overdue(began, len(content)):
                    raise MediaError(f"{url} comes too slowly to wait for.")
    except httpx.HTTPStatusError as error:
        raise MediaError(f"{url} answered {error.response.status_code}.") from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise MediaError(f"{url} cannot be fetched: {error or type(error).__name__}.") from error
    return bytes(content)
