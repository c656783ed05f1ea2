"""The prompts that wait, the one that runs, and the ones that have run."""

from __future__ import annotations

import heapq
import itertools
import json
import threading
import time
import zlib
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from comfy_notebook.servers.embedded.graph import Graph

_LONGEST_HISTORY = 10_000
_SECRET = frozenset({"auth_token_comfy_org", "api_key_comfy_org"})


@dataclass(frozen=True)
class Job:
    """One prompt that was accepted."""

    number: float
    prompt_id: str
    graph: Graph
    extra_data: dict[str, Any]
    outputs: list[str]

    @property
    def client_id(self) -> str | None:
        """The socket that hears of this run."""
        given = self.extra_data.get("client_id")
        return None if given is None else str(given)

    def shown(self) -> list[Any]:
        """Give the job as /queue and /history have it, without the user's keys."""
        public = {key: value for key, value in self.extra_data.items() if key not in _SECRET}
        return [self.number, self.prompt_id, self.graph, public, self.outputs]


@dataclass
class Record:
    """What came of a job: outputs and their origin by node, and the messages of its status."""

    outputs: dict[str, Any] = field(default_factory=dict)
    meta: dict[str, Any] = field(default_factory=dict)
    messages: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    completed: bool = False

    def shown(self, job: Job) -> dict[str, Any]:
        """Give the entry of /history."""
        return {
            "prompt": job.shown(),
            "outputs": self.outputs,
            "status": {
                "status_str": "success" if self.completed else "error",
                "completed": self.completed,
                "messages": self.messages,
            },
            "meta": self.meta,
        }


class JobQueue:
    """Jobs by priority: the smallest number first, of equal numbers the one that came first.

    ``announce`` is called with the number of jobs that wait or run whenever something has happened to it,
    before anything else can; it must not wait.
    """

    def __init__(self, announce: Callable[[int], None]) -> None:
        self._announce = announce
        self._condition = threading.Condition()
        self._waiting: list[tuple[float, int, Job]] = []
        self._order = itertools.count()
        self._numbers = itertools.count()
        self._running: Job | None = None
        self._woken = False
        self.stopped = False
        self._interrupt = threading.Event()

    def number(self) -> int:
        """Give the next job's place in line."""
        return next(self._numbers)

    def put(self, job: Job) -> None:
        """Let a job wait for its turn."""
        with self._condition:
            job.extra_data["create_time"] = int(time.time() * 1000)
            heapq.heappush(self._waiting, (job.number, next(self._order), job))
            self._announce(self.remaining())
            self._condition.notify()

    def take(self) -> Job | None:
        """Wait for the next job and start it; None if the queue was stopped or woken first."""
        with self._condition:
            self._condition.wait_for(lambda: self.stopped or self._woken or self._waiting)
            if self.stopped or self._woken:
                self._woken = False
                return None
            self._running = heapq.heappop(self._waiting)[2]
            self._interrupt.clear()
            self._announce(self.remaining())
            return self._running

    def done(self) -> None:
        """Note that the running job has ended."""
        with self._condition:
            self._running = None
            self._announce(self.remaining())

    def wake(self) -> None:
        """Let `take` come back without a job, because there is something else to do."""
        with self._condition:
            self._woken = True
            self._condition.notify()

    def stop(self) -> None:
        """Take no more jobs, and interrupt the running one."""
        with self._condition:
            self.stopped = True
            self._interrupt.set()
            self._condition.notify_all()

    def interrupt(self, prompt_id: str | None = None) -> None:
        """Ask the running job to end; with a `prompt_id`, only if it is that one."""
        with self._condition:
            if self._running is not None and prompt_id in {None, self._running.prompt_id}:
                self._interrupt.set()

    def interrupted(self) -> bool:
        """Tell whether the running job was asked to end."""
        return self._interrupt.is_set()

    def delete(self, prompt_ids: Collection[str]) -> None:
        """Drop waiting jobs; the running one is left alone."""
        with self._condition:
            kept = [entry for entry in self._waiting if entry[2].prompt_id not in prompt_ids]
            if len(kept) < len(self._waiting):
                heapq.heapify(kept)
                self._waiting = kept
                self._announce(self.remaining())

    def clear(self) -> None:
        """Drop all waiting jobs."""
        with self._condition:
            self._waiting = []
            self._announce(self.remaining())

    def remaining(self) -> int:
        """Count the jobs that wait or run."""
        with self._condition:
            return len(self._waiting) + (self._running is not None)

    def snapshot(self) -> tuple[list[Job], list[Job]]:
        """Give the running jobs and the waiting ones, in the order in which they will run."""
        with self._condition:
            running = [self._running] if self._running is not None else []
            return running, [entry[2] for entry in sorted(self._waiting, key=lambda entry: entry[:2])]


class History:
    """The jobs that have run, oldest first; packed, as there may be thousands."""

    def __init__(self, longest: int = _LONGEST_HISTORY) -> None:
        self._longest = longest
        self._lock = threading.Lock()
        self._entries: OrderedDict[str, bytes] = OrderedDict()

    def add(self, job: Job, record: Record) -> None:
        """Note what came of a job; an earlier one with the same id is forgotten, and so is the oldest."""
        with self._lock:
            self._entries.pop(job.prompt_id, None)
            self._entries[job.prompt_id] = zlib.compress(json.dumps(record.shown(job)).encode(), 1)
            if len(self._entries) > self._longest:
                self._entries.popitem(last=False)

    def get(self, prompt_id: str) -> dict[str, Any]:
        """Give one entry by its id, in a mapping that is empty if there is none."""
        with self._lock:
            found = self._entries.get(prompt_id)
            return {} if found is None else {prompt_id: _unpacked(found)}

    def page(self, max_items: int | None = None, offset: int = -1) -> dict[str, Any]:
        """Give `max_items` entries from `offset` on, or the last ones if that is negative."""
        with self._lock:
            items = list(self._entries.items())
        start = max(0, len(items) - max_items) if offset < 0 and max_items is not None else max(0, offset)
        end = None if max_items is None else start + max_items
        return {prompt_id: _unpacked(packed) for prompt_id, packed in items[start:end]}

    def delete(self, prompt_ids: Collection[str]) -> None:
        """Forget entries."""
        with self._lock:
            for prompt_id in prompt_ids:
                self._entries.pop(prompt_id, None)

    def clear(self) -> None:
        """Forget all entries."""
        with self._lock:
            self._entries.clear()


def _unpacked(entry: bytes) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(zlib.decompress(entry))
    return read
