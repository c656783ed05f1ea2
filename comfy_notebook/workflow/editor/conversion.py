"""From the editor's document to the graph that a server runs.

Source: ComfyUI frontend 1.58.1, graphToPrompt. Where that page itself loses something that the document says, this
does not; each such place says so.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from comfy_notebook.errors import Problem, WorkflowError
from comfy_notebook.workflow.editor.document import BrokenLinkError
from comfy_notebook.workflow.editor.fitting import misfit
from comfy_notebook.workflow.editor.groupnodes import inner_types
from comfy_notebook.workflow.editor.kinds import ON_THE_PAGE, PRIMITIVE, WIRES
from comfy_notebook.workflow.editor.links import Constant, Links, Output
from comfy_notebook.workflow.editor.primitives import primitive_values
from comfy_notebook.workflow.editor.promotion import Promotion
from comfy_notebook.workflow.editor.reading import Reader
from comfy_notebook.workflow.editor.scopes import Opener
from comfy_notebook.workflow.editor.texts import NestedTooDeeplyError, replace_fields, resolve_prompt
from comfy_notebook.workflow.editor.widgets import made_by_the_page, widget_type

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from comfy_notebook.workflow.editor.document import Document, Node, Slot
    from comfy_notebook.workflow.editor.scopes import Scope
    from comfy_notebook.workflow.editor.widgets import Widgets
    from comfy_notebook.workflow.graph import Graph
    from comfy_notebook.workflow.schema import NodeSchema

# Nodes whose filename_prefix may hold %Node.widget% and %date:...%, for the page to fill in.
_SAVING = frozenset(
    {"SaveImage", "SaveImageAdvanced", "SaveSVGNode", "SaveVideo", "SaveAnimatedWEBP", "SaveWEBM", "SaveAnimatedPNG"}
    | {"SaveAudio", "SaveAudioMP3", "SaveAudioOpus", "SaveAudioAdvanced", "SaveGLB", "Save3DAdvanced", "SaveLatent"}
    | {"SaveGaussianSplat", "SavePointCloud", "CLIPSave", "VAESave", "ModelSave", "LoraSave"}
)
_ALIAS = "Node name for S&R"
_SHOWN_MISFITS = 3


def class_types(document: Document) -> set[str]:
    """Return the classes that a server has to declare for a conversion.

    Those of muted and bypassed nodes are among them: a server may lack these, but where it has them, the order of
    their inputs tells how to go around.
    """
    found: set[str] = set()
    pending, seen = [document.root], {id(document.root)}
    while pending:
        for node in pending.pop().nodes.values():
            canvas = document.subgraphs.get(node.type)
            group = document.group_name(node.type)
            if canvas is not None:
                if id(canvas) not in seen:
                    seen.add(id(canvas))
                    pending.append(canvas)
            elif group is not None:
                found |= inner_types(document.groups[group])
            else:
                found.add(node.type)
    return found - ON_THE_PAGE - WIRES


def convert(document: Document, schemas: Mapping[str, NodeSchema | None]) -> Graph:
    """Convert a workflow in the editor's own format to the API format.

    Parameters
    ----------
    schemas
        What the server declares, for each of ``class_types(document)``; None for a class that it lacks.

    Returns
    -------
    Graph
        Nodes inside a subgraph have the ids ``"12:5"``: node 5 in the subgraph that node 12 stands for.

    Raises
    ------
    WorkflowError
        With one problem for each node that cannot be converted.
    """
    return _Conversion(document, schemas).graph()


class _Conversion:
    """One document on its way to a graph."""

    def __init__(self, document: Document, schemas: Mapping[str, NodeSchema | None]) -> None:
        self._reader = Reader(document, schemas)
        self._promotion = Promotion(self._reader)
        self._links = Links(self._reader, self._promotion)
        self._scopes = Opener(document, schemas).open()
        self._primitives: dict[int, Mapping[str, Mapping[str, Any]]] = {}
        self._wireless = set(document.wireless)
        self._called: dict[str, tuple[Scope, Node]] = {}
        self._now = datetime.now().astimezone()

    def graph(self) -> Graph:
        problems: list[Problem] = []
        graph: Graph = {}
        self._prepare()
        for scope, node in self._nodes():
            path = scope.path + node.id
            if path in graph:
                problems.append(
                    Problem("another node has this id once the subgraphs are opened", node.label(path), path)
                )
            try:
                if self._is_sent(scope, node):
                    graph[path] = self._entry(scope, node)
            except _NotConvertibleError as error:
                problems.append(Problem(str(error), node.label(path), path))
        if problems:
            count = "One node" if len(problems) == 1 else f"{len(problems)} nodes"
            raise WorkflowError(f"{count} of the workflow cannot be converted for this server.", problems=problems)
        return _without_dead_links(graph)

    def _prepare(self) -> None:
        """Work out the values that do not come from a node itself: from its instance, and from primitives."""
        for scope in self._scopes:
            if scope.is_group and scope.outside is not None:
                self._reader.add_group(scope.outside.node, scope.canvas)
            elif scope.outside is not None:
                scope.overrides = self._promotion.overrides(scope)
        for scope in self._scopes:
            if id(scope.canvas) not in self._primitives:
                found = primitive_values(scope.canvas, self._reader.widgets, self._replaced)
                self._primitives[id(scope.canvas)] = found

    def _nodes(self) -> Iterator[tuple[Scope, Node]]:
        for scope in self._scopes:
            for node in scope.canvas.nodes.values():
                yield scope, node

    def _is_sent(self, scope: Scope, node: Node) -> bool:
        if node.is_off or node.id in scope.children or node.type in ON_THE_PAGE:
            return False
        return self._reader.is_on_server(node.type) or not (node.type in WIRES or _is_decoration(node))

    def _entry(self, scope: Scope, node: Node) -> dict[str, Any]:
        schema, widgets = self._reader.schema(node), self._reader.widgets(node)
        if schema is None or widgets is None:
            raise _NotConvertibleError(_lacking(node))
        linked = self._linked_values(scope, node)
        _refuse_what_a_browser_makes(schema, linked)
        if self._wireless and scope.outside is None:
            self._refuse_wireless(node)
        inputs = self._own_values(scope, node, widgets)
        inputs.update(linked)
        _refuse_misfits(node, widgets, inputs)
        return {"inputs": inputs, "class_type": node.type, "_meta": {"title": self._reader.title(node)}}

    def _own_values(self, scope: Scope, node: Node, widgets: Widgets) -> dict[str, Any]:
        """Return the values of a node's controls, as they are when the page queues them."""
        values = self._values(scope, node, widgets)
        return {name: _wrapped(self._queued(node, name, values[name], widgets)) for name in values}

    def _linked_values(self, scope: Scope, node: Node) -> dict[str, Any]:
        """Return what comes in through a node's sockets: links, and the values of what is around it."""
        found: dict[str, Any] = {}
        for slot in node.inputs:
            source = self._source(scope, node, slot) if slot.link is not None else None
            if isinstance(source, Output):
                found[slot.name] = [source.node_id, source.slot]
            elif isinstance(source, Constant):
                found[slot.name] = _wrapped(source.value)
        return found

    def _refuse_wireless(self, node: Node) -> None:
        for number, slot in enumerate(self._reader.slots(node)):
            if slot.link is None and (node.id, number) in self._wireless:
                raise _NotConvertibleError(f"{slot.name} is joined by Use Everywhere, which only the page can do")

    def _source(self, scope: Scope, node: Node, slot: Slot) -> Output | Constant | None:
        try:
            return self._links.source(scope, node, slot)
        except BrokenLinkError as error:
            raise _NotConvertibleError(f"{slot.name}: {error}") from None

    def _values(self, scope: Scope, node: Node, widgets: Widgets) -> Mapping[str, Any]:
        overrides = scope.overrides.get(node.id)
        fed = self._primitives.get(id(scope.canvas), {}).get(node.id)
        return {**widgets.values, **(overrides or {}), **(fed or {})} if overrides or fed else widgets.values

    def _queued(self, node: Node, name: str, value: Any, widgets: Widgets) -> Any:
        spec = widgets.specs.get(name)
        if spec is not None and widget_type(spec) == "CURVE" and value is not None:
            return {"__type__": "CURVE", "__value__": value}
        if isinstance(value, str) and name == "filename_prefix" and node.type in _SAVING:
            return self._replaced(value)
        if isinstance(value, str) and spec is not None and spec.dynamic_prompts:
            try:
                return resolve_prompt(value)
            except NestedTooDeeplyError as error:
                raise _NotConvertibleError(f"{name}: {error}") from None
        return value

    def _replaced(self, text: str) -> str:
        return replace_fields(text, self._now, self._lookup)

    def _lookup(self, wanted: str, name: str) -> Any:
        """Find the value for ``%Node.widget%``: the node by its alias, else by its title."""
        if not self._called:
            titles = [(self._reader.title(entry[1]), entry) for entry in self._nodes()]
            aliases = [(self._alias(entry[1]), entry) for entry in self._nodes()]
            self._called = dict(reversed([*aliases, *titles]))  # the first of a name counts
        scope, node = self._called[wanted]
        if node.type == PRIMITIVE and name == "value" and node.values:
            return node.values[0]
        widgets = self._reader.widgets(node)
        if widgets is None:
            raise KeyError(name)
        return self._values(scope, node, widgets)[name]

    def _alias(self, node: Node) -> str:
        """Return the name that a node answers to: the one that was saved, else its class."""
        saved = node.properties.get(_ALIAS)
        return saved if isinstance(saved, str) else ("" if node.type in _SAVING else node.type)


class _NotConvertibleError(ValueError):
    """One node cannot be converted; the message says why."""


def _lacking(node: Node) -> str:
    if len(node.type) == 36 and node.type.count("-") == 4:
        return "it is a subgraph whose definition the workflow does not have"
    if node.type.startswith(("workflow>", "workflow/")):
        return "it is a group node whose definition the workflow does not have"
    return f"the server does not have {node.type}; install the nodes that it is part of, or remove it from the workflow"


def _is_decoration(node: Node) -> bool:
    """Whether a node that no server has does nothing either: no sockets, no values; a label, say."""
    return not (node.inputs or node.outputs or node.values or node.named)


def _refuse_what_a_browser_makes(schema: NodeSchema, linked: Mapping[str, Any]) -> None:
    for name in made_by_the_page(schema):
        if name not in linked:
            raise _NotConvertibleError(f"{name} is made in a browser when the workflow is queued there")


def _refuse_misfits(node: Node, widgets: Widgets, inputs: Mapping[str, Any]) -> None:
    """Refuse values that are in the wrong inputs: of those saved, and of those that came from somewhere else."""
    wrong = dict(widgets.misfits)
    for name, spec in widgets.specs.items():
        value = inputs.get(name)
        if not isinstance(value, list | dict) and (said := misfit(value, spec)):
            wrong[name] = said
    if wrong:
        said = "; ".join(f"{name}: {why}" for name, why in [*wrong.items()][:_SHOWN_MISFITS])
        raise _NotConvertibleError(
            f"its saved values do not belong to the inputs that {node.type} has on this server ({said}); "
            "open the workflow in that server's ComfyUI, set them anew, and save it"
        )


def _wrapped(value: Any) -> Any:
    """Wrap a list: a server would take one of two for a link."""
    return {"__value__": value} if isinstance(value, list) else value


def _without_dead_links(graph: Graph) -> Graph:
    """Leave out links to nodes that are not sent, as the page does."""
    for entry in graph.values():
        inputs = entry["inputs"]
        dead = [name for name, value in inputs.items() if isinstance(value, list) and value[0] not in graph]
        for name in dead:
            del inputs[name]
    return graph
