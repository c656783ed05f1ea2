"""Gives each of several runs of one workflow other seeds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from comfy_notebook.workflow.lookup import UnknownNameError
from comfy_notebook.workflow.seeds import RANDOM, is_seed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from comfy_notebook.workflow.document import Workflow
    from comfy_notebook.workflow.parameters import Parameter


def reseeded(workflow: Workflow, given: Mapping[str, Any], number: int) -> dict[str, Any]:
    """Return the values of one of several runs.

    Parameters
    ----------
    workflow
        Whose seeds they are.
    given
        The values of them all. A seed among them is the first run's, and the next ones count on from it.
    number
        The run's place, from 0.
    """
    values = {**workflow.values, **given}
    fixed = {name for name, value in values.items() if _is_seed(_find(workflow, name)) and value != RANDOM}
    settled = {target for name in values if (found := _find(workflow, name)) for target in found.targets}
    drawn = {
        parameter.name: RANDOM
        for parameter in workflow.params.values()
        if _is_seed(parameter) and not settled.intersection(parameter.targets)
    }
    return {**drawn, **given, **{name: _counted(values[name], number) for name in fixed}}


def _counted(value: Any, number: int) -> Any:
    try:
        return int(value) + number
    except (TypeError, ValueError):
        return value  # refused when it is bound, with a reason


def _find(workflow: Workflow, name: str) -> Parameter | None:
    try:
        return workflow.lookup.find(name)
    except UnknownNameError:
        return None


def _is_seed(parameter: Parameter | None) -> bool:
    return parameter is not None and any(is_seed(target, parameter.spec) for target in parameter.targets)
