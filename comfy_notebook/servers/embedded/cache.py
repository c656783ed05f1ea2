"""What nodes gave in the last run, so that a node runs again only if something it depends on has changed."""

from __future__ import annotations

import hashlib
import json
import secrets
from typing import TYPE_CHECKING, Any

from comfy_notebook.servers.embedded.graph import in_order, is_link, sources

if TYPE_CHECKING:
    from collections.abc import Mapping

    from comfy_notebook.servers.embedded.files import Files
    from comfy_notebook.servers.embedded.graph import Graph
    from comfy_notebook.servers.embedded.nodes import Node
    from comfy_notebook.servers.embedded.values import Outcome


class Cache:
    """Outcomes by signature: the class, the inputs and everything upstream.

    Like ComfyUI's, it holds what the last prompt used and nothing else, which also bounds it. Two nodes with
    the same signature share one outcome. Used by the worker thread alone.
    """

    def __init__(self, nodes: Mapping[str, Node], files: Files) -> None:
        self._nodes = nodes
        self._files = files
        self._signatures: dict[str, str] = {}
        self._outcomes: dict[str, Outcome] = {}

    def begin(self, graph: Graph) -> list[str]:
        """Take up a prompt, forget what it does not use, and give the ids of its nodes that need not run."""
        self._signatures = {}
        for node_id in in_order(graph, lambda each: self._upstream(graph, each)):
            self._signatures[node_id] = self._signature(graph[node_id])
        wanted = set(self._signatures.values())
        self._outcomes = {key: value for key, value in self._outcomes.items() if key in wanted}
        return [node_id for node_id in graph if node_id in self]

    def clear(self) -> None:
        """Forget everything."""
        self._outcomes.clear()

    def __contains__(self, node_id: str) -> bool:
        return self._signatures[node_id] in self._outcomes

    def __getitem__(self, node_id: str) -> Outcome:
        return self._outcomes[self._signatures[node_id]]

    def __setitem__(self, node_id: str, outcome: Outcome) -> None:
        self._outcomes[self._signatures[node_id]] = outcome

    def _upstream(self, graph: Graph, node_id: str) -> list[str]:
        inputs = _inputs(graph[node_id])
        return [each for each in sources(inputs, inputs) if each in graph]

    def _signature(self, node: dict[str, Any]) -> str:
        inputs = _inputs(node)
        known = {name: self._resolved(value) for name, value in inputs.items()}
        content = [node["class_type"], known, self._fingerprint(node["class_type"], inputs)]
        return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()

    def _resolved(self, value: Any) -> Any:
        if is_link(value):
            # a node in a cycle, or one that is not there, is never run and so never looked up
            return ["link", self._signatures.get(value[0]), value[1]]
        return ["value", value]

    def _fingerprint(self, class_type: str, inputs: Mapping[str, Any]) -> dict[str, str]:
        found = {}
        for name, fingerprint in self._nodes[class_type].fingerprints.items():
            try:
                found[name] = fingerprint(self._files, inputs.get(name))
            except (OSError, ValueError, TypeError):
                found[name] = secrets.token_hex()  # not readable now: run it, so that the run says why
        return found


def _inputs(node: dict[str, Any]) -> Mapping[str, Any]:
    inputs = node.get("inputs")
    return inputs if isinstance(inputs, dict) else {}
