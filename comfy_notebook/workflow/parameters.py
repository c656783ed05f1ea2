"""A workflow's parameters: which name sets which inputs of which nodes."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from comfy_notebook.workflow.markers import Marker, parameter_markers
from comfy_notebook.workflow.schema import file_kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# Nodes that save files. ComfyKit reads no parameters from their titles, so "$output..." amid such a title
# has no meaning there, while elsewhere it is a parameter that happens to be called "output".
_SAVERS = frozenset({"SaveImage", "SaveVideo", "SaveAudio", "VHS_SaveVideo", "VHS_SaveAudio"})


class Target(NamedTuple):
    """One input of one node."""

    node_id: str
    input_name: str

    def __str__(self) -> str:
        return f"{self.node_id}.{self.input_name}"


@dataclass(frozen=True, slots=True)
class Parameter:
    """One name and what it sets.

    Attributes
    ----------
    name
        As it is given to a run.
    targets
        The inputs that take its value, all the same one.
    default
        What the workflow holds there, or None (also where it holds a link).
    required
        Whether the author marked it with ``!``: then a run must give it.
    upload
        Whether the author marked it with ``~``: then its value is a file.
    description
        What the author wrote about it.
    marked
        Whether it comes from a title marker rather than from the input's own name.
    """

    name: str
    targets: tuple[Target, ...]
    default: Any = None
    required: bool = False
    upload: bool = False
    description: str = ""
    marked: bool = False


def find_parameters(graph: Mapping[str, Mapping[str, Any]]) -> dict[str, Parameter]:
    """Name every input that holds a value: marked names first, then bare ones, else ``"6.text"``.

    Two markers of one name make one parameter that sets both inputs; the last one says whether it is
    required, as in ComfyKit.
    """
    found: dict[str, Parameter] = {}
    for parameter in _marked(graph):
        earlier = found.get(parameter.name)
        targets = (*earlier.targets, *parameter.targets) if earlier else parameter.targets
        found[parameter.name] = replace(parameter, targets=tuple(dict.fromkeys(targets)))
    taken = {target for parameter in found.values() for target in parameter.targets}
    literals = [(target, value) for target, value in _literals(graph) if target not in taken]
    uses = Counter(target.input_name for target, _ in literals)
    for target, value in literals:
        bare = target.input_name
        name = bare if uses[bare] == 1 and bare not in found else str(target)
        found.setdefault(name, Parameter(name, (target,), value))
    return found


def locate(name: str, params: Mapping[str, Parameter], graph: Mapping[str, Mapping[str, Any]]) -> Parameter | None:
    """Find what a given name sets: a parameter, or any node's input as ``"6.text"``; None if nothing.

    An input that holds a link counts, too: a value put there replaces the link.
    """
    if name in params:
        return params[name]
    for position, character in enumerate(name):
        node_id, input_name = name[:position], name[position + 1 :]
        if character == "." and input_name and node_id in graph:
            value = (graph[node_id].get("inputs") or {}).get(input_name)
            return Parameter(name, (Target(node_id, input_name),), None if isinstance(value, list) else value)
    return None


def inputs_named(name: str, graph: Mapping[str, Mapping[str, Any]]) -> list[Target]:
    """Return every input with this bare name that holds a value."""
    return [target for target, _ in _literals(graph) if target.input_name == name]


def _marked(graph: Mapping[str, Mapping[str, Any]]) -> Iterable[Parameter]:
    for node_id, node in graph.items():
        meta = node.get("_meta")
        title = meta.get("title") if isinstance(meta, dict) else None
        if not isinstance(title, str):
            continue
        class_type = str(node.get("class_type"))
        inputs = node.get("inputs") or {}
        for marker in parameter_markers(title):
            if class_type in _SAVERS and marker.name == "output":
                continue
            target = Target(node_id, _field(marker, class_type, inputs))
            value = inputs.get(target.input_name)
            default = None if marker.required or isinstance(value, list) else value
            yield Parameter(
                marker.name,
                (target,),
                default,
                marker.required,
                marker.upload,
                marker.description,
                marked=True,
            )


def _field(marker: Marker, class_type: str, inputs: Mapping[str, Any]) -> str:
    """Return the input that a marker means.

    ``$~photo`` on a LoadImage means the input that names the file, though it is not called "photo"
    (ComfyKit's documentation; its code fails).
    """
    if marker.explicit or marker.field in inputs:
        return marker.field
    files = [name for name in inputs if file_kind(class_type, name)]
    if marker.upload and not files:
        files = [name for name, value in inputs.items() if isinstance(value, str)]
    return files[0] if len(files) == 1 else marker.field


def _literals(graph: Mapping[str, Mapping[str, Any]]) -> Iterable[tuple[Target, Any]]:
    for node_id, node in graph.items():
        for name, value in (node.get("inputs") or {}).items():
            if value is not None and not isinstance(value, list):
                yield Target(node_id, name), value
