"""Checks every value of a sweep against the server's nodes, and settles its seeds, before anything is queued."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from comfy_notebook.errors import ParameterError
from comfy_notebook.experiments.sweeps.plan import Axis
from comfy_notebook.workflow.binding import bind
from comfy_notebook.workflow.lookup import UnknownNameError
from comfy_notebook.workflow.seeds import RANDOM, draw, is_seed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from comfy_notebook.errors import Problem
    from comfy_notebook.experiments.sweeps.plan import Plan
    from comfy_notebook.workflow.document import Workflow
    from comfy_notebook.workflow.schema import Schemas


def check(workflow: Workflow, plan: Plan, schemas: Schemas) -> None:
    """Bind each point of each axis once, whatever the number of runs.

    Raises
    ------
    ParameterError
        With everything that is wrong, once.
    """
    problems: dict[tuple[str, str | None], Problem] = {}
    for values in _all_points(plan):
        try:
            bind(workflow, values, schemas)
        except ParameterError as error:
            problems |= {(problem.message, problem.subject): problem for problem in error.problems}
    if problems:
        count = "One thing is" if len(problems) == 1 else f"{len(problems)} things are"
        raise ParameterError(f"{count} wrong; nothing of the sweep was queued.", problems=problems.values())


def settle_seeds(
    workflow: Workflow, plan: Plan, schemas: Schemas, kept: Mapping[str, int]
) -> tuple[Plan, dict[str, int]]:
    """Give all runs the same seeds where nobody varies them, so that they can be compared, and draw the random ones.

    Parameters
    ----------
    kept
        Seeds that an earlier part of this sweep drew; they are not drawn anew.

    Returns
    -------
    tuple
        The plan with every seed in it, and what was drawn: parameter → seed, ``"seed#3"`` for the fourth point of
        what varies.
    """
    drawn: dict[str, int] = {}

    def seed(name: str, label: str) -> int:
        parameter = workflow.lookup.find(name)
        drawn[label] = kept[label] if label in kept else draw(parameter.spec)
        return drawn[label]

    axes = []
    for axis in plan.axes:
        points = [
            {
                name: seed(name, f"{name}#{place}") if _is_random(workflow, name, value) else value
                for name, value in point.items()
            }
            for place, point in enumerate(axis.points)
        ]
        axes.append(Axis(axis.names, tuple(points)))
    fixed = {
        name: seed(name, name) if _is_random(workflow, name, value) else value for name, value in plan.fixed.items()
    }
    settled = replace(plan, fixed=fixed, axes=tuple(axes))
    shared = {name: kept.get(name, value) for name, value in _open_seeds(workflow, settled, schemas).items()}
    return replace(settled, fixed=fixed | shared), drawn | shared


def _open_seeds(workflow: Workflow, plan: Plan, schemas: Schemas) -> dict[str, int]:
    """Return the seeds that a run of the plan would draw for itself."""
    return bind(workflow, next(_all_points(plan)), schemas).drawn


def _is_random(workflow: Workflow, name: str, value: Any) -> bool:
    if not isinstance(value, str) or value != RANDOM:
        return False
    try:
        parameter = workflow.lookup.find(name)
    except UnknownNameError:  # refused when it is checked, with what there is
        return False
    return any(is_seed(target, parameter.spec) for target in parameter.targets)


def _all_points(plan: Plan) -> Iterator[dict[str, Any]]:
    """Yield values in which every point of every axis is met, one axis at a time."""
    first = [axis.points[0] for axis in plan.axes]
    yield {**plan.fixed, **{name: value for point in first for name, value in point.items()}}
    for index, axis in enumerate(plan.axes):
        others = {name: value for other, point in enumerate(first) if other != index for name, value in point.items()}
        for point in axis.points[1:]:
            yield {**plan.fixed, **others, **point}
