"""Runs workflows through a proxy that misbehaves, and judges what became of them."""

import asyncio
import concurrent.futures
import contextlib
import json
import time

import httpx
from graphs import picture
from proxy import Proxy
from waiting import wait_for

from comfy_notebook import ComfyKit, ExecuteResult
from comfy_notebook.errors import ComfyError
from comfy_notebook.servers import connections, following, patience, socket
from comfy_notebook.servers.address import Address
from comfy_notebook.servers.portal import portal

SOON = 10.0  # for what ends by itself
OUTSIDE = httpx.Client(timeout=30, verify=False, trust_env=False)  # noqa: S501 - plain HTTP; loading certificates takes long
IMPATIENCE = [
    (following, "QUIET_SECONDS", 0.7),
    (following, "GRACE_SECONDS", 0.4),
    (following, "AWAY_SECONDS", 1.0),
    (patience, "AGAIN_SECONDS", 1.5),
    (patience, "ANSWER_SECONDS", 3.0),
    (socket, "_OPEN_SECONDS", 1.0),
]


class Trial:
    """One fault: a proxy, a kit behind it, and what the runs came to.

    Attributes
    ----------
    cut_off
        Set where the server cannot be reached at the end, so that what it has cannot be had.
    gone
        Set where there is no server any more, so that nothing can be said of it.
    counts
        What is asserted to be 0 at the end, by name.
    """

    def __init__(self, upstream):
        self.proxy = Proxy(upstream)
        self.cut_off = False
        self.gone = False
        self.counts = {"runs": 0, "runs that hung": 0, "outputs lost": 0, "runs doubled": 0}
        self.results = []

    def __enter__(self):
        self._tasks = portal.wait(_tasks())
        self.proxy.__enter__()
        self.kit = ComfyKit(self.proxy.url)
        return self

    def __exit__(self, kind, error, trace):
        try:
            if kind is None:
                self._judge()
        finally:
            left = portal.wait(self._close())
            self.proxy.__exit__()
        assert error or left == [], "these are left on the portal's loop"

    @property
    def upstream(self):
        return self.proxy.upstream

    def run(self, graph=None, params=None, *, within=15.0):
        """Run one workflow, by default a picture; it has to end within so many seconds."""
        return self.run_all([graph or picture()], params, within=within)[0]

    def run_all(self, graphs, params=None, *, within=15.0):
        """Run workflows at once."""
        runs = [self.begin(graph, params) for graph in graphs]
        until = time.monotonic() + within
        return [self.end(run, max(0.1, until - time.monotonic())) for run in runs]

    def begin(self, graph, params=None):
        self.counts["runs"] += 1
        return portal.start(self.kit.runner.perform(graph, params or {}))

    def end(self, run, within=15.0):
        """Wait for a run that was begun; it ends with its outputs, or with a failure that has a name."""
        try:
            result = run.result(within)
        except concurrent.futures.TimeoutError:
            self.counts["runs that hung"] += 1
            run.cancel()
            raise AssertionError(f"a run hung: {portal.wait(_places())}") from None
        assert isinstance(result, ExecuteResult)
        if result.status != "completed":
            assert isinstance(result.error, ComfyError)
            assert len(result.msg) > 10
        self.results.append(result)
        return result

    def is_at_work(self):
        """Whether the server has runs left, however long they take it."""
        return bool(self._ids())

    def submits(self):
        """How often a workflow was sent, whether or not it came to the server."""
        return [(method, path) for method, path, _ in self.proxy.seen].count(("POST", "/prompt"))

    def ask(self, path):
        """Ask the server itself, past the proxy."""
        return OUTSIDE.get(self.upstream + path).json()

    def post(self, path, body):
        """Act on the server as somebody else."""
        OUTSIDE.post(self.upstream + path, json=body).raise_for_status()

    def await_running(self, run):
        """Return once a run that was begun is on the server's hands, and give its id."""
        wait_until(lambda: self.proxy.accepted or run.done())
        prompt_id = self.proxy.accepted[-1]["prompt_id"]
        wait_until(lambda: prompt_id in self._ids("queue_running") or run.done())
        return prompt_id

    def _ids(self, *kinds):
        queue = self.ask("/queue")
        return [item[1] for kind in kinds or queue for item in queue[kind]]

    def settle(self):
        """Judge what was run until now, and forget it: many runs are not kept until the end."""
        self._judge()
        self.results.clear()
        self.proxy.accepted.clear()
        self.proxy.seen.clear()

    def _judge(self):
        if self.gone:
            return
        accepted = [body["prompt_id"] for body in self.proxy.accepted]
        wait_until(lambda: not set(accepted) & set(self._ids()), 30)
        history = self.ask(f"/history?max_items={100 + 2 * len(self.results)}")
        judged = [] if self.cut_off else self.results
        lost = [(result.msg or result.warnings, self._lost(result, history)) for result in judged]
        self.counts["outputs lost"] += sum(count for _, count in lost)
        self.counts["runs doubled"] += self._doubled(history)
        bad = {name: count for name, count in self.counts.items() if count and name != "runs"}
        assert not bad, (bad, [message for message, count in lost if count])

    def _lost(self, result, history):
        """How many nodes' outputs the server has of a run that its result has not."""
        ids = {body["prompt_id"] for body in self.proxy.accepted if body["prompt"] == result.workflow}
        entry = history.get(result.prompt_id) or next((history[key] for key in ids if key in history), {})
        return len(entry.get("outputs", {}).keys() - result.outputs.keys())

    def _doubled(self, history):
        """How many more runs the server has had, or been given, than were asked for."""
        wanted = [_key(result.workflow) for result in self.results]
        given = [_key(body["prompt"]) for body in self.proxy.accepted]
        had = [_key(entry["prompt"][2]) for entry in history.values()]
        return sum(max(0, max(given.count(key), had.count(key)) - wanted.count(key)) for key in set(wanted))

    async def _close(self):
        """Close the kit's connection, and return the tasks and feeds that are left over."""
        servers = connections._servers.get(asyncio.get_running_loop(), {})
        server = servers.pop(Address.parse(*self.kit.access.wanted), None)
        if server is None:
            return []
        await _settled(lambda: not server._cleanups)
        feeds = [*server._socket._feeds]
        await server.close()
        await _settled(lambda: not asyncio.all_tasks() - self._tasks - {asyncio.current_task()})
        return feeds + [str(task) for task in asyncio.all_tasks() - self._tasks - {asyncio.current_task()}]


def _key(graph):
    return json.dumps(graph, sort_keys=True)


async def _tasks():
    return asyncio.all_tasks() - {asyncio.current_task()}


async def _places():
    """Say where each task is, await by await."""
    return [" > ".join(_awaits(task.get_coro())) for task in await _tasks()]


def _awaits(coroutine):
    while hasattr(coroutine, "cr_frame") and coroutine.cr_frame:
        yield f"{coroutine.__qualname__}:{coroutine.cr_frame.f_lineno}"
        coroutine = coroutine.cr_await


async def _settled(condition):
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(SOON):
            while not condition():  # noqa: ASYNC110 - of things that tell nobody
                await asyncio.sleep(0.01)


def wait_until(condition, seconds=SOON):
    wait_for(condition, seconds)


def kind(frame):
    """A text frame's type; "end" for the one that says that nothing runs; "" for a binary frame."""
    if not isinstance(frame, str):
        return ""
    message = json.loads(frame)
    ended = message["type"] == "executing" and message["data"].get("node") is None
    return "end" if ended else message["type"]


def is_submit(request):
    return (request.method, request.path) == ("POST", "/prompt")
