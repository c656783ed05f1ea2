"""The API graph: ComfyUI's own form of a workflow, as it is sent to a server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# {node id: {"class_type": ..., "inputs": {name: value or ["node id", output]}, "_meta": {"title": ...}}}
Graph: TypeAlias = "dict[str, dict[str, Any]]"

_LINK_PARTS = 2
# What the editor's page keeps beside the inputs that a node declares: its upload button, and a player.
_ON_PAGE_ONLY = frozenset({"upload", "audioUI"})


class Target(NamedTuple):
    """One input of one node."""

    node_id: str
    input_name: str

    def __str__(self) -> str:
        return f"{self.node_id}.{self.input_name}"


def is_link(value: Any) -> bool:
    """Whether an input takes another node's output: ``["node id", output]``. Other lists are values.

    Source: ComfyUI 0.3.75, ``is_link``.
    """
    return (
        isinstance(value, list)
        and len(value) == _LINK_PARTS
        and isinstance(value[0], str)
        and isinstance(value[1], int)
        and not isinstance(value[1], bool)
    )


def node_title(node: Mapping[str, Any]) -> str | None:
    """Return the title in a node's ``_meta``, or None; any shape of ``_meta`` is borne."""
    meta = node.get("_meta")
    title = meta.get("title") if isinstance(meta, dict) else None
    return title if isinstance(title, str) and title else None


def literals(graph: Graph) -> Iterator[tuple[Target, Any]]:
    """Yield every input that holds a value rather than a link, in the graph's order."""
    for node_id, node in graph.items():
        for name, value in node["inputs"].items():
            if value is not None and not is_link(value) and name not in _ON_PAGE_ONLY:
                yield Target(node_id, name), value


def copied(graph: Graph) -> Graph:
    """Copy a graph as deep as values are placed: its nodes, and their inputs."""
    return {node_id: node | {"inputs": dict(node["inputs"])} for node_id, node in graph.items()}
