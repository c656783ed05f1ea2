"""What is worth telling of a workflow or a comparison, row by row, for HTML and for text alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from comfy_notebook.errors import describe_node
from comfy_notebook.experiments.comparison import NOT_GIVEN
from comfy_notebook.workflow.naming import heading
from comfy_notebook.workflow.requirements import lacking_choices, lacking_nodes

if TYPE_CHECKING:
    from comfy_notebook.errors import Problem
    from comfy_notebook.experiments.comparison import Comparison
    from comfy_notebook.workflow.document import Workflow
    from comfy_notebook.workflow.parameters import Parameter
    from comfy_notebook.workflow.schema import InputSpec

_NO_BOUND = 2**53  # a bound that means "as large as a number can be"
_SHOWN_CHOICES = 3
_KINDS = {"INT": "whole number", "FLOAT": "number", "STRING": "text", "BOOLEAN": "True or False", "*": "value"}


class Row(NamedTuple):
    """One parameter."""

    name: str
    value: Any
    takes: str
    node: str
    choices: tuple[Any, ...]
    notes: tuple[str, ...]


def headline(workflow: Workflow) -> str:
    """Say what it is, how large, and who told about its nodes."""
    count = len(workflow.graph)
    seen = (
        f"checked with {workflow.server}" if workflow.server else "without a server: ranges and choices are not known"
    )
    return f"{workflow.name}: {count} node{'s' if count != 1 else ''}, {seen}"


def parameter_rows(workflow: Workflow) -> list[Row]:
    """Return the parameters in the order in which they are named."""
    return [_row(workflow, parameter) for parameter in workflow.params.values()]


def output_rows(workflow: Workflow) -> list[tuple[str, str]]:
    """Return (name, node) of every output."""
    return [(name, _node(workflow, node_id)) for node_id, name in workflow.outputs.items()]


def lacks(workflow: Workflow) -> list[Problem]:
    """Return what the server lacks: nodes first, then models and other files."""
    return [*lacking_nodes(workflow, workflow.schemas), *lacking_choices(workflow)]


def comparison_rows(comparison: Comparison) -> list[tuple[str, str, str]]:
    """Return (name, a's, b's) of what differs in how two results came to be; nothing where pictures alone are."""
    a, b = comparison.a, comparison.b
    if a is None or b is None:
        return []
    rows = [("status", a.status, b.status), ("server", a.server, b.server)]
    rows = [row for row in rows if row[1] != row[2]]
    rows += [(name, _written(one), _written(other)) for name, (one, other) in comparison.differences.items()]
    return [*rows, ("time", _seconds(a.seconds), _seconds(b.seconds))]


def _seconds(seconds: float | None) -> str:
    return "—" if seconds is None else f"{seconds:.2f} s"


def _written(value: Any) -> str:
    return "—" if value is NOT_GIVEN else value if isinstance(value, str) else repr(value)


def short(value: Any, width: int) -> str:
    """Write a value in one line of at most ``width`` characters."""
    text = "—" if value is None else value if isinstance(value, str) else repr(value)
    text = " ".join(text[: 2 * width].split()) if isinstance(value, str) else text
    return text if len(text) <= width else f"{text[: width - 1]}…"


def _row(workflow: Workflow, parameter: Parameter) -> Row:
    spec = parameter.spec
    nodes = list(dict.fromkeys(target.node_id for target in parameter.targets))
    notes = [parameter.description, "required" if parameter.required else ""]
    return Row(
        parameter.name,
        parameter.default,
        _takes(parameter, spec),
        ", ".join(_node(workflow, node_id) for node_id in nodes),
        spec.choices or () if spec else (),
        tuple(note for note in notes if note),
    )


def _node(workflow: Workflow, node_id: str) -> str:
    node = workflow.graph[node_id]
    return describe_node(node_id, heading(node), node["class_type"])


def _takes(parameter: Parameter, spec: InputSpec | None) -> str:
    if parameter.upload or (spec and spec.file):
        return f"{spec.file if spec and spec.file else 'file'} file"
    kind = _KINDS.get(parameter.type, parameter.type)
    if spec is None:
        return kind
    if spec.choices is not None:
        return _some(spec.choices)
    return f"{kind}{_range(spec)}"


def _some(choices: tuple[Any, ...]) -> str:
    listed = ", ".join(short(choice, 30) for choice in choices[:_SHOWN_CHOICES])
    more = len(choices) - _SHOWN_CHOICES
    return f"{listed}, {more} more" if more > 0 else listed or "nothing: the server has none"


def _range(spec: InputSpec) -> str:
    low, high = spec.minimum, spec.maximum
    low = None if low is None or low <= -_NO_BOUND else low
    high = None if high is None or high >= _NO_BOUND else high
    if low is not None and high is not None:
        return f" {low} to {high}"
    return f" from {low}" if low is not None else f" up to {high}" if high is not None else ""
