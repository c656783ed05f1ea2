"""Puts a run's values into a workflow, checked against the server's nodes: all that is wrong is told at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from comfy_notebook.errors import ParameterError, Problem
from comfy_notebook.workflow.files import FileValue, NotAFileError, as_file
from comfy_notebook.workflow.graph import Graph, Target, copied, literals
from comfy_notebook.workflow.lookup import UnknownNameError
from comfy_notebook.workflow.requirements import lacking_nodes
from comfy_notebook.workflow.schema import InputSpec, NodeSchema, file_kind
from comfy_notebook.workflow.seeds import RANDOM, SEED_NAMES, draw, is_open, is_seed
from comfy_notebook.workflow.values import UnfitError, fit, one_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from comfy_notebook.workflow.document import Workflow
    from comfy_notebook.workflow.parameters import Parameter
    from comfy_notebook.workflow.schema import Schemas


@dataclass(slots=True)
class Binding:
    """A workflow with its values in place, ready to be sent once its files are uploaded.

    Attributes
    ----------
    graph
        The run's own copy.
    params
        Name → value that runs: what was given, the marked parameters' defaults, and every seed.
    uploads
        Target → file, still to be uploaded; the graph then takes the name that the server gives it.
    drawn
        Name → seed, where one was drawn: inputs that share a parameter share its seed.
    """

    graph: Graph
    params: dict[str, Any] = field(default_factory=dict)
    uploads: dict[Target, FileValue] = field(default_factory=dict)
    drawn: dict[str, int] = field(default_factory=dict)

    def place(self, target: Target, value: Any) -> None:
        """Set one input."""
        self.graph[target.node_id]["inputs"][target.input_name] = value


def bind(workflow: Workflow, given: Mapping[str, Any], schemas: Schemas, *, complete: bool = True) -> Binding:
    """Put the given values, and the workflow's own, into a copy of its graph.

    Parameters
    ----------
    workflow
        Stays as it is.
    given
        Parameter name → value; see :meth:`Lookup.find` for the names. They go before ``workflow.values``.
    schemas
        What the server says of the workflow's classes. Values for classes without an entry are not checked.
    complete
        Whether it is to run now: then required parameters must have a value, the server must have every node, and
        a seed that the workflow leaves at 0 and nobody set is drawn.

    Raises
    ------
    ParameterError
        With everything that is wrong: unknown names, missing ones, values that do not fit, and nodes that the
        server lacks.
    """
    binding = Binding(copied(workflow.graph))
    values = merged(workflow, workflow.values, given)
    problems = [*lacking_nodes(workflow, schemas), *_missing(workflow, values)] if complete else []
    for name, value in values.items():
        try:
            parameter = workflow.lookup.find(name)
        except UnknownNameError as error:
            problems.append(error.problem)
            continue
        problems += _put(binding, parameter, value, schemas)
    problems += _conflicts(workflow, given)
    if problems:
        raise ParameterError(_summary(problems, workflow), problems=problems)
    _note_defaults(binding, workflow, values)
    if complete:
        _settle_seeds(binding, workflow, values, schemas)
    return binding


def merged(workflow: Workflow, earlier: Mapping[str, Any], later: Mapping[str, Any]) -> dict[str, Any]:
    """Join two sets of values; a later one replaces an earlier one of the same inputs, whatever it is called."""
    replaced = {target for name in later for target in _targets(workflow, name)}
    kept = {name for name in earlier if not replaced.issuperset(_targets(workflow, name))}
    return {name: value for name, value in earlier.items() if name in kept - set(later)} | dict(later)


def _targets(workflow: Workflow, name: str) -> tuple[Target, ...]:
    try:
        return workflow.lookup.find(name).targets
    except UnknownNameError:
        return ()


def _conflicts(workflow: Workflow, given: Mapping[str, Any]) -> Iterable[Problem]:
    """Tell of names in one set of values that set the same input."""
    setters: dict[Target, str] = {}
    for name in given:
        for target in _targets(workflow, name):
            earlier = setters.setdefault(target, name)
            if earlier != name:
                yield Problem(f"it sets the same input as {earlier}: give one of them", name, *target)


def _missing(workflow: Workflow, given: Mapping[str, Any]) -> Iterable[Problem]:
    placed = {target for name in given for target in _targets(workflow, name)}
    for parameter in workflow.params.values():
        if parameter.required and not placed.issuperset(parameter.targets):
            target = parameter.targets[-1]
            about = f" ({parameter.description})" if parameter.description else ""
            yield Problem(f"it is required{about}, and was not given", parameter.name, *target)


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
    if isinstance(value, str) and value == RANDOM and is_seed(target, spec):
        value = binding.drawn.setdefault(parameter.name, draw(spec))
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


def _settle_seeds(binding: Binding, workflow: Workflow, given: Mapping[str, Any], schemas: Schemas) -> None:
    """Draw every seed that the workflow leaves at 0 and nobody set, as the editor's "randomize" does; note them all.

    Inputs that share a parameter share its seed.
    """
    names = {target: parameter.name for parameter in workflow.params.values() for target in parameter.targets}
    fixed = {target for name in given for target in _targets(workflow, name)}
    settled: dict[str, Any] = {}
    for target, value in literals(binding.graph):
        if target in fixed or target.input_name not in SEED_NAMES:
            continue
        name = names.get(target, str(target))
        if is_open(value):
            schema = schemas.get(binding.graph[target.node_id]["class_type"])
            spec = schema.inputs.get(target.input_name) if schema else None
            if name not in settled:
                settled[name] = binding.drawn[name] = draw(spec)
            binding.place(target, settled[name])
        else:
            settled.setdefault(name, value)
    binding.params |= settled


def _summary(problems: list[Problem], workflow: Workflow) -> str:
    count = "One thing is" if len(problems) == 1 else f"{len(problems)} things are"
    return f"{count} wrong; nothing of {workflow.name} was queued."
