import asyncio
import contextvars
import os
import threading
import time

import pytest

from comfy_notebook.servers.portal import Portal


@pytest.fixture
def portal():
    made = Portal()
    yield made
    made.close()


async def where():
    await asyncio.sleep(0)
    return threading.current_thread().name


async def forever(ended):
    try:
        await asyncio.sleep(3600)
    finally:
        ended.set()


def test_work_runs_on_one_thread_of_its_own(portal):
    names = {portal.wait(where()) for _ in range(3)}
    assert names == {"comfy_notebook"}


def test_one_loop_serves_many_loops_and_threads(portal):
    async def main():
        return await asyncio.gather(*(portal.cross(where()) for _ in range(10)))

    results = []
    threads = [threading.Thread(target=lambda: results.extend(asyncio.run(main()))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(results) == {"comfy_notebook"}
    assert len(results) == 40


def test_what_the_work_raises_is_raised(portal):
    async def fail():
        raise KeyError("x")

    with pytest.raises(KeyError):
        portal.wait(fail())
    with pytest.raises(KeyError):
        asyncio.run(portal.cross(fail()))


def test_the_callers_context_goes_along(portal):
    variable = contextvars.ContextVar("variable", default="outside")
    variable.set("inside")

    async def read():
        return variable.get()

    assert portal.wait(read()) == "inside"


def test_cancelling_the_caller_cancels_the_work(portal):
    ended = threading.Event()

    async def main():
        task = asyncio.create_task(portal.cross(forever(ended)))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert ended.wait(2)


def test_an_interrupt_cancels_the_work(portal, monkeypatch):
    ended = threading.Event()
    began = threading.Event()

    async def work():
        began.set()
        await forever(ended)

    def interrupted(*_, **__):
        began.wait(2)
        raise KeyboardInterrupt

    monkeypatch.setattr("concurrent.futures.wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        portal.wait(work())
    monkeypatch.undo()
    assert ended.wait(2)


def test_a_synchronous_call_on_the_loop_itself_is_refused_and_does_not_hang(portal):
    async def inside():
        return portal.wait(where())

    with pytest.raises(RuntimeError, match="await it"):
        portal.wait(inside())


def test_awaiting_on_the_loop_itself_works(portal):
    async def inside():
        return await portal.cross(where())

    assert portal.wait(inside()) == "comfy_notebook"


def test_closing_ends_the_work_and_the_thread_and_a_later_call_starts_anew(portal):
    ended = threading.Event()
    closed = threading.Event()

    async def closer():
        closed.set()

    portal.before_close(closer)
    future = portal.start(forever(ended))
    portal.wait(where())
    thread = portal._thread
    portal.close()
    assert closed.is_set()
    assert ended.is_set()
    assert future.cancelled()
    assert not thread.is_alive()
    assert portal.wait(where()) == "comfy_notebook"


def test_closing_ends_what_begins_meanwhile(portal):
    ended, later = threading.Event(), threading.Event()

    async def begins_another():
        try:
            await forever(ended)
        finally:
            others.append(asyncio.create_task(forever(later)))
            await asyncio.sleep(0)

    others = []
    portal.start(begins_another())
    portal.wait(where())
    portal.close()
    assert ended.is_set()
    assert later.is_set()
    assert others[0].cancelled()


def test_waiting_returns_as_soon_as_the_work_is_done(portal):
    portal.wait(where())
    began = time.perf_counter()
    for _ in range(100):
        portal.wait(where())
    assert time.perf_counter() - began < 5  # a heartbeat each would take ten seconds


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_starts_its_own(portal):
    from comfy_notebook.servers.portal import portal as shared

    shared.wait(where())
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, shared.wait(where()).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as answer:
        assert answer.read() == "comfy_notebook"
    assert os.waitpid(child, 0)[1] == 0
