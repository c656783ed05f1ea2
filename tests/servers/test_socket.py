"""The WebSocket of a server, where it is closed while others would still open it."""

import asyncio
import threading

import pytest

from comfy_notebook import ServerError
from comfy_notebook.servers.address import Address
from comfy_notebook.servers.socket import EventSocket


def socket_of(proxy):
    return EventSocket(Address.parse(proxy.url), lambda _: None)


def test_it_stays_closed(proxy):
    async def main():
        socket = socket_of(proxy)
        await socket.open()
        await socket.close()
        with pytest.raises(ServerError, match="closed"):
            await socket.open(again=True)
        assert not socket.is_open

    asyncio.run(main())
    assert proxy.paths().count("/ws") == 1


def test_one_that_is_being_opened_is_closed_too(proxy):
    asked, go_on = threading.Event(), threading.Event()

    async def late(_):
        asked.set()
        await asyncio.to_thread(go_on.wait, 10)

    async def main():
        socket = socket_of(proxy)
        opening = asyncio.create_task(socket.open())
        await asyncio.to_thread(asked.wait, 10)
        await socket.close()
        go_on.set()
        with pytest.raises(ServerError, match="closed"):
            await opening
        assert not socket.is_open
        assert asyncio.all_tasks() == {asyncio.current_task()}

    proxy.answer = late
    asyncio.run(main())
