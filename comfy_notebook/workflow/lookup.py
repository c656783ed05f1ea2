"""Finds what a given name sets in a workflow: a parameter, or any input by its node and name."""

from __future__ import annotations

from dataclasses import replace
from difflib import get_close_matches
from typing import TYPE_CHECKING

from comfy_notebook.errors import Problem
from comfy_notebook.workflow.graph import Graph, Target, is_link, literals
from comfy_notebook.workflow.naming import field_name, nodes_called
from comfy_notebook.workflow.parameters import Parameter
from comfy_notebook.workflow.roles import find_prompts

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_LISTED_NAMES = 12


class UnknownNameError(ValueError):
    """The name sets nothing, or could mean several inputs."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


class Lookup:
    """All names of one workflow's inputs, short and long."""

    def __init__(self, graph: Graph, params: Mapping[str, Parameter]) -> None:
        self._graph = graph
        self._params = params
        self._owners = {target: parameter for parameter in params.values() for target in parameter.targets}
        self._nodes: dict[str, list[str]] | None = None

    def find(self, name: str) -> Parameter:
        """Return what a name sets.

        Parameters
        ----------
        name
            A parameter's name; an input's own where only one node has it; or a node's id, title or class and the
            input (``"6.text"``, ``"KSampler.seed"``). An input that holds a link counts in the latter form: a
            value put there replaces the link.

        Raises
        ------
        UnknownNameError
            If there is none, or more than one.
        """
        if name in self._params:
            return self._params[name]
        targets = self._meant(name)
        if len(targets) != 1:
            raise UnknownNameError(self._several(name, targets) if targets else self._unknown(name))
        return self._single(name, targets[0])

    def name_of(self, target: Target) -> str:
        """Return the name that sets this input and no other."""
        owner = self._owners.get(target)
        return owner.name if owner and len(owner.targets) == 1 else str(target)

    def _meant(self, name: str) -> list[Target]:
        prompts = find_prompts(self._graph).get(name)
        if prompts:
            return prompts
        namesakes = [target for target, _ in literals(self._graph) if name in (target.input_name, field_name(target))]
        return namesakes or list(dict.fromkeys(self._addressed(name)))

    def _addressed(self, name: str) -> Iterable[Target]:
        """Yield the inputs that ``node.input`` may mean: either part may have a dot in it."""
        if self._nodes is None:
            self._nodes = nodes_called(self._graph)
        for position, character in enumerate(name):
            node_name, input_name = name[:position], name[position + 1 :]
            if character != "." or not input_name or node_name not in self._nodes:
                continue
            ids = self._nodes[node_name]
            having = [node_id for node_id in ids if input_name in self._graph[node_id]["inputs"]]
            yield from (Target(node_id, input_name) for node_id in having or ids)

    def _single(self, name: str, target: Target) -> Parameter:
        owner = self._owners.get(target)
        if owner is not None:
            return replace(owner, name=name, targets=(target,))
        value = self._graph[target.node_id]["inputs"].get(target.input_name)
        return Parameter(name, (target,), None if is_link(value) else value)

    def _several(self, name: str, targets: list[Target]) -> Problem:
        ways = list(dict.fromkeys(self.name_of(target) for target in targets))
        return Problem(f"several nodes have it: say which, {_either(ways[:_LISTED_NAMES])}", name)

    def _unknown(self, name: str) -> Problem:
        known = list(self._params)
        close = get_close_matches(name, known, n=3)
        if close:
            return Problem(f"there is no such parameter. Did you mean {_either(close)}?", name)
        shown = ", ".join(known[:_LISTED_NAMES]) + (", ..." if len(known) > _LISTED_NAMES else "")
        return Problem(f"there is no such parameter. The workflow has {shown or 'none'}", name)


def _either(names: Iterable[str]) -> str:
    return " or ".join(names)
