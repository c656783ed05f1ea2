"""A workflow's parameters: what a name sets, whatever it is called."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from comfy_notebook.workflow.graph import Graph, Target, is_link, literals, node_title
from comfy_notebook.workflow.markers import Marker, parameter_markers
from comfy_notebook.workflow.naming import short_names
from comfy_notebook.workflow.schema import file_kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from comfy_notebook.workflow.schema import InputSpec, Schemas

# Nodes that save files. ComfyKit reads no parameters from their titles, so "$output..." amid such a title
# has no meaning there, while elsewhere it is a parameter that happens to be called "output".
_SAVERS = frozenset({"SaveImage", "SaveVideo", "SaveAudio", "VHS_SaveVideo", "VHS_SaveAudio"})
_TYPES = ((bool, "BOOLEAN"), (int, "INT"), (float, "FLOAT"), (str, "STRING"))


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
    spec
        What the server declares of the input: its type, range and choices; None where it was not asked.
    """

    name: str
    targets: tuple[Target, ...]
    default: Any = None
    required: bool = False
    upload: bool = False
    description: str = ""
    marked: bool = False
    spec: InputSpec | None = None

    @property
    def type(self) -> str:
        """ComfyUI's name of its type: INT, FLOAT, STRING, BOOLEAN, COMBO, ...; without a server, its default's."""
        if self.spec is not None:
            return self.spec.type
        return next((name for kind, name in _TYPES if isinstance(self.default, kind)), "*")


def find_parameters(graph: Graph, schemas: Schemas) -> dict[str, Parameter]:
    """Name every input that holds a value: what the author marked comes first, and then the rest, in order.

    Two markers of one name make one parameter that sets both inputs; the last one says whether it is required, as
    in ComfyKit.
    """
    found: dict[str, Parameter] = {}
    for parameter in _marked(graph, schemas):
        earlier = found.get(parameter.name)
        targets = (*earlier.targets, *parameter.targets) if earlier else parameter.targets
        found[parameter.name] = replace(parameter, targets=tuple(dict.fromkeys(targets)))
    taken = {target for parameter in found.values() for target in parameter.targets}
    values = dict(literals(graph))
    for name, targets in short_names(graph, values, taken, set(found)).items():
        found[name] = Parameter(name, targets, values[targets[0]], spec=_spec(targets[0], graph, schemas))
    return found


def _marked(graph: Graph, schemas: Schemas) -> Iterable[Parameter]:
    for node_id, node in graph.items():
        class_type, inputs = node["class_type"], node["inputs"]
        for marker in parameter_markers(node_title(node) or ""):
            if class_type in _SAVERS and marker.name == "output":
                continue
            target = Target(node_id, _field(marker, class_type, inputs))
            value = inputs.get(target.input_name)
            default = None if marker.required or is_link(value) else value
            yield Parameter(
                marker.name,
                (target,),
                default,
                marker.required,
                marker.upload,
                marker.description,
                marked=True,
                spec=_spec(target, graph, schemas),
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


def _spec(target: Target, graph: Graph, schemas: Schemas) -> InputSpec | None:
    schema = schemas.get(graph[target.node_id]["class_type"])
    return schema.inputs.get(target.input_name) if schema else None
