"""Reads why a server refused a workflow, or part of it, into problems a user can act on.

Source: ComfyUI's answer to ``POST /prompt``: ``{"error": {...}, "node_errors": {node id: {"errors": [...]}}}``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from comfy_notebook.errors import ParameterError, Problem, describe_node
from comfy_notebook.workflow.faults import faults
from comfy_notebook.workflow.graph import Target

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from comfy_notebook.workflow.document import Workflow

_STUMBLED = "exception_during"


def refusal(answer: Mapping[str, Any], workflow: Workflow) -> ParameterError:
    """Make the error for a workflow of which nothing was queued."""
    error = answer.get("error")
    error = error if isinstance(error, dict) else {"message": str(error or "no reason given")}
    node_errors = answer.get("node_errors")
    node_errors = node_errors if isinstance(node_errors, dict) else {}
    problems = list(_problems(node_errors, workflow))
    reason = str(error.get("message") or error.get("type")).rstrip(".")
    details = str(error.get("details") or "").strip()
    if not problems and details and details != reason:
        problems = [Problem(details)]
    refused = ParameterError(f"The server refused {workflow.name}: {reason}.", problems=problems)
    refused.node_errors = node_errors
    return refused


def left_out(node_errors: Mapping[str, Any], workflow: Workflow) -> list[str]:
    """Say what a server left out of a run that it accepted in part."""
    if not node_errors:
        return []
    outputs = {str(node) for entry in node_errors.values() for node in entry.get("dependent_outputs", ())}
    names = ", ".join(_where(node, workflow) for node in sorted(outputs)) or "Part of the workflow"
    reasons = "; ".join(map(str, _problems(node_errors, workflow)))
    return [f"{names} did not run: {reasons}"]


def _problems(node_errors: Mapping[str, Any], workflow: Workflow) -> Iterable[Problem]:
    """Yield what the server says, after what we know better: it stumbles over a link to nowhere, or a circle."""
    known = faults(workflow)
    yield from known
    names = {target: parameter.name for parameter in workflow.params.values() for target in parameter.targets}
    for node_id, entry in node_errors.items():
        for error in entry.get("errors", ()):
            if known and str(error.get("type")).startswith(_STUMBLED):
                continue
            extra = error.get("extra_info") or {}
            input_name = extra.get("input_name")
            name = names.get(Target(node_id, input_name)) if input_name else None
            where = _where(node_id, workflow)
            subject = f"{name}, {where}" if name and "." not in name else f"{where}, {input_name or 'inputs'}"
            yield Problem(_sentence(error, input_name), subject, node_id, input_name)


def _sentence(error: Mapping[str, Any], input_name: str | None) -> str:
    message = str(error.get("message") or error.get("type") or "not valid")
    details = str(error.get("details") or "").strip()
    details = details.removeprefix(f"{input_name}: ").removeprefix(f"{input_name} - ").removeprefix(f"{input_name}, ")
    return message if not details or details == input_name else f"{message}: {details}"


def _where(node_id: str, workflow: Workflow) -> str:
    class_type = workflow.graph.get(node_id, {}).get("class_type")
    return describe_node(node_id, workflow.title(node_id), class_type)
