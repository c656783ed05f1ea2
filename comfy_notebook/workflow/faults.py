"""What is wrong with a graph itself, whatever the server: links to nowhere, and circles."""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING

from comfy_notebook.errors import Problem, describe_node
from comfy_notebook.workflow.graph import is_link

if TYPE_CHECKING:
    from collections.abc import Iterable

    from comfy_notebook.workflow.document import Workflow


def faults(workflow: Workflow) -> list[Problem]:
    """Return every link to a node or an output that does not exist, and a circle, if there is one."""
    return [*_broken_links(workflow), *_circle(workflow)]


def _broken_links(workflow: Workflow) -> Iterable[Problem]:
    for node_id, node in workflow.graph.items():
        for name, value in node["inputs"].items():
            if is_link(value) and (message := _nowhere(workflow, *value)):
                yield Problem(message, f"{_named(workflow, node_id)}, {name}", node_id, name)


def _nowhere(workflow: Workflow, source: str, output: int) -> str:
    if source not in workflow.graph:
        return f"it takes its value from node {source}, which does not exist"
    schema = workflow.schemas.get(workflow.graph[source]["class_type"])
    count = len(schema.outputs) if schema else output + 1
    if output < count:
        return ""
    has = f"{count} output{'s' if count > 1 else ''}" if count else "no outputs"
    return f"it takes output {output} of {_named(workflow, source)}, which has {has}, counted from 0"


def _circle(workflow: Workflow) -> Iterable[Problem]:
    sources = {
        node_id: [value[0] for value in node["inputs"].values() if is_link(value)]
        for node_id, node in workflow.graph.items()
    }
    try:
        TopologicalSorter(sources).prepare()
    except CycleError as error:
        way = [_named(workflow, node_id) for node_id in error.args[1]]
        shown = way if len(way) <= 8 else [*way[:4], f"{len(way) - 7} more", *way[-3:]]
        yield Problem(f"they wait for each other: {' → '.join(shown)}", "A circle of nodes", error.args[1][0])


def _named(workflow: Workflow, node_id: str) -> str:
    return describe_node(node_id, workflow.title(node_id), workflow.graph[node_id]["class_type"])
