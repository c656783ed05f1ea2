"""Group nodes, which subgraphs replaced: the inside of one, as a canvas, and the values that the group holds for it.

Source: ComfyUI frontend 1.58.1, GroupNodeConfig: a group node has the sockets that are not joined inside, and the
controls of all its nodes, in the order of the nodes; inputs that were converted to sockets come last.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from comfy_notebook.errors import Problem, WorkflowError
from comfy_notebook.workflow.editor.document import OUTSIDE_IN, OUTSIDE_OUT, Canvas, Link, Slot, kind, read_node
from comfy_notebook.workflow.editor.kinds import PRIMITIVE, REROUTE
from comfy_notebook.workflow.editor.widgets import read_widgets, widget_type
from comfy_notebook.workflow.schema import InputSpec, NodeSchema

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from comfy_notebook.workflow.editor.document import Node


@dataclass(slots=True)
class Group:
    """The inside of one group node: its canvas, and the values it holds by inner node, then by name."""

    canvas: Canvas
    values: dict[str, dict[str, Any]] = field(default_factory=dict)
    seen: dict[str, int] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)


def open_group(saved: Any, name: str, node: Node, schemas: Mapping[str, NodeSchema | None], label: str) -> Group:
    """Read a group's definition as the inside of one of its nodes.

    Raises
    ------
    WorkflowError
        If it cannot be read, or the server lacks one of its nodes, so that the order of its values is not known.
    """
    group = Group(_inside(saved, name, label))
    config = saved.get("config")
    group.config = config if isinstance(config, dict) else {}
    known = {number: _schema(inner, group.canvas, schemas) for number, inner in group.canvas.nodes.items()}
    lacking = sorted({inner.type for number, inner in group.canvas.nodes.items() if known[number] is None})
    if lacking:
        raise _failed(f"the server does not have {', '.join(lacking)}, which the group node contains", label, node)
    _join(group, node, {number: schema for number, schema in known.items() if schema is not None})
    _join_outputs(group, saved.get("external"))
    return group


def inner_types(saved: Any) -> set[str]:
    """Return the types of the nodes in a group's definition."""
    nodes = saved.get("nodes") if isinstance(saved, dict) else None
    types = (entry.get("type") for entry in nodes if isinstance(entry, dict)) if isinstance(nodes, list) else ()
    return {name for name in types if isinstance(name, str) and name}


def _inside(saved: Any, name: str, label: str) -> Canvas:
    canvas = Canvas(name)
    nodes = saved.get("nodes") if isinstance(saved, dict) else None
    if not isinstance(nodes, list):
        raise _failed("its definition has no nodes", label)
    for index, entry in enumerate(nodes):
        inner = read_node(entry, str(index))
        if isinstance(inner, str):
            raise _failed(f"in its definition, {inner}", label)
        canvas.nodes[inner.id] = inner
        for slot in inner.inputs:
            slot.link = None
    links = saved.get("links")
    for number, link in enumerate(links if isinstance(links, list) else []):
        _inner_link(canvas, f"in{number}", link)
    return canvas


def _inner_link(canvas: Canvas, number: str, saved: Any) -> None:
    """Add ``[from index, from slot, to index, to slot, ...]``; links from outside have no index to come from."""
    if not (isinstance(saved, list) and len(saved) >= 4 and all(type(part) is int for part in saved[:4])):
        return
    link = Link(number, str(saved[0]), saved[1], str(saved[2]), saved[3])
    target = canvas.nodes.get(link.target)
    if target is not None and link.origin in canvas.nodes and 0 <= link.target_slot < len(target.inputs):
        canvas.links[number] = link
        target.inputs[link.target_slot].link = number


def _schema(inner: Node, canvas: Canvas, schemas: Mapping[str, NodeSchema | None]) -> NodeSchema | None:
    if inner.type == REROUTE:
        joined = any(link.origin == inner.id for link in canvas.links.values())
        if joined and any(slot.link for slot in inner.inputs):
            return NodeSchema(REROUTE)
        return NodeSchema(REROUTE, {"": InputSpec("", "*", force_input=True)}, outputs=("*",))
    if inner.type == PRIMITIVE:
        return _primitive(inner, canvas, schemas)
    return schemas.get(inner.type)


def _primitive(inner: Node, canvas: Canvas, schemas: Mapping[str, NodeSchema | None]) -> NodeSchema:
    """Give a primitive the control of what it feeds; one that feeds nothing has none."""
    for link in canvas.links.values():
        target = canvas.nodes[link.target]
        schema = schemas.get(target.type)
        slot = target.inputs[link.target_slot]
        spec = schema.inputs.get(slot.widget or slot.name) if schema and link.origin == inner.id else None
        if spec is not None:
            control = spec.control is not False if widget_type(spec) in ("INT", "FLOAT", "COMBO") else None
            value = InputSpec("value", spec.type, choices=spec.choices, control=control, widget_type=spec.widget_type)
            return NodeSchema(PRIMITIVE, {"value": value}, outputs=(spec.type,))
    return NodeSchema(PRIMITIVE)


def _join(group: Group, node: Node, schemas: Mapping[str, NodeSchema]) -> None:
    """Join the group's sockets and values to the nodes inside."""
    owners: list[tuple[str, InputSpec]] = []
    late: list[tuple[Node, int, InputSpec]] = []
    for inner in group.canvas.nodes.values():
        schema = schemas[inner.id]
        slots = {slot.widget or slot.name: number for number, slot in enumerate(inner.inputs)}
        for spec in schema.inputs.values():
            number = slots.get(spec.name)
            if widget_type(spec) is None:
                _expose(group, inner, spec.name, number)
            elif number is not None and inner.inputs[number].widget:
                late.append((inner, number, spec))
            else:
                _outer_name(group, inner, spec.name)
                owners.append((inner.id, spec))
        if schema.upload_button is not None:
            owners.append((inner.id, InputSpec("", "STRING")))
    for inner, number, spec in sorted(late, key=lambda entry: (int(entry[0].id), entry[1])):
        if inner.inputs[number].link is None:
            _expose(group, inner, spec.name, number)
            owners.append((inner.id, spec))
    _spread(group, node, owners)


def _spread(group: Group, node: Node, owners: list[tuple[str, InputSpec]]) -> None:
    """Give the group's values to the controls that they belong to, in the order of these."""
    if node.values is None:
        return
    declared = {
        str(index): replace(spec, name=str(index), control=_control(spec)) for index, (_, spec) in enumerate(owners)
    }
    found = read_widgets(replace(node, named=None), NodeSchema(node.type, declared))
    for position, said in found.misfits.items():
        raise _failed(f"its saved values do not fit: {owners[int(position)][1].name}: {said}", node.label(), node)
    for index, (inner, spec) in enumerate(owners):
        if str(index) not in found.values or not spec.name:
            continue
        if group.canvas.nodes[inner].type == PRIMITIVE:
            group.canvas.nodes[inner].values = [found.values[str(index)]]
        else:
            group.values.setdefault(inner, {})[spec.name] = found.values[str(index)]


def _control(spec: InputSpec) -> bool | None:
    """Tell whether a control stands beside it; its name, which tells for a seed, is gone outside."""
    return True if spec.control is None and spec.name in ("seed", "noise_seed") else spec.control


def _expose(group: Group, inner: Node, name: str, number: int | None) -> None:
    """Add a socket of the group for an input inside that nothing inside feeds."""
    if number is None and name:
        inner.inputs.append(Slot(name, "*"))
        number = len(inner.inputs) - 1
    slot = inner.inputs[number or 0] if inner.inputs else None
    if slot is None or slot.link is not None:
        return
    outer = _outer_name(group, inner, name)
    if _custom(group, inner, "input", name).get("visible") is False:
        return
    link = Link(f"out{len(group.canvas.inputs)}", OUTSIDE_IN, len(group.canvas.inputs), inner.id, number or 0)
    group.canvas.links[link.id] = link
    group.canvas.inputs.append(Slot(outer, slot.type, links=(link.id,)))
    slot.link = link.id


def _outer_name(group: Group, inner: Node, name: str) -> str:
    """Name an input from outside: with the node before it, where the name alone is taken."""
    label = next((slot.label for slot in inner.inputs if slot.name == name and slot.label), "")
    outer = key = str(_custom(group, inner, "input", name).get("name") or label or name)
    if (inner.type == PRIMITIVE and inner.title) or outer in group.seen:
        prefix = f"{inner.title or inner.type} "
        outer = key = prefix + name
        if outer in group.seen:
            outer = f"{prefix}{group.seen[key]} {name}"
    group.seen[key] = group.seen.get(key, 1) + 1
    return outer


def _join_outputs(group: Group, external: Any) -> None:
    """Add an output of the group for each output inside that nothing inside takes, or that is taken outside too."""
    taken = {(link.origin, link.origin_slot) for link in group.canvas.links.values() if link.origin != OUTSIDE_IN}
    entries = [entry for entry in external if isinstance(entry, list)] if isinstance(external, list) else []
    outside = {(str(entry[0]), entry[1]) for entry in entries if len(entry) > 1 and isinstance(entry[1], int)}
    for inner, slot, slot_type in _outputs(group.canvas):
        hidden = (inner.id, slot) in taken and (inner.id, slot) not in outside
        if _custom(group, inner, "output", str(slot)).get("visible", not hidden):
            number = f"end{len(group.canvas.outputs)}"
            group.canvas.links[number] = Link(number, inner.id, slot, OUTSIDE_OUT, len(group.canvas.outputs))
            group.canvas.outputs.append(Slot("", kind(slot_type), links=(number,)))


def _outputs(canvas: Canvas) -> Iterator[tuple[Node, int, str]]:
    for inner in canvas.nodes.values():
        for slot, slot_type in enumerate(inner.outputs):
            yield inner, slot, slot_type


def _custom(group: Group, inner: Node, side: str, name: str) -> Mapping[str, Any]:
    """Return what the user chose for an input or output in the group's dialog."""
    chosen: Any = group.config
    for key in (inner.id, side, name):
        chosen = chosen.get(key) if isinstance(chosen, dict) else None
    return chosen if isinstance(chosen, dict) else {}


def _failed(message: str, label: str, node: Node | None = None) -> WorkflowError:
    problem = Problem(message, label, node.id if node else None)
    return WorkflowError("A group node cannot be opened.", problems=[problem])
