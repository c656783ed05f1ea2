"""Tells sweeps and their cells apart by what they run, so that the same one is known again in another process."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from typing import TYPE_CHECKING, Any

from comfy_notebook.workflow.files import LocalFile, MadeFile, MaskedFile, RemoteFile, as_file
from comfy_notebook.workflow.schema import file_kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from comfy_notebook.experiments.sweeps.plan import Plan
    from comfy_notebook.workflow.document import Workflow
    from comfy_notebook.workflow.files import FileValue

_DIGITS = 20  # 80 bits: enough for all the runs that a machine will ever make


def key_of(workflow: Workflow, plan: Plan, server: str) -> str:
    """Return what a sweep is known by: the workflow, the values that all runs share, what varies, and where it runs.

    Not by the points of its axes: a sweep with one more goes on from where the other ended.
    """
    files = _file_names(workflow, [*plan.fixed, *workflow.values])
    shared = {**workflow.values, **plan.fixed}
    parts = [workflow.graph, _marks(shared, files), sorted(plan.names), server]
    return _digest(parts)


def cell_digests(workflow: Workflow, plan: Plan) -> list[str]:
    """Return what each run of a sweep is known by: the values that differ, files by their content.

    Runs that are alike are told apart by how many came before.
    """
    files = _file_names(workflow, plan.names)
    marks = [[_marks(point, files) for point in axis.points] for axis in plan.axes]
    met: Counter[str] = Counter()
    digests = []
    for number in range(len(plan)):
        points = (marks[axis][place] for axis, place in enumerate(plan.places(number)))
        digest = _digest(sorted(mark for point in points for mark in point))
        met[digest] += 1
        digests.append(digest if met[digest] == 1 else f"{digest}.{met[digest]}")
    return digests


def _marks(values: Mapping[str, Any], files: set[str]) -> list[tuple[str, str]]:
    return sorted((name, _mark(value, file=name in files)) for name, value in values.items())


def _mark(value: Any, *, file: bool) -> str:
    found = as_file(value) if file else None
    return _file_mark(found) if found is not None else json.dumps(_even(value), sort_keys=True, default=repr)


def _file_mark(file: FileValue) -> str:
    """Tell a file by its content; one that is elsewhere by its address."""
    if isinstance(file, MaskedFile):
        return f"{_file_mark(file.picture)}+{_file_mark(file.mask)}"
    if isinstance(file, LocalFile | MadeFile):
        return hashlib.sha256(file.read()).hexdigest()
    if isinstance(file, RemoteFile):
        return file.url
    return file.media.digest or str(file.media)


def _even(value: Any) -> Any:
    """Make a number one and the same, written as 7 or as 7.0."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _file_names(workflow: Workflow, names: Iterable[str]) -> set[str]:
    """Return those of some parameters that take a file."""
    return {name for name in names if takes_file(workflow, name)}


def takes_file(workflow: Workflow, name: str) -> bool:
    """Whether a parameter takes a file."""
    parameter = workflow.lookup.find(name)
    return parameter.upload or any(
        bool(parameter.spec.file) if parameter.spec else bool(file_kind(_class_of(workflow, node), field))
        for node, field in parameter.targets
    )


def _class_of(workflow: Workflow, node_id: str) -> str:
    return str(workflow.graph[node_id]["class_type"])


def _digest(content: Any) -> str:
    text = json.dumps(content, sort_keys=True, default=repr)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGITS]
