"""What the document and the server together say about a node: its controls, its sockets in order, its title."""

from __future__ import annotations

from typing import TYPE_CHECKING

from comfy_notebook.workflow.editor.document import Slot
from comfy_notebook.workflow.editor.widgets import Widgets, read_widgets, widget_type

if TYPE_CHECKING:
    from collections.abc import Mapping

    from comfy_notebook.workflow.editor.document import Canvas, Document, Node
    from comfy_notebook.workflow.schema import InputSpec, NodeSchema


class Reader:
    """Answers for the nodes of one document, each worked out once.

    Parameters
    ----------
    schemas
        What the server declares; None for a class that it lacks.
    """

    def __init__(self, document: Document, schemas: Mapping[str, NodeSchema | None]) -> None:
        self._document = document
        self._schemas = schemas
        self._read: dict[int, Widgets | None] = {}
        self._ordered: dict[int, list[Slot]] = {}
        self._groups: dict[int, Canvas] = {}

    def add_group(self, node: Node, canvas: Canvas) -> None:
        """Let a group node be known by its inside."""
        self._groups[id(node)] = canvas

    def schema(self, node: Node) -> NodeSchema | None:
        """Return what the server declares for a node."""
        return self._schemas.get(node.type)

    def is_on_server(self, node_type: str) -> bool:
        """Whether the server has a class."""
        return self._schemas.get(node_type) is not None

    def definition(self, node: Node) -> Canvas | None:
        """Return the subgraph that a node is an instance of, or None."""
        return self._document.subgraphs.get(node.type)

    def title(self, node: Node) -> str:
        """Return what stands above a node on the page."""
        schema = self.schema(node)
        return node.title or (schema.display_name if schema is not None else "") or node.type

    def widgets(self, node: Node) -> Widgets | None:
        """Return a node's controls, or None where the server lacks its class."""
        if id(node) not in self._read:
            schema = self.schema(node)
            self._read[id(node)] = read_widgets(node, schema) if schema is not None else None
        return self._read[id(node)]

    def input_type(self, node: Node, slot: Slot) -> str:
        """Return the type of an input: as the server declares it, else as it was saved."""
        widgets, schema = self.widgets(node), self.schema(node)
        spec = (widgets.specs.get(slot.name) if widgets else None) or (schema.inputs.get(slot.name) if schema else None)
        # A type that follows what is connected was worked out by the page, and saved.
        return slot.type if spec is None or spec.type.startswith("COMFY_") else spec.type

    def slots(self, node: Node) -> list[Slot]:
        """Return a node's inputs as the page orders them: sockets, then controls, then what only the document has."""
        if id(node) not in self._ordered:
            self._ordered[id(node)] = self._order(node)
        return self._ordered[id(node)]

    def output_type(self, node: Node, number: int) -> str:
        """Return the type of an output: as the server declares it, else as it was saved."""
        canvas, schema = self._groups.get(id(node)) or self.definition(node), self.schema(node)
        declared = [slot.type for slot in canvas.outputs] if canvas is not None else []
        if schema is not None:
            declared = [kind for kind in schema.outputs if not kind.startswith("COMFY_")]
        if canvas is None and (schema is None or len(declared) != len(schema.outputs)):
            declared = node.outputs
        return declared[number] if number < len(declared) else "*"

    def _order(self, node: Node) -> list[Slot]:
        canvas = self._groups.get(id(node)) or self.definition(node)
        if canvas is not None:
            return _matched([(slot.name, slot.type) for slot in canvas.inputs], node.inputs)
        schema, widgets = self.schema(node), self.widgets(node)
        if schema is None or widgets is None:
            return node.inputs
        sockets = [(spec.name, spec.type) for spec in schema.inputs.values() if _is_socket(spec)]
        ordered = _matched([*sockets, *((name, spec.type) for name, spec in widgets.specs.items())], node.inputs)
        known = {slot.name for slot in ordered}
        return ordered + [slot for slot in node.inputs if slot.name not in known]


def _is_socket(spec: InputSpec) -> bool:
    """Whether an input is one socket: neither a control nor a list of sockets that grows."""
    return widget_type(spec) is None and spec.type != "COMFY_AUTOGROW_V3"


def _matched(wanted: list[tuple[str, str]], saved: list[Slot]) -> list[Slot]:
    """Give each input that is declared the link that was saved under its name."""
    by_name = {slot.name: slot for slot in saved}
    return [_declared(name, slot_type, by_name.get(name)) for name, slot_type in wanted]


def _declared(name: str, slot_type: str, saved: Slot | None) -> Slot:
    if saved is None:
        return Slot(name, slot_type)
    # A type that follows what is connected was worked out by the page, and saved.
    kept = saved.type if slot_type.startswith("COMFY_") else slot_type
    if kept == saved.type:
        return saved
    return Slot(name, kept, saved.link, saved.widget, saved.label)
