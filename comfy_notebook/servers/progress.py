"""How far a run is, from its events: a state that any order of events leaves sound."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from comfy_notebook.servers.events import (
    Cached,
    Ended,
    Event,
    Executed,
    Executing,
    Failed,
    Interrupted,
    NodeProgress,
    NodeStates,
    Preview,
    Started,
    Succeeded,
    stamp_of,
)
from comfy_notebook.workflow.graph import is_link

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from comfy_notebook.workflow.graph import Graph

_BLOCKED = "ExecutionBlocked"


@dataclass(slots=True)
class RunState:
    """What is known of a run. ``apply`` takes one event; nothing else changes it, save ``read_history``.

    Attributes
    ----------
    outputs
        Node id → the node's output as the server reports it, in the order in which they came.
    display_nodes
        Node id as run → id in the workflow, for nodes that a node expanded to.
    fractions
        Node id → how much of it is done, 0 to 1, of every node that began.
    failure
        The data of the message that reported a node's exception.
    blocked
        Messages of nodes that were kept from running on purpose.
    verdict
        "completed", "failed" or "cancelled" once it is known.
    over
        Whether the server has said that the run has ended.
    began
        The monotonic time at which it left the queue; None before, and where that was not heard.
    began_stamp
        The same by the server's clock.
    current_began
        The monotonic time at which the running node began; None if that was not heard.
    server_seconds
        How long it ran by the server's clock; None until it has ended, and if the server does not say.
    """

    outputs: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    display_nodes: dict[str, str] = field(default_factory=dict)
    fractions: dict[str, float] = field(default_factory=dict)
    cached: frozenset[str] = frozenset()
    current: str | None = None
    step: tuple[float, float] | None = None
    preview: Preview | None = None
    started: bool = False
    failure: Mapping[str, Any] | None = None
    blocked: list[Mapping[str, Any]] = field(default_factory=list)
    verdict: str | None = None
    over: bool = False
    last_output: float | None = None
    began: float | None = None
    began_stamp: float | None = None
    current_began: float | None = None
    server_seconds: float | None = None

    def apply(self, event: Event) -> None:  # noqa: C901 - one case a kind of event
        """Take one event into account."""
        match event:
            case Started(stamp=stamp):
                self.started, self.began_stamp = True, stamp
                self.began = time.monotonic()
            case Cached(nodes=nodes):
                self.cached = frozenset(nodes)
            case Executing(node=node, display_node=display):
                self._begin(node, display)
            case NodeProgress(node=node, value=value, maximum=maximum):
                self.step = (value, maximum)
                self.fractions[node] = value / maximum if maximum else 0.0
            case NodeStates(nodes=nodes):
                self._take_states(nodes)
            case Executed(node=node, display_node=display, output=output):
                self._take_output(node, display, output)
            case Preview():
                self.preview = event
            case Failed(data=data, stamp=stamp):
                self._take_failure(data)
                self._take_end(stamp)
            case Interrupted(stamp=stamp):
                self.verdict = "cancelled"
                self._take_end(stamp)
            case Succeeded(stamp=stamp):
                self.verdict = self.verdict or "completed"
                self._take_end(stamp)
            case Ended():
                self.over = True

    def read_history(self, entry: Mapping[str, Any]) -> None:
        """Take the outputs and the end from a run's entry in the server's history, which is the truth."""
        outputs = entry.get("outputs")
        meta = entry.get("meta")
        if isinstance(outputs, dict):
            self.outputs = dict(outputs)
        for node, about in meta.items() if isinstance(meta, dict) else ():
            if isinstance(about, dict):
                self.display_nodes[node] = str(about.get("display_node") or node)
        status = entry.get("status")
        status = status if isinstance(status, dict) else {}
        listed = status.get("messages")
        pairs = (
            [each for each in listed if isinstance(each, list) and len(each) == 2] if isinstance(listed, list) else []
        )
        stamps = [stamp for _, data in pairs if isinstance(data, dict) and (stamp := stamp_of(data)) is not None]
        if len(stamps) > 1:
            self.server_seconds = _lasting(min(stamps), max(stamps))
        for kind, data in pairs:
            if kind == "execution_error" and isinstance(data, dict):
                self._take_failure(data)
            elif kind == "execution_interrupted":
                self.verdict = "cancelled"
        if self.verdict is None:
            self.verdict = "failed" if status.get("status_str") == "error" else "completed"
        self.over = True

    def _take_end(self, stamp: float | None) -> None:
        if stamp is not None and self.began_stamp is not None:
            self.server_seconds = _lasting(self.began_stamp, stamp)

    def _begin(self, node: str, display: str) -> None:
        if display != node:
            self.display_nodes[node] = display
        if self.current != display:
            self.current, self.step, self.preview = display, None, None
            self.current_began = time.monotonic()
        self.fractions.setdefault(node, 0.0)

    def _take_states(self, nodes: Mapping[str, tuple[str, float, float, str]]) -> None:
        for node, (state, value, maximum, display) in nodes.items():
            if display != node:
                self.display_nodes[node] = display
            self.fractions[node] = 1.0 if state == "finished" else (value / maximum if maximum else 0.0)

    def _take_output(self, node: str, display: str, output: Mapping[str, Any]) -> None:
        if display != node:
            self.display_nodes[node] = display
        self.outputs[node] = output
        self.fractions[node] = 1.0
        self.last_output = time.monotonic()

    def _take_failure(self, data: Mapping[str, Any]) -> None:
        if data.get("exception_type") == _BLOCKED:
            self.blocked.append(data)
        else:
            self.failure, self.verdict = data, "failed"


def passed_over(graph: Graph, settled: Collection[str], begun: Collection[str]) -> set[str]:
    """Return the nodes that did not begin and need not: all that take something from them are settled.

    So it is with the branch that a switch did not take, and with what comes before a cached node. ``settled`` are the
    nodes that are done or cached, ``begun`` those that began.
    """
    sources = {
        node_id: {value[0] for value in node["inputs"].values() if is_link(value)} for node_id, node in graph.items()
    }
    waiting = Counter(source for taken in sources.values() for source in taken)
    over: set[str] = set()
    queue = [node_id for node_id in settled if node_id in sources]
    while queue:
        for source in sources[queue.pop()]:
            waiting[source] -= 1
            if not waiting[source] and source in sources and source not in begun and source not in settled:
                over.add(source)
                queue.append(source)
    return over


def _lasting(began: float, ended: float) -> float:
    """Return the seconds between two stamps, which are in milliseconds."""
    return max(0.0, round(ended - began, 3))
