import asyncio

import pytest

from comfy_notebook.servers.embedded.outbox import PREVIEW, Outbox, OverflowingError


async def emptied(outbox):
    messages = []
    while True:
        try:
            async with asyncio.timeout(0.01):
                messages.append(await outbox.get())
        except TimeoutError:
            return messages


async def test_messages_come_in_order():
    outbox = Outbox()
    for number in range(100):
        outbox.put("executing", str(number))
    assert await emptied(outbox) == [str(number) for number in range(100)]


async def test_of_previews_only_the_last_few_wait():
    outbox = Outbox()
    for number in range(100):
        outbox.put("executed", f"node {number}")
        outbox.put(PREVIEW, bytes([number]))
    messages = await emptied(outbox)
    assert [each for each in messages if isinstance(each, str)] == [f"node {number}" for number in range(100)]
    assert [each for each in messages if isinstance(each, bytes)] == [bytes([number]) for number in range(92, 100)]


async def test_progress_gives_way_to_newer_progress():
    outbox = Outbox()
    for number in range(1000):
        outbox.put("progress", str(number))
    assert (await emptied(outbox))[0] == "744"


async def test_previews_never_make_it_overflow():
    outbox = Outbox(most_bytes=10_000)
    for _ in range(1000):
        outbox.put(PREVIEW, bytes(1000))


async def test_too_much_of_what_cannot_be_dropped_overflows():
    outbox = Outbox(most_bytes=10_000)
    for _ in range(10):
        outbox.put("executed", "x" * 1000)
    with pytest.raises(OverflowingError):
        outbox.put("executed", "x")


async def test_what_was_taken_counts_no_more():
    outbox = Outbox(most_bytes=10_000)
    for _ in range(100):
        outbox.put("executed", "x" * 1000)
        await outbox.get()
