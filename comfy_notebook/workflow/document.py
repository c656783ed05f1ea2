"""A workflow: the API graph as its author made it, with its parameters and outputs by name."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from comfy_notebook.errors import ParameterError
from comfy_notebook.media import Shown
from comfy_notebook.workflow.graph import is_link, node_title
from comfy_notebook.workflow.growing import growing
from comfy_notebook.workflow.lookup import Lookup
from comfy_notebook.workflow.markers import output_name, plain_title
from comfy_notebook.workflow.parameters import Parameter, find_parameters

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from comfy_notebook.workflow.graph import Graph, Target
    from comfy_notebook.workflow.schema import NodeSchema


@dataclass(frozen=True, repr=False)
class Workflow(Shown):
    """A workflow in ComfyUI's API format.

    It shows itself as a table of its parameters; ``%%comfy``, ``kit.execute`` and ``kit.run`` run it.

    Attributes
    ----------
    graph
        ``{node id: {"class_type": ..., "inputs": {...}, "_meta": {"title": ...}}}``. Treat it as read-only;
        a run works on a copy.
    name
        What to call it, usually the file's name.
    values
        Parameter name → value, set by :meth:`with_params`: a run uses them unless it is given others.
    schemas
        What the server that it was loaded for says of its classes: None for one that the server lacks, nothing
        where none was asked.
    server
        The label of that server, or "".
    """

    graph: Graph
    name: str = "the workflow"
    values: Mapping[str, Any] = field(default_factory=dict)
    schemas: Mapping[str, NodeSchema | None] = field(default_factory=dict, compare=False)
    server: str = field(default="", compare=False)

    @cached_property
    def params(self) -> Mapping[str, Parameter]:
        """The parameters by name: marked ones first, then every other input that holds a value.

        Names are those of :mod:`comfy_notebook.workflow.naming`: ``prompt``, ``steps``, ``upscale_model.scale_by``.
        """
        if not self.values:
            return self._named
        return {
            name: replace(parameter, default=self.placed[parameter.targets[0]], required=False)
            if parameter.targets[0] in self.placed
            else parameter
            for name, parameter in self._named.items()
        }

    @cached_property
    def placed(self) -> Mapping[Target, Any]:
        """The inputs that ``values`` set, and to what."""
        return {target: value for name, value in self.values.items() for target in self.lookup.find(name).targets}

    @cached_property
    def outputs(self) -> Mapping[str, str]:
        """Node id → name, of every node whose output a result shows.

        The name is the one that groups it in a result: that in its title (``$output.cover``), else the node's id.
        """
        named = {node_id: output_name(node_title(node) or "") for node_id, node in self.graph.items()}
        return {node_id: name or node_id for node_id, name in named.items() if name or self._is_output(node_id)}

    @cached_property
    def lookup(self) -> Lookup:
        """Finds what any name sets, also ``"6.text"`` and ``"KSampler.seed"``."""
        return Lookup(self.graph, self._named)

    @property
    def class_types(self) -> set[str]:
        """The node classes that it uses."""
        return {str(node["class_type"]) for node in self.graph.values()}

    def workflow(self, schemas: Mapping[str, NodeSchema | None], server: str = "") -> Workflow:
        """Return the same workflow as another server sees it."""
        known = {name: schemas[name] for name in self.class_types if name in schemas}
        if known == self.schemas and server == self.server:
            return self  # with all that was found out about it
        return replace(self, schemas=known, server=server)

    def title(self, node_id: str) -> str | None:
        """Return a node's title as people read it, without markers; None if it has none."""
        return plain_title(node_title(self.graph.get(node_id, {})) or "") or None

    def with_params(self, values: Mapping[str, Any] | None = None, /, **named: Any) -> Workflow:
        """Return the same workflow with other values to run with.

        Parameters
        ----------
        values, named
            As a run takes them; ``values`` is for names that are no Python identifiers: ``{"6.text": "a fox"}``.
            Files may be given in every form, and are uploaded when the workflow runs.

        Raises
        ------
        ParameterError
            If a name is unknown, or a value does not fit.
        """
        from comfy_notebook.workflow.binding import bind, merged

        given = {**(values or {}), **named}
        bind(self, given, self.schemas, complete=False)
        return replace(self, values=merged(self, self.values, given))

    def save_api(self, path: str | os.PathLike[str]) -> Path:
        """Save it in ComfyUI's API format, its values in place, and return the path.

        Raises
        ------
        ParameterError
            If a value is a file that would have to be uploaded first: the format holds names of the server's files.
        OSError
            If the file cannot be written.
        """
        from comfy_notebook.workflow.binding import bind

        binding = bind(self, {}, self.schemas, complete=False)
        if binding.uploads:
            names = ", ".join(self.lookup.name_of(target) for target in binding.uploads)
            raise ParameterError(
                f"{self.name} cannot be saved: {names} holds a file that is not on the server.",
                hint="Run it, and save result.workflow; or give the name of a file that the server has.",
            )
        file = Path(path).expanduser()
        file.write_text(json.dumps(binding.graph, indent=2, ensure_ascii=False), encoding="utf-8")
        return file

    def __repr__(self) -> str:
        return f"Workflow({self.name!r}, {len(self.graph)} nodes, {len(self.params)} parameters)"

    @cached_property
    def _named(self) -> Mapping[str, Parameter]:
        with growing():
            return find_parameters(self.graph, self.schemas)

    def _is_output(self, node_id: str) -> bool:
        schema = self.schemas.get(self.graph[node_id]["class_type"])
        return schema.is_output if schema else node_id not in self._linked

    @cached_property
    def _linked(self) -> set[str]:
        values = (value for node in self.graph.values() for value in node["inputs"].values())
        return {str(value[0]) for value in values if is_link(value)}
