"""The WebSockets of all clients: who hears what."""

from __future__ import annotations

import asyncio
import json
import logging
import struct
import uuid
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from aiohttp import WSCloseCode, WSMsgType, web

from comfy_notebook.servers.embedded.outbox import PREVIEW, Outbox, OverflowingError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

LARGEST_BODY = 100 * 2**20
FEATURES: Mapping[str, Any] = MappingProxyType(
    {"supports_preview_metadata": True, "max_upload_size": LARGEST_BODY},
)
_LOG = logging.getLogger(__name__)
_PLAIN_PREVIEW, _PREVIEW_WITH_METADATA = 1, 4
_JPEG = 1
_SECONDS_TO_SAY_GOODBYE = 0.3


class Client:
    """One socket, and what waits to be sent to it."""

    def __init__(self, sid: str, socket: web.WebSocketResponse, request: web.Request) -> None:
        self.sid = sid
        self.outbox = Outbox()
        self.previews_with_metadata = False
        self._socket = socket
        self._request = request

    def put(self, kind: str, content: str | bytes) -> None:
        """Queue a message without ever waiting; a client that has far too much to read is cut off."""
        try:
            self.outbox.put(kind, content)
        except OverflowingError:
            _LOG.warning("the client %s does not read its messages and is cut off", self.sid)
            self.cut()

    async def write(self) -> None:
        """Send what is queued, as fast as this client reads, until the socket closes."""
        while not self._socket.closed:
            content = await self.outbox.get()
            if isinstance(content, str):
                await self._socket.send_str(content)
            else:
                await self._socket.send_bytes(content)

    async def close(self) -> None:
        """Say goodbye; a client that does not answer is cut off."""
        try:
            async with asyncio.timeout(_SECONDS_TO_SAY_GOODBYE):
                await self._socket.close(code=WSCloseCode.GOING_AWAY)
        except TimeoutError:
            self.cut()

    def cut(self) -> None:
        """Close the connection at once."""
        if self._request.transport is not None:
            self._request.transport.abort()


class Sockets:
    """All clients. `send`, `preview` and the questions may be called from any thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop, greet: Callable[[str], list[tuple[str, Any]]]) -> None:
        """Take the messages that a new client is sent first, by its id, from `greet`."""
        self._loop = loop
        self._greet = greet
        self._clients: dict[str, Client] = {}
        self._open: set[Client] = set()

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        """Talk to one client until it leaves."""
        socket = web.WebSocketResponse(compress=False)
        await socket.prepare(request)
        client = Client(request.query.get("clientId") or uuid.uuid4().hex, socket, request)
        self._clients[client.sid] = client  # of two sockets with one id, the later one hears
        self._open.add(client)
        for kind, data in self._greet(client.sid):
            client.put(kind, _message(kind, data))
        writer = asyncio.ensure_future(client.write())
        try:
            await self._listen(client, socket)
        finally:
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)  # a socket that closes in mid-message
            self._open.discard(client)
            if self._clients.get(client.sid) is client:
                del self._clients[client.sid]
        return socket

    def send(self, kind: str, data: Any, client_id: str | None = None) -> None:
        """Send a message to one client, or to all if none is named."""
        if self.watched(client_id):
            self._deliver_later(client_id, kind, _message(kind, data))

    def preview(self, jpeg: bytes, about: Mapping[str, Any], client_id: str | None = None) -> None:
        """Send a preview to one client, in the form it has asked for, or to all in the old one."""
        if self.understands_metadata(client_id):
            header = json.dumps({**about, "image_type": "image/jpeg"}).encode()
            frame = struct.pack(">II", _PREVIEW_WITH_METADATA, len(header)) + header + jpeg
        else:
            frame = struct.pack(">II", _PLAIN_PREVIEW, _JPEG) + jpeg
        self._deliver_later(client_id, PREVIEW, frame)

    def watched(self, client_id: str | None = None) -> bool:
        """Tell whether anybody would hear a message to this client, or to all."""
        return bool(self._clients) if client_id is None else client_id in self._clients

    def understands_metadata(self, client_id: str | None) -> bool:
        """Tell whether this client wants previews that say where they come from."""
        client = None if client_id is None else self._clients.get(client_id)
        return client is not None and client.previews_with_metadata

    async def close(self) -> None:
        """Close all sockets."""
        await asyncio.gather(*(client.close() for client in self._open))

    def _deliver_later(self, client_id: str | None, kind: str, content: str | bytes) -> None:
        try:
            self._loop.call_soon_threadsafe(self._deliver, client_id, kind, content)
        except RuntimeError:  # the loop has ended, and with it all who could hear
            _LOG.debug("too late for %s", kind)

    def _deliver(self, client_id: str | None, kind: str, content: str | bytes) -> None:
        clients = list(self._clients.values()) if client_id is None else [self._clients.get(client_id)]
        for client in clients:
            if client is not None:
                client.put(kind, content)

    async def _listen(self, client: Client, socket: web.WebSocketResponse) -> None:
        first = True
        async for received in socket:
            if first and received.type is WSMsgType.TEXT:
                message = _read(received.data)
                first = message is None  # what cannot be read does not count
                if message is not None and message.get("type") == "feature_flags":
                    self._negotiate(client, message.get("data"))

    def _negotiate(self, client: Client, wanted: Any) -> None:
        if isinstance(wanted, dict):
            client.previews_with_metadata = bool(wanted.get("supports_preview_metadata"))
            client.put("feature_flags", _message("feature_flags", dict(FEATURES)))


def _message(kind: str, data: Any) -> str:
    return json.dumps({"type": kind, "data": data})


def _read(text: str) -> dict[str, Any] | None:
    try:
        message = json.loads(text)
    except ValueError:
        _LOG.debug("not understood: %.100s", text)
        return None
    return message if isinstance(message, dict) else None
