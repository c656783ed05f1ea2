"""Fetches files from a server on this machine through the standard library's client, on threads.

httpx takes three times as long to pass a picture on as this takes; what a hundred pictures cost shows. Whatever is out
of the ordinary is left to httpx, which asks again.
"""

from __future__ import annotations

import http.client
import time
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from comfy_notebook.servers import patience

if TYPE_CHECKING:
    from collections.abc import Mapping

_SECONDS = 20.0  # for the next piece to arrive
_LARGEST = 8 * 1024 * 1024  # what is larger is better passed on in pieces
_PIECE = 256 * 1024
_IDLE = 4  # connections kept
_OK = 200


class LocalFiles:
    """Plain HTTP to one origin, which alone gets the headers. To be used from any thread.

    Parameters
    ----------
    url
        The server's, with its prefix: ``http`` on this machine.
    headers
        Sent with every request.
    """

    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        self._url = url
        self._parts = urlsplit(url)
        self._headers = dict(headers)
        self._idle: deque[http.client.HTTPConnection] = deque()

    def fetch(self, url: str) -> bytes | None:
        """Return a file, blocking; None if httpx had better ask for it."""
        if self._parts.scheme != "http" or not url.startswith(f"{self._url}/"):
            return None
        target = url.removeprefix(f"http://{self._parts.netloc}").partition("#")[0]
        connection = self._connection()
        content = None
        with suppress(OSError, ValueError, http.client.HTTPException):
            connection.request("GET", target, headers=self._headers)
            content = _read(connection.getresponse())
        if content is None or len(self._idle) >= _IDLE:
            connection.close()
        else:
            self._idle.append(connection)
        return content

    def close(self) -> None:
        """Close the connections that wait for use."""
        while self._idle:
            self._idle.pop().close()

    def _connection(self) -> http.client.HTTPConnection:
        with suppress(IndexError):
            return self._idle.pop()
        return http.client.HTTPConnection(self._parts.hostname or "", self._parts.port, timeout=_SECONDS)


def _read(answer: http.client.HTTPResponse) -> bytes | None:
    """Return the body if it is a file as it is on disk, whole and not too large."""
    plain = answer.getheader("Content-Encoding") is None
    page = (answer.getheader("Content-Type") or "").startswith("text/html")  # of a login, perhaps
    if answer.status != _OK or not plain or page or answer.length is None or answer.length > _LARGEST:
        return None
    began, content, length = time.monotonic(), bytearray(), answer.length
    while len(content) < length:
        piece = answer.read1(_PIECE)
        content += piece
        if not piece or patience.overdue(began, len(content)):
            return None
    answer.close()  # all of it is read, so the connection is free
    return bytes(content)
