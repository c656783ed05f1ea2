"""A workflow: the API graph as its author made it, with its parameters and outputs by name."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

from comfy_notebook.workflow.markers import output_name, plain_title
from comfy_notebook.workflow.parameters import Parameter, find_parameters

if TYPE_CHECKING:
    from collections.abc import Mapping

Graph: TypeAlias = "dict[str, dict[str, Any]]"


@dataclass(frozen=True)
class Workflow:
    """A workflow in ComfyUI's API format.

    Attributes
    ----------
    graph
        ``{node id: {"class_type": ..., "inputs": {...}, "_meta": {"title": ...}}}``. Treat it as read-only;
        a run works on a copy.
    name
        What to call it, usually the file's name.
    """

    graph: Graph
    name: str = "the workflow"

    @cached_property
    def params(self) -> Mapping[str, Parameter]:
        """The parameters by name: marked ones first, then every other input that holds a value."""
        return find_parameters(self.graph)

    @cached_property
    def outputs(self) -> Mapping[str, str]:
        """Node id → name, of the nodes whose title marks an output (``$output.cover``)."""
        names = {node_id: output_name(node_title(node) or "") for node_id, node in self.graph.items()}
        return {node_id: name for node_id, name in names.items() if name is not None}

    @property
    def class_types(self) -> set[str]:
        """The node classes that it uses."""
        return {str(node["class_type"]) for node in self.graph.values()}

    def title(self, node_id: str) -> str | None:
        """Return a node's title as people read it, without markers; None if it has none."""
        return plain_title(node_title(self.graph.get(node_id, {})) or "") or None


def node_title(node: Mapping[str, Any]) -> str | None:
    """Return the title in a node's ``_meta``, or None; any shape of ``_meta`` is borne."""
    meta = node.get("_meta")
    title = meta.get("title") if isinstance(meta, dict) else None
    return title if isinstance(title, str) and title else None
