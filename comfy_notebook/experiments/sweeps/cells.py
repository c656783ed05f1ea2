"""The cells of a sweep: one run each, and what came back from it, kept small."""

from __future__ import annotations

import pickle
import threading
import zlib
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from comfy_notebook.errors import RunCancelledError
from comfy_notebook.results import CANCELLED, COMPLETED, ExecuteResult, same
from comfy_notebook.servers.downloads import RunFiles
from comfy_notebook.workflow.graph import Target, copied

if TYPE_CHECKING:
    from collections.abc import Mapping

    from comfy_notebook.experiments.history.records import Record
    from comfy_notebook.experiments.sweeps.plan import Plan
    from comfy_notebook.jobs import Job
    from comfy_notebook.workflow.graph import Graph

WAITING = "waiting"
_AT_HAND = 256  # results that are not packed: those that were looked at last


class Results:
    """What came back from the runs of one sweep: a few at hand, the rest packed, a few hundred bytes each.

    Their graphs differ in a few inputs, and are kept as those. Safe on several threads.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._base: Graph = {}
        self._at_hand: OrderedDict[int, ExecuteResult] = OrderedDict()
        self._packed: dict[int, bytes] = {}
        self._recorded: dict[int, Record] = {}  # what the history has
        self._origins: dict[str, RunFiles] = {}  # by server

    def __contains__(self, number: int) -> bool:
        return any(number in place for place in (self._at_hand, self._packed, self._recorded))

    def put(self, number: int, result: ExecuteResult) -> None:
        """Keep the result of a run."""
        with self._lock:
            self._bring(number, result)

    def refer(self, number: int, record: Record) -> None:
        """Take the result of a run from the history, when it is asked for."""
        self._recorded[number] = record

    def get(self, number: int) -> ExecuteResult | None:
        """Return the result of a run; None if it has none yet."""
        with self._lock:
            result = self._at_hand.get(number)
            if result is None and number in self._packed:
                result = self._unpacked(self._packed[number])
            elif result is None and number in self._recorded:
                result = self._recorded[number].result
            if result is not None:
                self._bring(number, result)
            return result

    def drop(self, number: int) -> None:
        """Forget the result of a run that is to run again."""
        with self._lock:
            for place in (self._at_hand, self._packed, self._recorded):
                place.pop(number, None)

    def _bring(self, number: int, result: ExecuteResult) -> None:
        self._at_hand[number] = result
        self._at_hand.move_to_end(number)
        while len(self._at_hand) > _AT_HAND:
            old, gone = self._at_hand.popitem(last=False)
            if old not in self._recorded:
                self._packed[old] = self._pack(gone)  # again, as the digests of its files may be known by now

    def _pack(self, result: ExecuteResult) -> bytes:
        self._base = self._base or result.workflow
        if result.media and isinstance(origin := result.media[0].origin, RunFiles):
            self._origins[result.server] = origin
        changes = _changes(self._base, result.workflow)
        graph = {} if changes is None else self._base
        content = (replace(result, workflow={}) if graph else result, changes)
        return zlib.compress(pickle.dumps(content, pickle.HIGHEST_PROTOCOL), 1)

    def _unpacked(self, packed: bytes) -> ExecuteResult:
        result: ExecuteResult
        result, changes = pickle.loads(zlib.decompress(packed))  # noqa: S301 - our own
        if changes is not None:
            result.workflow = _changed(self._base, changes)
        if result.media and (origin := self._origins.get(result.server)) is not None:
            own = origin.another()
            for media in result.media:
                media.reconnect(own)
        return result


def _changes(base: Graph, graph: Graph) -> list[tuple[Target, Any]] | None:
    """Return the inputs in which a graph differs from another; None if it differs in more than those."""
    if base.keys() != graph.keys():
        return None
    changes = []
    for node_id, node in graph.items():
        other = base[node_id]
        if node["inputs"].keys() != other["inputs"].keys() or node["class_type"] != other["class_type"]:
            return None
        changes += [
            (Target(node_id, name), value)
            for name, value in node["inputs"].items()
            if not same(value, other["inputs"][name])
        ]
    return changes


def _changed(base: Graph, changes: list[tuple[Target, Any]]) -> Graph:
    graph = copied(base)
    for target, value in changes:
        graph[target.node_id]["inputs"][target.input_name] = value
    return graph


@dataclass(slots=True, eq=False, repr=False)
class Cell:
    """One run of a sweep.

    Attributes
    ----------
    number
        Its place among the runs, from 0.
    digest
        What it is known by in the history.
    job
        Its run, while that is under way.
    ended
        The status with which it ended; "" until then.
    kept
        Whether it ran earlier, and was taken from the history.
    prompt_id
        The id of an earlier run that may still be under way on the server.
    """

    number: int
    _plan: Plan
    _results: Results
    digest: str = ""
    job: Job | None = None
    ended: str = ""
    kept: bool = False
    prompt_id: str | None = None

    @property
    def status(self) -> str:
        """How it stands: waiting, preparing, queued or running, then completed, failed or cancelled."""
        job = self.job
        return self.ended or (job.status if job is not None else WAITING)

    @property
    def done(self) -> bool:
        """Whether it is over."""
        return bool(self.ended)

    @property
    def point(self) -> Mapping[str, Any]:
        """The values that differ from run to run."""
        return self._plan.values(self.number)

    @property
    def params(self) -> dict[str, Any]:
        """All values that the sweep gives to it."""
        return {**self._plan.fixed, **self.point}

    @property
    def result(self) -> ExecuteResult | None:
        """What came back; None until it is over."""
        result = self._results.get(self.number)
        if result is None and self.ended == CANCELLED:
            return ExecuteResult.failure(RunCancelledError("The sweep was cancelled before this run began."), CANCELLED)
        return result

    @property
    def completed(self) -> bool:
        """Whether it is over, and well."""
        return self.ended == COMPLETED

    def end(self, result: ExecuteResult) -> None:
        """Take what came back."""
        self._results.put(self.number, result)
        self.ended, self.job, self.prompt_id = result.status, None, None

    def take(self, record: Record) -> None:
        """Take what came back earlier."""
        self._results.refer(self.number, record)
        self.ended, self.kept = record.status, True

    def give_up(self) -> None:
        """Let it be: it will not run."""
        self.ended = CANCELLED

    def renew(self) -> None:
        """Make it wait again."""
        self._results.drop(self.number)
        self.ended, self.kept = "", False

    def __repr__(self) -> str:
        values = ", ".join(f"{name}={value!r}" for name, value in self.point.items())
        return f"<Cell {self.number}: {values}: {self.status}>"
