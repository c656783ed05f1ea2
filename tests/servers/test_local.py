import asyncio

import pytest

from comfy_notebook.servers.local import LocalFiles

WHOLE = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


class Server:
    """Answers each request with the next of some bytes; None closes the connection."""

    def __init__(self, *answers):
        self.answers, self.requests, self.connections = list(answers), [], 0

    async def __aenter__(self):
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self.server.sockets[0].getsockname()[1]}/prefix"
        self.files = LocalFiles(self.url, {"Authorization": "Bearer sesame"})
        return self

    async def __aexit__(self, *_):
        self.files.close()
        self.server.close()

    async def serve(self, reader, writer):
        self.connections += 1
        try:
            while True:
                self.requests.append(await reader.readuntil(b"\r\n\r\n"))
                answer = self.answers.pop(0)
                if answer is None:
                    break
                writer.write(answer)
                if answer is not WHOLE:
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def fetch(self, url=None):
        return await asyncio.to_thread(self.files.fetch, url or f"{self.url}/view?filename=a%20b.png")


async def test_files_are_fetched_over_one_connection():
    async with Server(WHOLE, WHOLE) as server:
        assert [await server.fetch(), await server.fetch()] == [b"hello", b"hello"]
        assert server.connections == 1
        assert server.requests[0].startswith(b"GET /prefix/view?filename=a%20b.png HTTP/1.1\r\nHost: 127.0.0.1:")
        assert b"\r\nAuthorization: Bearer sesame\r\n" in server.requests[0]


@pytest.mark.parametrize(
    "answer",
    [
        None,
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: http://elsewhere\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9999999999\r\n\r\nhello",
        b"nonsense\r\n\r\n",
    ],
)
async def test_whatever_else_is_left_to_httpx(answer):
    async with Server(answer, WHOLE) as server:
        assert await server.fetch() is None
        assert await server.fetch() == b"hello"  # over a new connection


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/view", "https://x/view", "/view", "{0}x/view", "{0}/a\r\nX: y"])
async def test_credentials_go_to_this_server_alone(url):
    async with Server(WHOLE) as server:
        assert await server.fetch(url.format(server.url)) is None
        assert server.requests == []
