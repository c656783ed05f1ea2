"""The editor's document as small typed parts, read in one place from all the shapes it had over the years.

Source: ComfyUI frontend 1.58.1, the schemas 0.4 (links are lists) and 1 (links are objects), and what older ones wrote.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from comfy_notebook.errors import Problem, WorkflowError, describe_node

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

OUTSIDE_IN = "-10"  # the node that stands for a subgraph's inputs, inside it
OUTSIDE_OUT = "-20"  # and for its outputs
MUTED = 2
BYPASSED = 4
_MOST_DEFINITIONS = 10_000
_LARGEST_ID = 10**300
_MOST_SLOTS = 100_000


class BrokenLinkError(ValueError):
    """A link cannot be followed; the message says why."""


@dataclass(slots=True)
class Slot:
    """One input of a node, or one input or output of a subgraph's definition.

    Attributes
    ----------
    link
        The id of the link that ends here, or None. Of a subgraph's output: of the link that feeds it.
    widget
        The name of the control that it is the socket of, or "".
    """

    name: str
    type: str
    link: str | None = None
    widget: str = ""
    label: str = ""
    links: tuple[str, ...] = ()


@dataclass(eq=False)
class Node:
    """One node as it was saved; ``values`` and ``named`` are None where the document has none."""

    id: str
    type: str
    title: str = ""
    mode: int = 0
    values: list[Any] | None = None
    named: Mapping[str, Any] | None = None
    properties: Mapping[str, Any] = field(default_factory=dict)
    saved: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def inputs(self) -> list[Slot]:
        """The inputs, in the order of the document."""
        return [_slot(slot) for slot in _list(self.saved.get("inputs")) if isinstance(slot, dict)]

    @cached_property
    def outputs(self) -> list[str]:
        """The types of the outputs."""
        return [kind(slot.get("type")) for slot in _list(self.saved.get("outputs")) if isinstance(slot, dict)]

    @property
    def is_off(self) -> bool:
        """Whether it is muted or bypassed."""
        return self.mode in (MUTED, BYPASSED)

    def label(self, path: str = "") -> str:
        """Name it as users know it; ``path`` is its id in the API graph."""
        return describe_node(path or self.id, self.title, self.type)


@dataclass(slots=True)
class Link:
    """Where a link comes from and goes to."""

    id: str
    origin: str
    origin_slot: int
    target: str
    target_slot: int


@dataclass(slots=True, eq=False)
class Canvas:
    """One level of the document: the root, a subgraph's definition, or the inside of a group node."""

    name: str = ""
    nodes: dict[str, Node] = field(default_factory=dict)
    links: dict[str, Link] = field(default_factory=dict)
    inputs: list[Slot] = field(default_factory=list)
    outputs: list[Slot] = field(default_factory=list)
    separator: str = ":"


@dataclass(slots=True)
class Document:
    """The root, the definitions of subgraphs by id, and those of group nodes by name, as saved.

    ``wireless`` are the inputs of the root that an extension joins when the page queues: node id, number of the slot.
    """

    root: Canvas
    subgraphs: dict[str, Canvas]
    groups: Mapping[str, Any]
    wireless: list[tuple[str, int]] = field(default_factory=list)

    def group_name(self, node_type: str) -> str | None:
        """Return the name of the group node that a type means, or None if it means none."""
        for prefix in ("workflow>", "workflow/"):
            if node_type.startswith(prefix) and node_type[len(prefix) :] in self.groups:
                return node_type[len(prefix) :]
        return None


def read_document(document: object) -> Document:
    """Read a document in the editor's own format.

    Raises
    ------
    WorkflowError
        With one problem for each entry that is no node.
    """
    if not isinstance(document, dict) or not isinstance(document.get("nodes"), list):
        raise WorkflowError("This is not a workflow in the editor's format: it has no list of nodes.")
    problems: list[Problem] = []
    root = read_canvas(document, problems)
    subgraphs = {
        str(entry["id"]): read_canvas(entry, problems, f'subgraph "{entry.get("name") or entry["id"]}"')
        for entry in _definitions(document)
    }
    if problems:
        raise WorkflowError("The workflow has entries that are no nodes.", problems=problems)
    extra = document.get("extra")
    groups = extra.get("groupNodes") if isinstance(extra, dict) else None
    wireless = list(_wireless(extra.get("ue_links"))) if isinstance(extra, dict) else []
    return Document(root, subgraphs, groups if isinstance(groups, dict) else {}, wireless)


def _wireless(saved: Any) -> Iterator[tuple[str, int]]:
    """Read the links of Use Everywhere, which are nowhere else in the document."""
    for entry in _list(saved):
        node_id = _id(entry.get("downstream")) if isinstance(entry, dict) else None
        if node_id is not None:
            yield node_id, _slot_number(entry.get("downstream_slot"))


def read_canvas(entry: Mapping[str, Any], problems: list[Problem], where: str = "") -> Canvas:
    """Read one level; what is wrong with it joins ``problems``."""
    canvas = Canvas(str(entry.get("name") or ""))
    for position, saved in enumerate(_list(entry.get("nodes"))):
        node = read_node(saved)
        if isinstance(node, str):
            problems.append(Problem(node, f"entry {position} of nodes" + (f" in {where}" if where else "")))
        elif node.id in canvas.nodes:
            problems.append(
                Problem("two nodes have this id", node.label() + (f" in {where}" if where else ""), node.id)
            )
        else:
            canvas.nodes[node.id] = node
    for link in _links(entry.get("links")):
        canvas.links.setdefault(link.id, link)
    canvas.inputs = [_slot(saved) for saved in _list(entry.get("inputs")) if isinstance(saved, dict)]
    canvas.outputs = [_slot(saved) for saved in _list(entry.get("outputs")) if isinstance(saved, dict)]
    _complete(canvas)
    return canvas


def _complete(canvas: Canvas) -> None:
    """Let the inputs and outputs of a definition know their links, where the document says it at the links only."""
    silent = {
        id(slot): slot
        for slot in (*canvas.inputs, *canvas.outputs)
        if not any(known in canvas.links for known in slot.links)
    }
    for link in canvas.links.values() if silent else ():
        if link.origin == OUTSIDE_IN and 0 <= link.origin_slot < len(canvas.inputs):
            slot = canvas.inputs[link.origin_slot]
        elif link.target == OUTSIDE_OUT and 0 <= link.target_slot < len(canvas.outputs):
            slot = canvas.outputs[link.target_slot]
        else:
            continue
        if id(slot) in silent:
            slot.links += (link.id,)


def read_node(saved: Any, node_id: str | None = None) -> Node | str:
    """Read a node, or say why it is none."""
    if not isinstance(saved, dict):
        return f"it is a {type(saved).__name__}, not a node"
    number = node_id if node_id is not None else _id(saved.get("id"))
    if number is None:
        return "it is a node without an id"
    if not isinstance(saved.get("type"), str) or not saved["type"]:
        return f"node {number} has no type"
    mode, title = saved.get("mode"), saved.get("title")
    properties = saved.get("properties")
    return Node(
        number,
        saved["type"],
        title if isinstance(title, str) else "",
        int(mode) if isinstance(mode, int | float) and mode in range(5) else 0,
        *_values(saved),
        properties if isinstance(properties, dict) else {},
        saved,
    )


def kind(saved: Any) -> str:
    """Return a slot's type as text; lists of choices, numbers and nothing occur as well."""
    if isinstance(saved, str):
        return saved or "*"
    return "COMBO" if isinstance(saved, list) else "*"


def _values(saved: Mapping[str, Any]) -> tuple[list[Any] | None, Mapping[str, Any] | None]:
    """Return the values by position and by name; where both are there, the names only say what is where.

    A list whose names were saved beside it keeps its meaning when the server's node has other inputs by now.
    """
    values, names = saved.get("widgets_values"), saved.get("widgets_values_named")
    if isinstance(values, dict):
        return None, values
    if not isinstance(names, dict) or not names:
        return (values if isinstance(values, list) else None), None
    if isinstance(values, list) and values:
        return values, (dict(zip(names, values, strict=True)) if len(names) == len(values) else None)
    return None, names


def _slot(saved: Mapping[str, Any]) -> Slot:
    get = saved.get
    name, link, widget, label, links = get("name"), get("link"), get("widget"), get("label"), get("linkIds")
    return Slot(
        name if isinstance(name, str) else "",
        kind(get("type")),
        None if link is None else _id(link),
        _text(widget.get("name")) if isinstance(widget, dict) else "",
        label if isinstance(label, str) else "",
        tuple(number for entry in _list(links) if (number := _id(entry)) is not None) if links else (),
    )


def _links(saved: Any) -> Iterator[Link]:
    entries = saved.values() if isinstance(saved, dict) else _list(saved)
    for entry in entries:
        if isinstance(entry, list):
            fields = entry[:5]
        elif isinstance(entry, dict):
            fields = [entry.get(name) for name in ("id", "origin_id", "origin_slot", "target_id", "target_slot")]
        else:
            continue
        if len(fields) == 5:
            number, origin, target = _id(fields[0]), _id(fields[1]), _id(fields[3])
            if number is not None and origin is not None and target is not None:
                yield Link(number, origin, _slot_number(fields[2]), target, _slot_number(fields[4]))


def _definitions(document: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Go through the definitions of subgraphs, and those that lie inside them."""
    pending: list[Any] = [document]
    seen = 0
    while pending and seen < _MOST_DEFINITIONS:
        definitions = pending.pop().get("definitions")
        for entry in _list(definitions.get("subgraphs")) if isinstance(definitions, dict) else []:
            if isinstance(entry, dict) and isinstance(entry.get("id"), str):
                seen += 1
                yield entry
                pending.append(entry)


def _list(saved: Any) -> list[Any]:
    return saved if isinstance(saved, list) else []


def _text(saved: Any) -> str:
    return saved if isinstance(saved, str) else ""


def _id(saved: Any) -> str | None:
    """Return an id as text; 7, 7.0 and "7" are one id."""
    if isinstance(saved, str):
        return saved
    if isinstance(saved, bool) or not isinstance(saved, int | float):
        return None
    if isinstance(saved, float):
        return str(int(saved)) if saved.is_integer() else str(saved)
    return str(saved) if -_LARGEST_ID < saved < _LARGEST_ID else None


def _slot_number(saved: Any) -> int:
    """Return a slot's number, or -1; some editors wrote them as text."""
    if isinstance(saved, int) and 0 <= saved < _MOST_SLOTS:
        return int(saved)
    number = _id(saved)
    return int(number) if number is not None and number.isdecimal() and len(number) < len(str(_MOST_SLOTS)) else -1
