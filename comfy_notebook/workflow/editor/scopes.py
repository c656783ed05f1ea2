"""Opens subgraphs and group nodes: every instance becomes a scope of its own, all of them without end checked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from comfy_notebook.errors import Problem, WorkflowError
from comfy_notebook.workflow.editor.groupnodes import open_group

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from comfy_notebook.workflow.editor.document import Canvas, Document, Node
    from comfy_notebook.workflow.schema import NodeSchema

_MOST_NODES = 100_000
_DEEPEST = 100


@dataclass(frozen=True, slots=True)
class Outside:
    """Where an instance is: the scope that holds it, and the node in it that stands for it."""

    scope: Scope
    node: Node


@dataclass(slots=True, eq=False)
class Scope:
    """One instance of a canvas.

    Attributes
    ----------
    path
        The ids that lead here, each with a colon behind it: "" for the root, "12:5:" two levels down.
    outside
        The node that stands for the instance, and the scope that it is in; None for the root.
    children
        The instances inside, by the id of their node.
    overrides
        Values that the instance holds for controls inside it, by node id, then by name.
    is_group
        Whether it is the inside of a group node.
    """

    canvas: Canvas
    path: str = ""
    outside: Outside | None = None
    children: dict[str, Scope] = field(default_factory=dict)
    overrides: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    is_group: bool = False

    @property
    def depth(self) -> int:
        """How many instances it lies in."""
        return self.path.count(":")


class Opener:
    """Opens the instances of one document, each definition of a group node once.

    Parameters
    ----------
    schemas
        What the server declares; the inside of a group node cannot be told without.
    """

    def __init__(self, document: Document, schemas: Mapping[str, NodeSchema | None]) -> None:
        self._document = document
        self._schemas = schemas
        self._nodes = 0

    def open(self) -> list[Scope]:
        """Return the root and every instance in it, the outer ones first.

        A muted or bypassed instance in the root stays closed. One inside a subgraph is opened, as on the page: its
        nodes are part of the prompt, with nothing that needs them.
        """
        root = Scope(self._document.root)
        scopes = [root]
        for scope in scopes:
            self._count(scope)
            for node in scope.canvas.nodes.values():
                child = self._open_instance(scope, node)
                if child is not None:
                    scope.children[node.id] = child
                    scopes.append(child)
        return scopes

    def _open_instance(self, scope: Scope, node: Node) -> Scope | None:
        path = f"{scope.path}{node.id}:"
        name = self._document.group_name(node.type)
        if scope.depth >= _DEEPEST:
            raise WorkflowError(f"Its subgraphs lie in each other more than {_DEEPEST} deep.")
        if name is not None:
            # The page opens group nodes when it loads them, and their own mode gets lost.
            inside = open_group(self._document.groups[name], name, node, self._schemas, node.label(path[:-1]))
            return Scope(inside.canvas, path, Outside(scope, node), overrides=inside.values, is_group=True)
        canvas = self._document.subgraphs.get(node.type)
        if canvas is None or (node.is_off and scope.outside is None):
            return None
        if any(outer.canvas is canvas for outer in _outward(scope)):
            raise _endless(canvas, node, path)
        return Scope(canvas, path, Outside(scope, node))

    def _count(self, scope: Scope) -> None:
        self._nodes += len(scope.canvas.nodes)
        if self._nodes > _MOST_NODES:
            raise WorkflowError(f"With its subgraphs opened, the workflow has more than {_MOST_NODES:,} nodes.")


def _outward(scope: Scope | None) -> Iterator[Scope]:
    while scope is not None:
        yield scope
        scope = scope.outside.scope if scope.outside is not None else None


def _endless(canvas: Canvas, node: Node, path: str) -> WorkflowError:
    problem = Problem(f'the subgraph "{canvas.name}" contains itself', node.label(path[:-1]), path[:-1])
    return WorkflowError("The workflow has no end.", problems=[problem])
