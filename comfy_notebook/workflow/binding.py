"""Puts a run's values into a workflow, checked against the server's nodes: all that is wrong is told at once."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, TypeAlias

from comfy_notebook.errors import ParameterError, Problem, describe_node
from comfy_notebook.workflow.files import FileValue, NotAFileError, as_file
from comfy_notebook.workflow.parameters import Parameter, Target, inputs_named, locate
from comfy_notebook.workflow.schema import InputSpec, NodeSchema, file_kind
from comfy_notebook.workflow.values import UnfitError, fit, one_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from comfy_notebook.workflow.document import Graph, Workflow

# Class → what the server says of it; None for a class that it lacks, no entry where it was not asked.
Schemas: TypeAlias = "Mapping[str, NodeSchema | None]"

_SEEDS = ("seed", "noise_seed")
_LARGEST_SEED = 2**53 - 1  # what the editor's page, a JavaScript program, can hold exactly
_LISTED_NAMES = 12
_UNASKED = object()


@dataclass(slots=True)
class Binding:
    """A workflow with its values in place, ready to be sent once its files are uploaded.

    Attributes
    ----------
    graph
        The run's own copy.
    params
        Name → value that runs: what was given, the marked parameters' defaults, and the seeds drawn.
    uploads
        Target → file, still to be uploaded; the graph then takes the name that the server gives it.
    """

    graph: Graph
    params: dict[str, Any] = field(default_factory=dict)
    uploads: dict[Target, FileValue] = field(default_factory=dict)

    def place(self, target: Target, value: Any) -> None:
        """Set one input."""
        self.graph[target.node_id]["inputs"][target.input_name] = value


def bind(workflow: Workflow, given: Mapping[str, Any], schemas: Schemas) -> Binding:
    """Put the given values into a copy of the workflow's graph.

    Parameters
    ----------
    workflow
        Stays as it is.
    given
        Parameter name → value. A name is a marked one, an input's own name where only one node has it, or
        any node's input as ``"6.text"``.
    schemas
        What the server says of the workflow's classes. Values for classes without an entry are not checked.

    Raises
    ------
    ParameterError
        With everything that is wrong: unknown names, missing ones, values that do not fit, and nodes that the
        server lacks.
    """
    binding = Binding({node_id: node | {"inputs": dict(node["inputs"])} for node_id, node in workflow.graph.items()})
    problems = [*_lacking_nodes(workflow, schemas), *_missing(workflow, given)]
    for name, value in given.items():
        parameter = locate(name, workflow.params, workflow.graph)
        if parameter is None:
            problems.append(_unknown(name, workflow))
            continue
        problems += _put(binding, parameter, value, schemas)
    if problems:
        raise ParameterError(_summary(problems, workflow), problems=problems)
    _note_defaults(binding, workflow, given)
    _draw_seeds(binding, workflow, given, schemas)
    return binding


def _lacking_nodes(workflow: Workflow, schemas: Schemas) -> Iterable[Problem]:
    for node_id, node in workflow.graph.items():
        class_type = node["class_type"]
        if schemas.get(class_type, _UNASKED) is None:
            where = describe_node(node_id, workflow.title(node_id), class_type)
            yield Problem("the server does not have this node; install the pack that brings it", where, node_id)


def _missing(workflow: Workflow, given: Mapping[str, Any]) -> Iterable[Problem]:
    for parameter in workflow.params.values():
        if parameter.required and parameter.name not in given:
            target = parameter.targets[-1]
            about = f" ({parameter.description})" if parameter.description else ""
            yield Problem(f"it is required{about}, and was not given", parameter.name, *target)


def _unknown(name: str, workflow: Workflow) -> Problem:
    namesakes = inputs_named(name, workflow.graph)
    if len(namesakes) > 1:
        return Problem(f"several nodes have it: say which, {_either(map(str, namesakes))}", name)
    known = list(workflow.params)
    close = get_close_matches(name, known, n=3)
    if close:
        return Problem(f"there is no such parameter. Did you mean {_either(close)}?", name)
    shown = ", ".join(known[:_LISTED_NAMES]) + (", ..." if len(known) > _LISTED_NAMES else "")
    return Problem(f"there is no such parameter. The workflow has {shown or 'none'}", name)


def _put(binding: Binding, parameter: Parameter, value: Any, schemas: Schemas) -> list[Problem]:
    problems = []
    shown = value
    for target in parameter.targets:
        try:
            shown = _put_one(binding, parameter, target, value, schemas)
        except (UnfitError, NotAFileError) as error:
            problems.append(Problem(str(error), parameter.name, *target))
    binding.params[parameter.name] = shown
    return list({problem.message: problem for problem in problems}.values())  # once, for targets alike


def _put_one(binding: Binding, parameter: Parameter, target: Target, value: Any, schemas: Schemas) -> Any:
    """Place the value, or note its upload; return what stands for it in ``params``."""
    node = binding.graph[target.node_id]
    target, spec = _spec(parameter, target, node, schemas.get(node["class_type"]))
    if parameter.upload or (spec.file if spec else file_kind(node["class_type"], target.input_name)):
        file = as_file(value)
        if file is not None:
            binding.uploads[target] = file
            return file.name
        _check_server_name(value, spec)
        binding.place(target, value)
        return value
    fitted = fit(value, spec) if spec else value
    binding.place(target, fitted)
    return fitted


def _spec(
    parameter: Parameter, target: Target, node: Mapping[str, Any], schema: NodeSchema | None
) -> tuple[Target, InputSpec | None]:
    """Find what the server says of an input; a file's marker may mean the node's only file input."""
    if schema is None:
        return target, None
    spec = schema.inputs.get(target.input_name)
    if spec is not None:
        return target, spec
    if parameter.upload and len(schema.file_inputs) == 1:
        spec = schema.file_inputs[0]
        return Target(target.node_id, spec.name), spec
    if target.input_name in node["inputs"]:
        return target, None  # not declared, yet there: a dynamic input
    names = [name for name, declared in schema.inputs.items() if declared.is_widget]
    raise UnfitError(f"{schema.class_type} has no input {target.input_name!r}. {one_of(names, target.input_name)}")


def _check_server_name(name: Any, spec: InputSpec | None) -> None:
    """Refuse a name that is no file here and none of the server's: a typo, most likely."""
    if not isinstance(name, str):
        raise NotAFileError(f"a {type(name).__name__} is neither a file nor the name of one")
    listed = spec.choices if spec else None
    elsewhere = "/" in name or "\\" in name or "[" in name  # in a folder, or "x.png [output]": not listed
    if listed is None or name in listed or elsewhere:
        return
    raise UnfitError(f"there is no file {name!r}, neither here nor among the server's inputs. {one_of(listed, name)}")


def _note_defaults(binding: Binding, workflow: Workflow, given: Mapping[str, Any]) -> None:
    for parameter in workflow.params.values():
        if parameter.marked and parameter.name not in given and parameter.default is not None:
            binding.params[parameter.name] = parameter.default


def _draw_seeds(binding: Binding, workflow: Workflow, given: Mapping[str, Any], schemas: Schemas) -> None:
    """Draw every seed that the workflow leaves at 0 and nobody set, as the editor's "randomize" does.

    Inputs that share a parameter share its seed.
    """
    names = {target: parameter.name for parameter in workflow.params.values() for target in parameter.targets}
    used = [locate(name, workflow.params, workflow.graph) for name in given]
    fixed = {target for parameter in used if parameter for target in parameter.targets}
    drawn: dict[str, int] = {}
    for target in _open_seeds(binding.graph):
        if target in fixed:
            continue
        schema = schemas.get(binding.graph[target.node_id]["class_type"])
        name = names.get(target, str(target))
        seed = drawn.setdefault(name, _seed(schema.inputs.get(target.input_name) if schema else None))
        binding.place(target, seed)
    binding.params |= drawn


def _open_seeds(graph: Graph) -> list[Target]:
    return [
        Target(node_id, name)
        for node_id, node in graph.items()
        for name in _SEEDS
        if isinstance(value := node["inputs"].get(name), int | str)
        and not isinstance(value, bool)
        and str(value).strip() == "0"
    ]


def _seed(spec: InputSpec | None) -> int:
    low = int(spec.minimum) if spec and spec.minimum is not None else 0
    high = int(spec.maximum) if spec and spec.maximum is not None else _LARGEST_SEED
    return low + secrets.randbelow(min(high, low + _LARGEST_SEED) - low + 1)


def _summary(problems: list[Problem], workflow: Workflow) -> str:
    count = "One thing is" if len(problems) == 1 else f"{len(problems)} things are"
    return f"{count} wrong; nothing of {workflow.name} was queued."


def _either(names: Iterable[str]) -> str:
    return " or ".join(names)
