"""What a form asks for: one field for each parameter, of the kind that suits its values, in groups."""

from __future__ import annotations

import enum
import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from comfy_notebook.notebook.form.sizes import find_sizes
from comfy_notebook.workflow.naming import heading
from comfy_notebook.workflow.roles import NEGATIVE_PROMPT, PROMPT
from comfy_notebook.workflow.schema import file_kind
from comfy_notebook.workflow.seeds import is_seed

if TYPE_CHECKING:
    from comfy_notebook.notebook.form.sizes import Size
    from comfy_notebook.workflow.document import Workflow
    from comfy_notebook.workflow.parameters import Parameter
    from comfy_notebook.workflow.schema import InputSpec

_EXACT = 2**53  # beyond it, a browser's numbers are not
_LONG = 60  # characters of a text that wants more than a line
_PYTHON_TYPES = {"INT": int, "FLOAT": int | float, "STRING": str, "BOOLEAN": bool}
_MADE_FOR_SIZES = re.compile("Empty|Latent", re.IGNORECASE)


class Kind(enum.Enum):
    """What a field is set with."""

    TEXT = "text of several lines"
    LINE = "text"
    NUMBER = "number"
    SWITCH = "switch"
    CHOICE = "one of a list"
    CHOICES = "some of a list"
    SEED = "seed"
    FILE = "file"
    COLOR = "color"
    JSON = "anything else"


@dataclass(frozen=True, slots=True)
class Field:
    """One parameter in a form.

    Attributes
    ----------
    parameter
        Its name, targets, default and what the server says of it.
    kind
        What it is set with.
    label
        What stands before it.
    file
        Of a file: "image", "audio", "video" or "file", else "".
    """

    parameter: Parameter
    kind: Kind
    label: str
    file: str = ""

    @property
    def name(self) -> str:
        """The parameter's name, as Python has it."""
        return self.parameter.name

    @property
    def spec(self) -> InputSpec | None:
        """What the server says of it."""
        return self.parameter.spec

    @property
    def about(self) -> str:
        """What its author, or its node's, wrote about it."""
        return self.parameter.description or (self.spec.tooltip if self.spec else "")


@dataclass(frozen=True, slots=True)
class Group:
    """Fields of one node, folded under its title; those that matter first are a group without one.

    ``rows`` are fields, or sizes: pairs of fields that are set together.
    """

    title: str
    rows: tuple[Field | Size[Field], ...]

    @property
    def names(self) -> list[str]:
        """The parameters in it."""
        return [field.name for row in self.rows for field in fields_of(row)]


def fields_of(row: Field | Size[Field]) -> tuple[Field, ...]:
    """Return the fields of a row."""
    return (row,) if isinstance(row, Field) else (row.width, row.height)


def find_fields(workflow: Workflow) -> dict[str, Field]:
    """Return a field for each of a workflow's parameters, by name."""
    return {name: _field(workflow, parameter) for name, parameter in workflow.params.items()}


def find_groups(workflow: Workflow, fields: dict[str, Field]) -> list[Group]:
    """Sort fields: those that matter first, and then the others by their node.

    First are prompts, files to take in, sizes, seeds, and what the author marked.
    """
    sizes = {size.width.name: size for size in find_sizes(list(workflow.params.values()))}
    heights = {size.height.name for size in sizes.values()}
    rows: list[tuple[int, Field | Size[Field]]] = []
    for field in fields.values():
        size = sizes.get(field.name)
        if size is not None:
            row = size.of(field, fields[size.height.name])
            rows.append((_rank_of_size(workflow, field), row))
        elif field.name not in heights:
            rows.append((_rank(field), field))
    first = sorted((item for item in rows if item[0] < _FOLDED), key=lambda item: item[0])
    groups = [Group("", tuple(row for _, row in first))] if first else []
    return [*groups, *_by_node(workflow, [row for rank, row in rows if rank >= _FOLDED])]


_RANKS = {PROMPT: 0, NEGATIVE_PROMPT: 1}
_FILE, _SIZE, _SEED, _MARKED, _FOLDED = 2, 3, 4, 5, 6


def _rank(field: Field) -> int:
    if field.name in _RANKS:
        return _RANKS[field.name]
    if field.kind is Kind.FILE:
        return _FILE
    if field.kind is Kind.SEED:
        return _SEED
    return _MARKED if field.parameter.marked or field.parameter.required else _FOLDED


def _rank_of_size(workflow: Workflow, width: Field) -> int:
    made = workflow.graph[width.parameter.targets[0].node_id]["class_type"]
    return _SIZE if width.parameter.marked or _MADE_FOR_SIZES.search(made) else _FOLDED


def _by_node(workflow: Workflow, rows: list[Field | Size[Field]]) -> list[Group]:
    nodes: dict[str, list[Field | Size[Field]]] = {}
    for row in rows:
        nodes.setdefault(fields_of(row)[0].parameter.targets[0].node_id, []).append(row)
    titles = {node_id: heading(workflow.graph[node_id]) for node_id in nodes}
    alike = Counter(titles.values())
    return [
        Group(f"{titles[node_id]} ({node_id})" if alike[titles[node_id]] > 1 else titles[node_id], tuple(found))
        for node_id, found in nodes.items()
    ]


def _field(workflow: Workflow, parameter: Parameter) -> Field:
    target = parameter.targets[0]
    spec, class_type = parameter.spec, workflow.graph[target.node_id]["class_type"]
    file = (spec.file if spec else "") or file_kind(class_type, target.input_name)
    file = file or ("file" if parameter.upload else "")
    kind = Kind.FILE if file and isinstance(parameter.default, str | None) else _kind(parameter)
    return Field(parameter, kind, _label(parameter), file if kind is Kind.FILE else "")


def _kind(parameter: Parameter) -> Kind:
    value, spec = parameter.default, parameter.spec
    if spec is not None and spec.type == "COMBO" and not spec.file:
        if spec.multiple:
            return Kind.CHOICES if spec.choices else Kind.JSON
        if spec.choices is not None and isinstance(value, str | int | float | None):
            return Kind.CHOICE
    known = parameter.type if parameter.type in _PYTHON_TYPES else _type_of(value)
    if not _is_of(value, known):
        return Kind.LINE if isinstance(value, str | int | float) and not isinstance(value, bool) else Kind.JSON
    return _kind_of_type(parameter, known)


def _kind_of_type(parameter: Parameter, known: str) -> Kind:
    if known == "BOOLEAN":
        return Kind.SWITCH
    if known == "STRING":
        return Kind.TEXT if _is_long(parameter) else Kind.LINE
    if known == "INT" and any(is_seed(target, parameter.spec) for target in parameter.targets):
        return Kind.SEED
    return _kind_of_number(parameter.default, parameter.spec)


def _kind_of_number(value: Any, spec: InputSpec | None) -> Kind:
    if spec is not None and spec.display == "color" and spec.type == "INT":
        return Kind.COLOR
    return Kind.LINE if value is None or abs(value) > _EXACT else Kind.NUMBER


def _is_long(parameter: Parameter) -> bool:
    value = parameter.default or ""
    if parameter.name in _RANKS or "\n" in value:
        return True
    return parameter.spec.multiline if parameter.spec is not None else len(value) > _LONG


def _type_of(value: Any) -> str:
    return next((name for name, kind in _PYTHON_TYPES.items() if _is_of(value, name) and isinstance(value, kind)), "")


def _is_of(value: Any, known: str) -> bool:
    """Whether a value is of a type, or there is none; True is no number here."""
    if not known:
        return False
    if isinstance(value, bool):
        return known == "BOOLEAN"
    return value is None or isinstance(value, _PYTHON_TYPES[known])


def holds(field: Field, value: Any) -> bool:
    """Whether a field's control can show a value, right or wrong."""
    if value is None or field.kind in (Kind.JSON, Kind.CHOICES, Kind.FILE):
        return True
    if field.kind is Kind.SWITCH:
        return isinstance(value, bool)
    if field.kind in (Kind.NUMBER, Kind.COLOR):
        whole = field.parameter.type == "INT" or field.kind is Kind.COLOR
        return isinstance(value, int if whole else int | float) and not isinstance(value, bool)
    return isinstance(value, str | int | float)


def _label(parameter: Parameter) -> str:
    """Say a name as people write: without its node, which stands above it, and in words."""
    own = parameter.name if parameter.marked else parameter.name.rpartition(".")[2]
    return own.replace("_", " ").replace(".", " · ").strip() or parameter.name
