"""A document that should be a workflow: tells the format it is in, and makes a Workflow of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from comfy_notebook.errors import Problem, WorkflowError
from comfy_notebook.workflow.document import Workflow
from comfy_notebook.workflow.growing import growing

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from comfy_notebook.workflow import editor
    from comfy_notebook.workflow.graph import Graph
    from comfy_notebook.workflow.schema import Schemas

_WRAPPINGS = ("prompt", "output", "workflow")  # of a POST /prompt body, and of what the page's own export makes
_HINT = "In ComfyUI, open the workflow and choose Workflow > Save, then use the file that this writes."


@dataclass(frozen=True)
class Document:
    """JSON that should be a workflow, in the editor's format or in the API format.

    Attributes
    ----------
    content
        The JSON, as read.
    name
        What to call it in messages: the file's name.
    """

    content: Any
    name: str

    @property
    def is_editors(self) -> bool:
        """Whether it is in the editor's format, so that converting it takes the server's schemas."""
        return isinstance(self._unwrapped, dict) and isinstance(self._unwrapped.get("nodes"), list)

    @property
    def class_types(self) -> set[str]:
        """The node classes that it uses; WorkflowError if it is no workflow."""
        if self.is_editors:
            from comfy_notebook.workflow import editor

            return editor.class_types(self._read)
        return {node["class_type"] for node in _checked(self._unwrapped, self.name).values()}

    def workflow(self, schemas: Schemas, server: str = "") -> Workflow:
        """Make a Workflow, converting it if need be.

        Parameters
        ----------
        schemas
            What a server says of its classes; needed for the editor's format alone.
        server
            The label of that server.

        Raises
        ------
        WorkflowError
            If it is no workflow, or cannot be converted: with every node and the reason.
        """
        with growing():
            graph = self._converted(schemas) if self.is_editors else _graph(_checked(self._unwrapped, self.name))
        if not graph:
            raise WorkflowError(f"{self.name} has no nodes that run.")
        known = {name: schemas[name] for name in {node["class_type"] for node in graph.values()} if name in schemas}
        return Workflow(graph, self.name, schemas=known, server=server)

    def _converted(self, schemas: Schemas) -> Graph:
        from comfy_notebook.workflow import editor

        return editor.convert(self._read, schemas)

    @cached_property
    def _read(self) -> editor.Document:
        from comfy_notebook.workflow import editor  # a room of its own, which most workflows do without

        with growing():
            return editor.read_document(self._unwrapped)

    @cached_property
    def _unwrapped(self) -> Any:
        for key in _WRAPPINGS:
            inner = self.content.get(key) if isinstance(self.content, dict) else None
            if isinstance(inner, dict) and "class_type" not in inner:  # else it is a node with that id
                return inner
        return self.content


def _checked(content: Any, name: str) -> Mapping[Any, Mapping[str, Any]]:
    """Return a document in the API format; WorkflowError if any of its entries is no node."""
    if not isinstance(content, dict):
        raise WorkflowError(f"{name} is not a workflow: it holds a {type(content).__name__}, not nodes.", hint=_HINT)
    if not content:
        raise WorkflowError(f"{name} has no nodes.")
    problems = [problem for node_id, node in content.items() if (problem := _malformed(node_id, node))]
    if len(problems) == len(content):
        raise WorkflowError(f"{name} is JSON, but not a workflow: none of its entries is a node.", hint=_HINT)
    if problems:
        raise WorkflowError(f"{name} has entries that are no nodes.", problems=problems)
    return content


def _malformed(node_id: Any, node: Any) -> Problem | None:
    subject = f"entry {node_id!r}"
    if not isinstance(node, dict):
        return Problem(f"it is a {type(node).__name__}, not a node", subject, str(node_id))
    if not isinstance(node.get("class_type"), str):
        return Problem("it has no class_type", subject, str(node_id))
    if not isinstance(node.get("inputs", {}), dict | None):
        return Problem("its inputs are not a mapping", subject, str(node_id))
    return None


def _graph(content: Mapping[Any, Mapping[str, Any]]) -> Graph:
    """Copy what a server reads; ids become strings, as JSON has them."""
    numbers = {node_id for node_id in content if not isinstance(node_id, str)}  # a dict written in Python
    return {str(node_id): _node(node, numbers) for node_id, node in content.items()}


def _node(node: Mapping[str, Any], numbers: Collection[Any]) -> dict[str, Any]:
    """Copy a node without what a server of 2025 adds in the files that it saves: how it detected changes."""

    def read(value: Any) -> Any:
        is_link = isinstance(value, list) and len(value) == 2 and isinstance(value[0], int) and value[0] in numbers
        return [str(value[0]), value[1]] if is_link else value

    inputs = {str(name): read(value) for name, value in (node.get("inputs") or {}).items()}
    return {**{key: value for key, value in node.items() if key != "is_changed"}, "inputs": inputs}
