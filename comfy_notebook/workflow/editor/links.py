"""Follows links to where their value comes from: through reroutes, bypassed nodes, and in and out of subgraphs.

Source: ComfyUI frontend 1.58.1, ExecutableNodeDTO.resolveInput and resolveOutput.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from comfy_notebook.workflow.editor.document import BYPASSED, OUTSIDE_IN, BrokenLinkError
from comfy_notebook.workflow.editor.kinds import GET_NODE, NOTES, PRIMITIVE, REROUTE, SET_NODE, fits
from comfy_notebook.workflow.editor.widgets import MISSING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from comfy_notebook.workflow.editor.document import Canvas, Link, Node, Slot
    from comfy_notebook.workflow.editor.promotion import Promotion
    from comfy_notebook.workflow.editor.reading import Reader
    from comfy_notebook.workflow.editor.scopes import Scope


@dataclass(frozen=True, slots=True)
class Output:
    """An output of a node in the API graph."""

    node_id: str
    slot: int


@dataclass(frozen=True, slots=True)
class Constant:
    """A value that something on the page holds: a subgraph's own widget, or a primitive."""

    value: Any


@dataclass(slots=True)
class _Place:
    """Where following a link has come to: an output of a node, or an input of one that is passed through.

    ``direct`` as long as only the borders of subgraphs were crossed: further than that, no primitive reaches.
    """

    scope: Scope
    node: Node
    slot: int
    type: str
    is_output: bool
    direct: bool


class Links:
    """Follows the links of one document, and remembers where each chain ended."""

    def __init__(self, reader: Reader, promotion: Promotion) -> None:
        self._reader = reader
        self._promotion = promotion
        self._held: dict[int, Mapping[int, Any]] = {}
        self._ends: dict[tuple[Any, ...], Output | Constant | None] = {}
        self._wires: dict[int, dict[str, Node]] = {}

    def source(self, scope: Scope, node: Node, slot: Slot) -> Output | Constant | None:
        """Return where the value of a node's input comes from, or None where nothing comes in.

        Raises
        ------
        BrokenLinkError
            If it runs in a circle, or to a node that is not there.
        """
        link = scope.canvas.links.get(slot.link) if slot.link is not None else None
        if link is not None and link.target != node.id:
            raise BrokenLinkError(f"its link ends at node {link.target}")
        place = self._up(scope, slot, self._reader.input_type(node, slot), direct=True)
        if isinstance(place, _Place) and place.scope is scope and place.node.type == PRIMITIVE:
            return None  # it has set the value of the control instead
        passed: dict[tuple[Any, ...], None] = {}
        while isinstance(place, _Place):
            key = (id(place.scope), place.node.id, place.slot, place.is_output, place.type, place.direct)
            if key in self._ends:
                place = self._ends[key]
                break
            if key in passed:
                raise BrokenLinkError(f"its link runs in a circle through {place.node.label()}")
            passed[key] = None
            place = self._next(place)
        self._ends.update(dict.fromkeys(passed, place))
        return place

    def _next(self, place: _Place) -> _Place | Output | Constant | None:
        scope, node = place.scope, place.node
        if not place.is_output:
            return self._into(place)
        child = scope.children.get(node.id)
        # The page opens group nodes when it loads, and forgets how they were switched.
        if node.is_off and (child is None or not child.is_group):
            return self._across(place) if node.mode == BYPASSED else None
        return self._down(child, place) if child is not None else self._from(place)

    def _from(self, place: _Place) -> _Place | Output | Constant | None:
        """End at a node that a server has, or go on through one of the page's own."""
        scope, node = place.scope, place.node
        if node.type in {PRIMITIVE, *NOTES}:
            return Constant(node.values[0]) if node.type == PRIMITIVE and place.direct and node.values else None
        if node.type == GET_NODE and not self._reader.is_on_server(GET_NODE):
            return self._wire(place)
        if node.type == REROUTE or (node.type == SET_NODE and not self._reader.is_on_server(SET_NODE)):
            return _Place(scope, node, 0, place.type, is_output=False, direct=False)
        return Output(scope.path + node.id, place.slot)

    def _into(self, place: _Place) -> _Place | Output | Constant | None:
        """Go on from an input of a node that is passed through."""
        slots = self._reader.slots(place.node)
        if not 0 <= place.slot < len(slots):
            return None
        slot = slots[place.slot]
        return self._up(place.scope, slot, place.type or slot.type, direct=place.direct)

    def _up(self, scope: Scope, slot: Slot, wanted: str, *, direct: bool) -> _Place | Output | Constant | None:
        """Go along the link of an input, to the output at its other end or out of the subgraph."""
        link = scope.canvas.links.get(slot.link) if slot.link is not None else None
        if link is None:
            return None  # the page drops a link that is not in its list
        if link.origin == OUTSIDE_IN and scope.outside is not None:
            return self._out(scope, link.origin_slot, direct=direct)
        return _Place(scope, _origin(scope.canvas, link), link.origin_slot, wanted, is_output=True, direct=direct)

    def _out(self, scope: Scope, number: int, *, direct: bool) -> _Place | Constant | None:
        """Go out of a subgraph through one of its inputs; an open one has the value that the instance holds."""
        outside = scope.outside
        slots = self._reader.slots(outside.node) if outside is not None else []
        if outside is None or not 0 <= number < len(slots):
            raise BrokenLinkError(f"its link comes from input {number} of the subgraph, which has {len(slots)}")
        if slots[number].link in outside.scope.canvas.links:
            return _Place(outside.scope, outside.node, number, "", is_output=False, direct=direct)
        if id(scope) not in self._held:
            self._held[id(scope)] = self._promotion.held(scope)
        value = self._held[id(scope)].get(number, MISSING)
        return None if value is MISSING else Constant(value)

    def _down(self, scope: Scope, place: _Place) -> _Place | Constant | None:
        """Go into a subgraph, to the output inside that feeds one of its outputs."""
        outputs = scope.canvas.outputs
        if not 0 <= place.slot < len(outputs):
            raise BrokenLinkError(f"its link comes from output {place.slot} of {place.node.label()}, which has none")
        links = (scope.canvas.links.get(number) for number in outputs[place.slot].links)
        link = next((link for link in links if link is not None), None)
        if link is None:
            return None
        if link.origin == OUTSIDE_IN:
            return self._out(scope, link.origin_slot, direct=place.direct)
        origin = _origin(scope.canvas, link)
        return _Place(scope, origin, link.origin_slot, place.type, is_output=True, direct=place.direct)

    def _across(self, place: _Place) -> _Place | None:
        """Go across a bypassed node, from its output to the input that stands for it."""
        slots = self._reader.slots(place.node)
        number = opposite(slots, self._reader.output_type(place.node, place.slot), place.slot, place.type)
        return None if number is None else _Place(place.scope, place.node, number, "", is_output=False, direct=False)

    def _wire(self, place: _Place) -> _Place | None:
        """Go along a named wire of KJNodes: to the node that sets it here, or further out."""
        name = _wire_name(place.node)
        scope: Scope | None = place.scope
        while scope is not None:
            setter = self._setters(scope.canvas).get(name)
            if setter is not None:
                return _Place(scope, setter, 0, place.type, is_output=True, direct=False)
            scope = scope.outside.scope if scope.outside is not None else None
        raise BrokenLinkError(f"it gets {name!r}, which no SetNode sets")

    def _setters(self, canvas: Canvas) -> dict[str, Node]:
        if id(canvas) not in self._wires:
            self._wires[id(canvas)] = {_wire_name(n): n for n in canvas.nodes.values() if n.type == SET_NODE}
        return self._wires[id(canvas)]


def opposite(slots: list[Slot], output_type: str, number: int, wanted: str) -> int | None:
    """Return the input that stands for an output of a bypassed node, or None if there is none.

    The input beside the output if both its type and the one that is wanted allow it, else the first of the very type
    that is wanted, else the first that fits both. Whether anything is connected to it does not matter.

    Source: ComfyUI frontend 1.58.1, ExecutableNodeDTO.
    """
    if wanted in ("", "*"):
        return number if number < len(slots) else (0 if slots else None)
    if number < len(slots) and fits(slots[number].type, output_type) and fits(slots[number].type, wanted):
        return number
    for index, slot in enumerate(slots):
        if slot.type == wanted:
            return index
    fitting = (i for i, slot in enumerate(slots) if fits(slot.type, output_type) and fits(slot.type, wanted))
    return next(fitting, None)


def _origin(canvas: Canvas, link: Link) -> Node:
    node = canvas.nodes.get(link.origin)
    if node is None:
        raise BrokenLinkError(f"its link comes from node {link.origin}, which is not there")
    if link.origin_slot < 0:
        raise BrokenLinkError(f"its link does not say which output of {node.label()} it comes from")
    return node


def _wire_name(node: Node) -> str:
    values = node.values or (list(node.named.values()) if node.named else [])
    return str(values[0]) if values else ""
