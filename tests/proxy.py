"""A proxy in front of a ComfyUI, as deployers put there, that can be told to misbehave."""

import asyncio
import contextlib
import inspect
import json
import socket
import struct
import sys
import threading

import aiohttp
from aiohttp import web

LINGER_NOT = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
HOP_BY_HOP = {"host", "connection", "transfer-encoding", "content-length", "upgrade", "keep-alive"}
PASSED = ("Content-Type", "ETag", "Last-Modified")


class Proxy:
    """Passes on HTTP and WebSocket below a prefix, in a thread of its own.

    Attributes
    ----------
    answer
        Called with each request; what it returns, or what awaiting that gives, is the answer; None passes the
        request on.
    body
        Called with the JSON of each submit; returns what to pass on.
    reply
        Called with each request that was passed on and the server's answer; returns what to answer, as ``answer``.
    frame
        Called with each frame from the server; returns what to pass on, one or a list, None for nothing, or raises
        Close.
    seen
        (method, path, headers) of every request.
    accepted
        The bodies of the submits that the server took.
    """

    class Close(Exception):  # noqa: N818
        """Close the socket here."""

    def __init__(self, upstream, prefix="", ssl_context=None):
        self.ssl_context = ssl_context
        self.upstream = upstream
        self.prefix = prefix
        self.answer = lambda request: None
        self.body = lambda body: body
        self.reply = lambda request, answer: answer
        self.frame = lambda frame: frame
        self.seen = []
        self.accepted = []
        self._sockets = set()
        self._ready = threading.Event()
        # asyncio.run lets connections that were closed at the end really close
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

    def __enter__(self):
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *exception):
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    def paths(self):
        return [path for _, path, _ in self.seen]

    def say(self, frame):
        """Send a frame of our own to every socket, from any thread."""
        for here in list(self._sockets):
            sending = here.send_bytes(frame) if isinstance(frame, bytes) else here.send_str(frame)
            asyncio.run_coroutine_threadsafe(sending, self._loop).result(10)

    def cut_sockets(self):
        """Reset every WebSocket, from any thread."""
        for here in list(self._sockets):
            self._loop.call_soon_threadsafe(cut, here._req)

    async def _serve(self):
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        app = web.Application(client_max_size=200 * 1024 * 1024)
        app.router.add_route("*", "/{path:.*}", self._handle)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=self.ssl_context)
        await site.start()
        port = runner.addresses[0][1]
        self.url = f"http{'s' * bool(self.ssl_context)}://127.0.0.1:{port}{self.prefix}"
        async with aiohttp.ClientSession() as self._session:
            self._ready.set()
            await self._stop.wait()
            transports = [connection.transport for connection in runner.server.connections]
            await runner.cleanup()
            for transport in filter(None, transports):  # those of TLS wait for the client's goodbye
                transport.abort()

    async def _handle(self, request):
        self.seen.append((request.method, request.path, dict(request.headers)))
        answer = self.answer(request)
        answer = await answer if inspect.isawaitable(answer) else answer
        if answer is not None:
            return answer
        if not request.path.startswith(f"{self.prefix}/"):
            return web.Response(status=404)
        url = self.upstream + request.path_qs.removeprefix(self.prefix)
        try:
            if request.headers.get("Upgrade", "").lower() == "websocket":
                return await self._socket(request, url)
            answer = self.reply(request, await self._request(request, url))
            return await answer if inspect.isawaitable(answer) else answer
        except aiohttp.ClientConnectionError:
            return web.Response(status=502)

    async def _request(self, request, url):
        content = await request.read()
        submit = request.method == "POST" and request.path.endswith("/prompt")
        if submit:
            content = json.dumps(self.body(json.loads(content))).encode()
        headers = {name: value for name, value in request.headers.items() if name.lower() not in HOP_BY_HOP}
        async with self._session.request(request.method, url, data=content, headers=headers) as answer:
            if submit and answer.status == 200:
                self.accepted.append(json.loads(content))
            passed = {name: answer.headers[name] for name in PASSED if name in answer.headers}
            return web.Response(status=answer.status, body=await answer.read(), headers=passed)

    async def _socket(self, request, url):
        here = web.WebSocketResponse()
        with contextlib.suppress(Proxy.Close, ConnectionError):
            async with self._session.ws_connect(url, max_msg_size=0) as there:
                await here.prepare(request)

                async def send():
                    async for message in here:
                        await there.send_str(message.data)
                    await there.close()

                sending = asyncio.create_task(send())
                self._sockets.add(here)
                try:
                    async for message in there:
                        frames = self.frame(message.data)
                        for frame in frames if isinstance(frames, list) else [frames]:
                            if isinstance(frame, bytes):
                                await here.send_bytes(frame)
                            elif frame is not None:
                                await here.send_str(frame)
                finally:
                    self._sockets.discard(here)
                    sending.cancel()
        await here.close()
        return here


def cut(request):
    """Reset the connection of a request, in the proxy's thread."""
    if request.transport is not None:
        connection = request.transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOT)
        request.transport.abort()
