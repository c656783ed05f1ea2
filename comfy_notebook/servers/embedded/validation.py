"""Whether a prompt can run: the checks that ComfyUI makes before it queues, with its answers."""

from __future__ import annotations

import traceback
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from comfy_notebook.servers.embedded.catalog import CATALOG
from comfy_notebook.servers.embedded.inputs import Link, NodeInspector

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from comfy_notebook.servers.embedded.files import Files
    from comfy_notebook.servers.embedded.graph import Graph
    from comfy_notebook.servers.embedded.inputs import Problem
    from comfy_notebook.servers.embedded.nodes import Node


class RefusedError(Exception):
    """A prompt that cannot run; `answer` is the body of the server's answer."""

    def __init__(self, error: Mapping[str, Any], node_errors: Mapping[str, Any] | None = None) -> None:
        super().__init__(error["message"])
        self.answer = {"error": error, "node_errors": node_errors or {}}


@dataclass(frozen=True)
class Verdict:
    """The output nodes that can run, and what is wrong with the others."""

    outputs: list[str]
    node_errors: dict[str, Any]


@dataclass
class _Finding:
    """What is known of one node: whether it can run, what is wrong with it, which nodes it needs."""

    valid: bool = True
    problems: list[Problem] = field(default_factory=list)
    needs: list[str] = field(default_factory=list)


def validate(graph: Graph, nodes: Mapping[str, Node], files: Files, targets: Collection[str] | None = None) -> Verdict:
    """Check a prompt, converting its values on the way.

    Parameters
    ----------
    graph
        The prompt in API format; values are converted in place, as ComfyUI does.
    nodes, files
        The nodes that there are, and the files they may name.
    targets
        The output nodes that are wanted; None for all.

    Raises
    ------
    RefusedError
        If no output can run.
    """
    outputs = list(_outputs(graph, targets))
    if not outputs:
        raise RefusedError(problem("prompt_no_outputs", "Prompt has no outputs"))
    findings = _Findings(graph, NodeInspector(graph, nodes, files))
    for output in outputs:
        findings.visit(output)
    good = [output for output in outputs if findings.of[output].valid]
    node_errors = _node_errors(graph, findings, [each for each in outputs if not findings.of[each].valid])
    if not good:
        own = [each for output in outputs for each in findings.of[output].problems]
        details = "\n".join(f"{each['message']}: {each['details']}" for each in own)
        failed = problem("prompt_outputs_failed_validation", "Prompt outputs failed validation", details)
        raise RefusedError(failed, node_errors)
    return Verdict(good, node_errors)


def problem(kind: str, message: str, details: str = "", **extra_info: Any) -> Problem:
    """Give an error as the server's answers have it."""
    return {"type": kind, "message": message, "details": details, "extra_info": extra_info}


def _outputs(graph: Graph, targets: Collection[str] | None) -> Iterator[str]:
    for node_id, node in graph.items():
        if not isinstance(node, dict) or "class_type" not in node:
            message = "Cannot execute because a node is missing the class_type property."
            raise RefusedError(problem("invalid_prompt", message, f"Node ID '#{node_id}'"))
        schema = CATALOG.get(node["class_type"]) if isinstance(node["class_type"], str) else None
        if schema is None:
            message = f"Cannot execute because node {node['class_type']} does not exist."
            raise RefusedError(problem("invalid_prompt", message, f"Node ID '#{node_id}'"))
        if schema.output_node and (targets is None or node_id in targets):
            yield node_id


class _Findings:
    """What is known of all nodes looked at so far."""

    def __init__(self, graph: Graph, inspector: NodeInspector) -> None:
        self.of: dict[str, _Finding] = {}
        self._graph = graph
        self._inspector = inspector
        self._open: dict[str, _Finding] = {}

    def visit(self, root: str) -> None:
        """Look at a node and everything upstream, however long the chain."""
        if root in self.of:
            return
        stack = [self._enter(root, None)]
        while stack:
            node_id, finding, links = stack[-1]
            link = next(links, None)
            if link is None:
                stack.pop()
                self.of[node_id] = self._open.pop(node_id)
                if stack:
                    stack[-1][1].valid &= finding.valid
                continue
            finding.needs.append(link.source)
            if link.source in self._open:  # a cycle: ComfyUI refuses it without a word
                finding.valid = False
            elif link.source in self.of:
                finding.valid &= self.of[link.source].valid
            else:
                stack.append(self._enter(link.source, link))

    def _enter(self, node_id: str, link: Link | None) -> tuple[str, _Finding, Iterator[Link]]:
        links: list[Link] = []
        try:
            problems = self._inspector.inspect(node_id, links)
        except Exception as error:  # noqa: BLE001 - whatever a prompt makes go wrong is an answer, not a crash
            problems, links = [_exception(error, link)], []
        finding = self._open[node_id] = _Finding(not problems, problems)
        return node_id, finding, iter(links)


def _exception(error: Exception, link: Link | None) -> Problem:
    lines = traceback.format_tb(error.__traceback__)
    name = type(error).__name__
    if link is None:
        return problem(
            "exception_during_validation", "Exception when validating node", str(error),
            exception_type=name, traceback=lines,
        )  # fmt: skip
    return problem(
        "exception_during_inner_validation", "Exception when validating inner node", str(error),
        input_name=link.name, input_config=link.config,
        exception_message=str(error), exception_type=name, traceback=lines,
        linked_node=link.value,
    )  # fmt: skip


def _node_errors(graph: Graph, findings: _Findings, bad: list[str]) -> dict[str, Any]:
    errors: dict[str, Any] = {}
    for output in bad:
        for node_id in _upstream(findings, output):
            found = findings.of[node_id].problems
            if found:
                fresh = {
                    "errors": found,
                    "dependent_outputs": [],
                    "class_type": graph[node_id]["class_type"],
                }
                errors.setdefault(node_id, fresh)["dependent_outputs"].append(output)
    return errors


def _upstream(findings: _Findings, root: str) -> list[str]:
    found, pending = {root: None}, [root]
    while pending:
        for each in findings.of[pending.pop()].needs:
            if each not in found:
                found[each] = None
                pending.append(each)
    return list(found)
