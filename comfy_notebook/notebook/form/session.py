"""The runs of a form: those under way, and those that are over, with the values that each had."""

from __future__ import annotations

import functools
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from comfy_notebook.jobs import jobs_of
from comfy_notebook.results import ResultList

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from comfy_notebook.jobs import Batch, Job
    from comfy_notebook.results import ExecuteResult


@dataclass(eq=False, slots=True)
class Entry:
    """One run.

    Attributes
    ----------
    number
        Its place in the session, from 1.
    values
        The form's when it began.
    owner
        The form that began it.
    result
        None until it is over.
    """

    number: int
    job: Job
    values: Mapping[str, Any]
    owner: object
    result: ExecuteResult | None = None


class Session:
    """The runs of all forms of one workflow in this kernel: showing a form anew does not lose them.

    Attributes
    ----------
    entries
        All of them, in order.
    """

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self._lock = threading.Lock()
        self._works: list[Job | Batch] = []
        self._finished: list[ExecuteResult] = []
        self._watchers: list[Callable[[Entry], None]] = []

    @property
    def results(self) -> ResultList:
        """What came back, in the order in which it did."""
        return ResultList(self._finished)

    @property
    def under_way(self) -> list[Job | Batch]:
        """What is not over: the first of them runs, the others wait."""
        with self._lock:
            self._works = [work for work in self._works if not work.done]
            return list(self._works)

    def watch(self, watcher: Callable[[Entry], None]) -> None:
        """Have ``watcher`` called once for each run that is over, on a thread of ours."""
        self._watchers.append(watcher)

    def unwatch(self, watcher: Callable[[Entry], None]) -> None:
        """Call it no more."""
        self._watchers.remove(watcher)

    def add(self, work: Job | Batch, values: Mapping[str, Any], owner: object) -> list[Entry]:
        """Take in what was just submitted with these values."""
        with self._lock:
            first = len(self.entries) + 1
            added = [Entry(number, job, values, owner) for number, job in enumerate(jobs_of(work), first)]
            self.entries.extend(added)
            self._works.append(work)
        for entry in added:
            entry.job.on_done(functools.partial(self.settle, entry))
        return added

    def settle(self, entry: Entry, result: ExecuteResult) -> None:
        """Take what came back from a run, unless that was done."""
        with self._lock:
            if entry.result is not None:
                return
            entry.result = result
            self._finished.append(result)
        for watcher in list(self._watchers):
            watcher(entry)
