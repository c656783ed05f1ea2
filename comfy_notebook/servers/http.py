"""ComfyUI's HTTP interface, one method a route; every failure becomes a sentence a user can act on."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import httpx

from comfy_notebook.errors import NoServerError, ServerError
from comfy_notebook.servers import patience
from comfy_notebook.servers.local import LocalFiles
from comfy_notebook.servers.patience import Patience

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from comfy_notebook.servers.address import Address

_TIMEOUT = httpx.Timeout(60.0, connect=5.0, pool=None)
# Few enough that many runs at once share warm connections, instead of opening one each.
_LIMITS = httpx.Limits(max_connections=8, max_keepalive_connections=8, keepalive_expiry=30.0)
_OK, _BAD_REQUEST, _NOT_FOUND = 200, 400, 404


class Api:
    """The routes of one server. To be used on one event loop only.

    Every method raises NoServerError if nobody answers, and ServerError if the answer is not ComfyUI's. What may be
    repeated is, for a while: questions, and what does no more if it is done twice. A submit never is.
    """

    def __init__(self, address: Address) -> None:
        self.address = address
        verify = address.tls() or False
        # No proxy leads to this machine, so the environment's need not be looked at, and requests may go direct.
        self._direct = httpx.AsyncHTTPTransport(verify=verify, limits=_LIMITS) if address.is_loopback else None
        self._client = httpx.AsyncClient(
            headers=dict(address.headers),
            timeout=_TIMEOUT,
            limits=_LIMITS,
            transport=self._direct,
            follow_redirects=False,  # the headers hold credentials for this origin
            trust_env=self._direct is None,
            verify=verify,
        )

        self._local = LocalFiles(address.url, dict(address.headers)) if address.is_loopback else None
        self._prompt_url = httpx.URL(f"{address.url}/prompt")
        self._json_headers = [*self._client.headers.items(), ("Content-Type", "application/json")]

    async def close(self) -> None:
        """Close the connections."""
        if self._local is not None:
            self._local.close()
        await self._client.aclose()

    async def system_stats(self, timeout: float | None = None) -> dict[str, Any]:  # noqa: ASYNC109
        """``GET /system_stats``: versions, devices and memory; ``timeout`` in seconds."""
        answer = await self._get("/system_stats", timeout=timeout)
        if "system" not in answer:
            raise self._strange("answers, but not as a ComfyUI does")
        return answer

    async def object_info(self, class_type: str) -> dict[str, Any] | None:
        """``GET /object_info/CLASS``: what a node class takes and gives; None if the server lacks it."""
        answer = await self._get(f"/object_info/{quote(class_type, safe='')}")
        info = answer.get(class_type)
        return info if isinstance(info, dict) else None

    async def models(self, folder: str) -> list[str] | None:
        """``GET /models/FOLDER``: names of model files; None if there is no such folder."""
        response = await self._send("GET", f"/models/{quote(folder, safe='')}")
        if response.status_code == _NOT_FOUND:
            return None
        names = self._json(response)
        if not isinstance(names, list):
            raise self._unlike("/models", names)
        return names

    async def submit(self, body: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
        """``POST /prompt``: return (status, answer) for 200, and for 400 with its reasons."""
        response = await self._post_prompt(json.dumps(body).encode())
        if response.status_code == _BAD_REQUEST:
            try:
                return _BAD_REQUEST, dict(response.json())
            except (ValueError, TypeError):
                raise self._bad_status(response) from None
        return _OK, self._object("/prompt", response)

    async def queue(self) -> tuple[list[list[Any]], list[list[Any]]]:
        """``GET /queue``: (running, pending), the pending in the order in which they will run."""
        answer = await self._get("/queue")
        try:
            running = [item for item in answer["queue_running"] if item[1]]
            return running, sorted(answer["queue_pending"], key=lambda item: (item[0], str(item[1])))
        except (KeyError, IndexError, TypeError):
            raise self._unlike("/queue", answer) from None

    async def queue_remaining(self) -> int:
        """``GET /prompt``: how many runs are queued or running."""
        answer = await self._get("/prompt")
        try:
            return int(answer["exec_info"]["queue_remaining"])
        except (KeyError, TypeError, ValueError):
            raise self._unlike("/prompt", answer) from None

    async def history(self, prompt_id: str) -> dict[str, Any] | None:
        """``GET /history/ID``: a run that is over, or None."""
        answer = await self._get(f"/history/{quote(prompt_id, safe='')}")
        entry = answer.get(prompt_id)
        return entry if isinstance(entry, dict) else None

    async def dequeue(self, prompt_id: str) -> None:
        """``POST /queue``: take a run out of the queue, if it is still in it."""
        self._check(await self._send("POST", "/queue", repeat=True, json={"delete": [prompt_id]}))

    async def interrupt(self, prompt_id: str) -> None:
        """``POST /interrupt``: interrupt this run. Servers before 0.3.57 interrupt whatever runs."""
        self._check(await self._send("POST", "/interrupt", json={"prompt_id": prompt_id}))

    async def upload(self, name: str, content: bytes) -> str:
        """``POST /upload/image`` (any kind of file): return the name that the server gave it.

        The same name and content give the same file, so it may be sent again.
        """
        files = {"image": (name, content)}
        response = await self._send("POST", "/upload/image", repeat=True, size=len(content), files=files)
        answer = self._object("/upload/image", response)
        if not answer.get("name"):
            raise self._unlike("/upload/image", answer)
        subfolder = answer.get("subfolder")
        return f"{subfolder}/{answer['name']}" if subfolder else str(answer["name"])

    async def download(self, url: str) -> AsyncIterator[bytes]:
        """``GET`` a file of this server, piece by piece; ServerError with ``status`` 404 if it is gone."""
        content = await asyncio.to_thread(self._local.fetch, url) if self._local is not None else None
        if content is not None:
            yield content
            return
        async for piece in Download(self, self._client, url).pieces():
            yield piece

    async def _post_prompt(self, content: bytes) -> httpx.Response:
        """Post a workflow; on this machine past the client's layers, which take longer than short workflows run."""
        request = httpx.Request("POST", self._prompt_url, headers=self._json_headers, content=content)
        request.extensions["timeout"] = _TIMEOUT.as_dict()
        try:
            async with asyncio.timeout(patience.ANSWER_SECONDS + len(content) / patience.SLOWEST):
                if self._direct is None:
                    return await self._client.send(request)
                response = await self._direct.handle_async_request(request)
                response.request = request
                await response.aread()
        except (httpx.HTTPError, TimeoutError) as error:
            raise self.transport_error(error) from error
        return response

    async def _get(self, route: str, timeout: float | None = None) -> dict[str, Any]:  # noqa: ASYNC109
        """Ask; with a timeout, once."""
        once: dict[str, Any] = {} if timeout is None else {"repeat": False, "timeout": timeout}
        return self._object(route, await self._send("GET", route, **once))

    async def _send(
        self, method: str, route: str, *, repeat: bool | None = None, size: int = 0, **request: Any
    ) -> httpx.Response:
        """Send a request of ``size`` bytes; a GET, or what ``repeat`` allows, again while the trouble may pass."""
        attempts = Patience(None if repeat or (repeat is None and method == "GET") else 0.0)
        limit = 2 * request.get("timeout", 0.0) or patience.ANSWER_SECONDS + size / patience.SLOWEST
        while True:
            try:
                async with asyncio.timeout(limit):  # the client's own limits are for each piece alone
                    response = await self._client.request(method, self.address.url + route, **request)
            except (httpx.HTTPError, TimeoutError) as error:
                pause = attempts.pause() if broke(error) else None
                if pause is None:
                    raise self.transport_error(error) from error
            else:
                passing = response.status_code in patience.PASSING
                pause = attempts.pause(patience.retry_after(response.headers)) if passing else None
                if pause is None:
                    return response
            await asyncio.sleep(pause)

    def _object(self, route: str, response: httpx.Response) -> dict[str, Any]:
        answer = self._json(response)
        if not isinstance(answer, dict):
            raise self._unlike(route, answer)
        return answer

    def _json(self, response: httpx.Response) -> Any:
        self._check(response)
        try:
            return response.json()
        except ValueError:
            kind = response.headers.get("content-type", "no content type").partition(";")[0]
            raise self._strange(f"answers {response.request.url.path} with {kind}, not with JSON") from None

    def check_file(self, response: httpx.Response) -> None:
        """Raise ServerError if this is no file: ComfyUI gives out no pages, but logins do."""
        self._check(response)
        kind = response.headers.get("content-type", "")
        if kind.startswith("text/html") and ".htm" not in str(response.request.url).lower():
            raise self._strange(f"answers {response.request.url.path} with a page, not with the file")

    def _check(self, response: httpx.Response) -> None:
        if response.status_code >= 300:
            raise self._bad_status(response)

    def transport_error(self, error: Exception) -> ServerError:
        """Say in what way no answer came, of which ``error`` is the cause."""
        _strip(error)
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            return NoServerError(
                f"The certificate of {self.address.url} is not one that this machine trusts: {error}.",
                hint="Trust it through the environment's SSL_CERT_FILE or, for this server alone and at your own risk, "
                "leave it unchecked: ComfyKit(url, verify=False).",
            )
        if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
            return unreachable(self.address.url)
        if isinstance(error, TimeoutError):
            return ServerError(f"{self.address.url} answers too slowly to wait for.")
        if isinstance(error, httpx.TimeoutException):
            return ServerError(f"{self.address.url} did not answer within {_TIMEOUT.read:.0f} s.")
        return ServerError(f"The connection to {self.address.url} broke: {str(error) or type(error).__name__}.")

    def _bad_status(self, response: httpx.Response) -> ServerError:
        status = response.status_code
        error = ServerError(
            f"{self.address.url} answered {response.request.method} {response.request.url.path} with "
            f"{status} {response.reason_phrase}.",
            hint=_HINTS.get(status),
        )
        error.status = status
        error.retry_after = patience.retry_after(response.headers)
        return error

    def _unlike(self, route: str, answer: object) -> ServerError:
        return self._strange(f"answers {route} with a {type(answer).__name__} that is not ComfyUI's")

    def _strange(self, what: str) -> ServerError:
        return ServerError(
            f"{self.address.url} {what}.",
            hint="Is this the address of a ComfyUI, and not of a login page or of something else?",
        )


class Download:
    """A file on its way, which goes on where it was when the connection breaks."""

    def __init__(self, api: Api, client: httpx.AsyncClient, url: str) -> None:
        self._api = api
        self._client = client
        self._url = url
        self._size = 0
        self._tag: str | None = None

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yield the file piece by piece."""
        attempts, began, before = Patience(), time.monotonic(), 0
        while True:
            try:
                async for piece in self._rest():
                    yield piece
            except (httpx.HTTPError, TimeoutError) as error:
                if self._size > before:  # it gets on, if in many steps
                    attempts, before = Patience(), self._size
                pause = attempts.pause() if broke(error) and not patience.overdue(began, self._size) else None
                if pause is None:
                    raise self._api.transport_error(error) from error
            except ServerError as error:
                pause = attempts.pause(error.retry_after) if error.status in patience.PASSING else None
                if pause is None:
                    raise
            else:
                return
            await asyncio.sleep(pause)

    async def _rest(self) -> AsyncIterator[bytes]:
        """Ask for the file, and yield what has not been yielded yet, if it still is the same file."""
        began, skip, got = time.monotonic(), self._size, 0
        async with self._client.stream("GET", self._url) as response:
            self._api.check_file(response)
            tag = response.headers.get("etag") or response.headers.get("last-modified")
            if skip and tag != self._tag:
                raise ServerError("The connection broke, and the file has changed since.")
            self._tag = tag
            async for piece in response.aiter_bytes():
                got += len(piece)
                fresh = piece[max(0, len(piece) - (got - skip)) :] if got > skip else b""
                self._size += len(fresh)
                if fresh:
                    yield fresh
                if patience.overdue(began, got):
                    raise TimeoutError


def _strip(error: Exception) -> None:
    """Take the credentials out of an error: Dask, for one, has exceptions pickled with their causes."""
    if isinstance(error, httpx.RequestError):
        with contextlib.suppress(RuntimeError):  # it has no request
            error.request = httpx.Request(error.request.method, error.request.url)


def broke(error: Exception) -> bool:
    """Whether a connection that had been made broke: another may not."""
    return isinstance(error, httpx.NetworkError | httpx.RemoteProtocolError) and not isinstance(
        error, httpx.ConnectError
    )


_LOGIN = "The server wants a login: give api_key or cookies (COMFYUI_API_KEY, COMFYUI_COOKIES)."
_BUSY = "The server is busy or starting; try again in a moment."
_HINTS = {
    301: "The address has moved; use the new one.",
    302: _LOGIN,
    303: _LOGIN,
    307: _LOGIN,
    308: "The address has moved; use the new one.",
    401: _LOGIN,
    403: _LOGIN,
    404: "Is this the address of a ComfyUI? A prefix in the URL, like /proxy/8188, must be given, too.",
    413: "It is larger than the server takes; ComfyUI's option --max-upload-size (in MB, 100 by default) raises that.",
    429: _BUSY,
    502: "Something in front of ComfyUI answers, but ComfyUI does not: has it been started?",
    503: _BUSY,
    504: _BUSY,
}


def unreachable(url: str) -> NoServerError:
    """Say that nobody answers, and the three ways on."""
    return NoServerError(
        f"No ComfyUI answers at {url}.",
        hint="Start ComfyUI there (python main.py), or name another server (%comfy use URL, or COMFYUI_BASE_URL), "
        'or use the built-in engine (%comfy use embedded, or ComfyKit("embedded")).',
    )
