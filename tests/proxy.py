"""A proxy in front of a ComfyUI, as deployers put there, that can be told to misbehave."""

import asyncio
import contextlib
import json
import threading

import aiohttp
from aiohttp import web

HOP_BY_HOP = {"host", "connection", "transfer-encoding", "content-length", "upgrade", "keep-alive"}


class Proxy:
    """Passes on HTTP and WebSocket below a prefix, in a thread of its own.

    Attributes
    ----------
    answer
        Called with each request; what it returns is the answer, None passes the request on.
    body
        Called with the JSON of each submit; returns what to pass on.
    frame
        Called with each frame from the server; returns what to pass on, None for nothing, or raises Close.
    seen
        (method, path, headers) of every request.
    """

    class Close(Exception):  # noqa: N818
        """Close the socket here."""

    def __init__(self, upstream, prefix=""):
        self.upstream = upstream
        self.prefix = prefix
        self.answer = lambda request: None
        self.body = lambda body: body
        self.frame = lambda frame: frame
        self.seen = []
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),), daemon=True)

    def __enter__(self):
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *exception):
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)
        self._loop.close()

    def paths(self):
        return [path for _, path, _ in self.seen]

    async def _serve(self):
        self._stop = asyncio.Event()
        app = web.Application(client_max_size=200 * 1024 * 1024)
        app.router.add_route("*", "/{path:.*}", self._handle)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{port}{self.prefix}"
        async with aiohttp.ClientSession() as self._session:
            self._ready.set()
            await self._stop.wait()
        await runner.cleanup()

    async def _handle(self, request):
        self.seen.append((request.method, request.path, dict(request.headers)))
        answer = self.answer(request)
        if answer is not None:
            return answer
        if not request.path.startswith(f"{self.prefix}/"):
            return web.Response(status=404)
        url = self.upstream + request.path_qs.removeprefix(self.prefix)
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._socket(request, url)
        return await self._request(request, url)

    async def _request(self, request, url):
        content = await request.read()
        if request.path.endswith("/prompt") and content:
            content = json.dumps(self.body(json.loads(content))).encode()
        headers = {name: value for name, value in request.headers.items() if name.lower() not in HOP_BY_HOP}
        async with self._session.request(request.method, url, data=content, headers=headers) as answer:
            passed = {"Content-Type": answer.headers.get("Content-Type", "application/octet-stream")}
            return web.Response(status=answer.status, body=await answer.read(), headers=passed)

    async def _socket(self, request, url):
        here = web.WebSocketResponse()
        await here.prepare(request)
        with contextlib.suppress(Proxy.Close):
            async with self._session.ws_connect(url, max_msg_size=0) as there:

                async def send():
                    async for message in here:
                        await there.send_str(message.data)
                    await there.close()

                sending = asyncio.create_task(send())
                try:
                    async for message in there:
                        frame = self.frame(message.data)
                        if isinstance(frame, bytes):
                            await here.send_bytes(frame)
                        elif frame is not None:
                            await here.send_str(frame)
                finally:
                    sending.cancel()
        await here.close()
        return here
