"""What a workflow needs and a server lacks: nodes, models and other files, with the closest that it has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from comfy_notebook.errors import Problem, describe_node
from comfy_notebook.workflow.graph import literals
from comfy_notebook.workflow.values import one_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from comfy_notebook.workflow.binding import Binding
    from comfy_notebook.workflow.document import Workflow
    from comfy_notebook.workflow.graph import Graph, Target
    from comfy_notebook.workflow.schema import InputSpec, Schemas

_UNASKED = object()


def lacking_nodes(workflow: Workflow, schemas: Schemas) -> Iterable[Problem]:
    """Yield a problem for each node whose class the server does not have; none for a class it was not asked about."""
    for node_id, node in workflow.graph.items():
        if schemas.get(node["class_type"], _UNASKED) is None:
            where = describe_node(node_id, workflow.title(node_id), node["class_type"])
            yield Problem("the server does not have this node; install the pack that brings it", where, node_id)


def lacking_choices(workflow: Workflow) -> Iterable[Problem]:
    """Return a problem for each value of the workflow that is not among its server's choices: models, mostly."""
    return _lacking(workflow, workflow.graph, workflow.placed)


def unmet(workflow: Workflow, binding: Binding) -> list[Problem]:
    """Return a problem for each value that is about to run and is not among its server's choices."""
    return list(_lacking(workflow, binding.graph, binding.uploads))


def _lacking(workflow: Workflow, graph: Graph, settled: Collection[Target]) -> Iterable[Problem]:
    for target, value in literals(graph):
        schema = workflow.schemas.get(graph[target.node_id]["class_type"])
        spec = schema.inputs.get(target.input_name) if schema else None
        if spec and target not in settled and isinstance(value, str) and _lacks(spec, value):
            message = f"the server does not have {value!r}. {one_of(spec.choices or (), value)}"
            yield Problem(message, workflow.lookup.name_of(target), *target)


def _lacks(spec: InputSpec, value: str) -> bool:
    if spec.choices is None or value in spec.choices or value in map(str, spec.choices):
        return False
    return not (spec.file and any(sign in value for sign in "/\\["))  # in a folder, or "x.png [output]": not listed
