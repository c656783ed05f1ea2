"""Which controls the page gives a node, and which saved value belongs to which of them.

A document keeps a node's values as a list in the order of its controls, which hold more than its inputs: a
"control after generate" beside a seed, a button to upload a file. So the order has to be rebuilt from what the
server declares.
Source: ComfyUI frontend 1.58.1, litegraphService, ComfyWidgets and LGraphNode.configure.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from comfy_notebook.workflow.editor.fitting import misfit

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from comfy_notebook.workflow.editor.document import Node
    from comfy_notebook.workflow.schema import InputSpec, NodeSchema

_SEEDS = frozenset({"seed", "noise_seed"})
_CONTROLS = frozenset(
    {"INT", "FLOAT", "STRING", "BOOLEAN", "COMBO", "COMFY_DYNAMICCOMBO_V3"}
    | {"MARKDOWN", "TEXTAREA", "COLOR", "COLORS", "CURVE", "RANGE", "CHART", "GALLERIA"}
)
# Controls whose value a browser makes when the workflow is queued: a drawing, a recording, a rendered scene.
_MADE_BY_THE_PAGE = frozenset(
    {"LOAD_3D", "LOAD_3D_ANIMATION", "PREVIEW_3D", "WEBCAM", "AUDIO_RECORD"}
    | {"PAINTER", "COMPOSITOR", "VIDEO_EDIT", "BOUNDING_BOX", "BOUNDING_BOXES", "COMFY_DYNAMICGROUP_V3"}
)
_NOTHING: Final = {"INT": 0, "FLOAT": 0, "STRING": "", "BOOLEAN": False}
_BUTTON = "upload"


class Missing:
    """There is no value; None is one."""


MISSING: Final = Missing()


@dataclass(slots=True)
class Widgets:
    """A node's controls: what each is, its value, and what is wrong with them.

    Attributes
    ----------
    specs
        By the input's name; those of a combo that decides what follows are there as far as they apply.
    values
        By the input's name; a control without a value is missing here.
    misfits
        Why a saved value cannot be meant for its input, by the input's name.
    """

    specs: dict[str, InputSpec] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    misfits: dict[str, str] = field(default_factory=dict)


def widget_type(spec: InputSpec) -> str | None:
    """Return the type of the control that the page shows for an input, or None where it is a socket only."""
    shown = spec.widget_type or spec.type
    return shown if shown in _CONTROLS and not spec.force_input else None


def made_by_the_page(schema: NodeSchema) -> list[str]:
    """Name the inputs that need a browser to be filled."""
    return [
        spec.name
        for spec in schema.inputs.values()
        if (spec.widget_type or spec.type) in _MADE_BY_THE_PAGE and not spec.force_input
    ]


def read_widgets(node: Node, schema: NodeSchema) -> Widgets:
    """Give each control of a node its saved value, else the default.

    A list goes by position, as on the page: what it lacks gets the default, what it has too much is ignored. Where
    the names were saved as well, or instead, values go by name; the page itself has only the position to go by, and
    loses track when the server's node has changed since.
    """
    found = Widgets()
    if node.named is not None:
        _fill(found, schema, _Named(node.named))
        _keep_what_scripts_saved(found, node, schema)
        return found
    values = node.values or []
    if any(spec.force_input for spec in schema.inputs.values()):
        values = _without_dummies(schema, values)
    _fill(found, schema, _Listed(values))
    found.misfits |= _moved(node, found.specs, len(values))
    return found


def _keep_what_scripts_saved(found: Widgets, node: Node, schema: NodeSchema) -> None:
    """Keep values of controls that a custom node's script added: these scripts save by name, and send them all."""
    if isinstance(node.saved.get("widgets_values"), dict):
        for name, value in (node.named or {}).items():
            if name not in schema.inputs and isinstance(value, str | int | float):
                found.values.setdefault(name, value)


def _moved(node: Node, specs: Mapping[str, InputSpec], count: int) -> dict[str, str]:
    """Name the first control that had another place when the document was saved.

    Newer pages save the socket of every control, in their order, beside a list of values without names.
    """
    sockets = [slot for slot in node.inputs if slot.widget]
    if all(slot.link is not None for slot in sockets):
        return {}  # no value matters; older pages saved such sockets in the order in which they were made
    saved = [slot.widget for slot in sockets]
    places = sum(1 + (_companions(name, specs[name]) if name in specs else name in _SEEDS) for name in saved)
    if places != count:
        return {}  # older pages saved the sockets of some
    moved = next(((was, now) for was, now in zip(saved, specs, strict=False) if was != now), None)
    return {moved[1]: f"when it was saved, {moved[0]} was in its place"} if moved else {}


def default_value(spec: InputSpec) -> Any:
    """Return what a fresh node has in a control, or MISSING."""
    shown = widget_type(spec)
    if shown == "COMBO" and spec.multiple:
        return spec.default if isinstance(spec.default, list) else []
    if shown == "COMBO":
        return spec.default or (spec.choices[0] if spec.choices else MISSING)
    if shown == "COMFY_DYNAMICCOMBO_V3":
        return next(iter(spec.cases), MISSING)
    return spec.default if spec.default is not None else _NOTHING.get(shown or "", MISSING)


class _Listed:
    """Values by position; each control takes the next."""

    def __init__(self, values: Iterable[Any]) -> None:
        self._values: Iterator[Any] = iter(values)

    def take(self, _name: str) -> Any:
        return next(self._values, MISSING)

    def skip(self, count: int) -> None:
        for _ in range(count):
            next(self._values, None)


class _Named:
    """Values by name; nothing stands between them."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values

    def take(self, name: str) -> Any:
        return self._values.get(name, MISSING)

    def skip(self, count: int) -> None:
        pass


def _fill(found: Widgets, schema: NodeSchema, source: _Listed | _Named) -> None:
    pending: deque[tuple[str, InputSpec | None]] = deque((spec.name, spec) for spec in schema.inputs.values())
    if schema.upload_button is not None:
        pending.insert(schema.upload_button, (_BUTTON, None))
    while pending:
        name, spec = pending.popleft()
        if spec is None:
            source.skip(1)
            continue
        if widget_type(spec) is None:
            continue
        value = _mend(source.take(name), spec)
        source.skip(_companions(name, spec))
        found.specs[name] = spec
        if value is not MISSING:
            found.values[name] = value
            if said := misfit(value, spec):
                found.misfits[name] = said
        if spec.cases:
            following = spec.cases.get(value, ()) if isinstance(value, str) else ()
            pending.extendleft((f"{name}.{inner.name}", inner) for inner in reversed(following))


def _mend(value: Any, spec: InputSpec) -> Any:
    """Put the default where there is no value. An empty combo gets its first choice, as when the page loads it."""
    if value is MISSING:
        return default_value(spec)
    if value is None and widget_type(spec) == "COMBO" and spec.choices and not spec.multiple:
        return spec.choices[0]
    return value


def _companions(name: str, spec: InputSpec) -> int:
    """Count the controls that the page adds after this one: how it changes, and which choices take part."""
    shown = widget_type(spec)
    control = spec.control
    if shown == "INT" and control is None:
        control = name in _SEEDS
    if not control:
        return 0
    if shown == "COMBO":
        return 1 if spec.multiple else 2
    return 1 if shown in ("INT", "FLOAT") else 0


def _without_dummies(schema: NodeSchema, values: list[Any]) -> list[Any]:
    """Take out what pages before 1.16 saved for inputs that are sockets although their type has a control.

    Source: ComfyUI frontend 1.58.1, migrateWidgetsValues: told by the length of the list alone.
    """
    dummies: list[bool] = []
    for spec in schema.inputs.values():
        if spec.force_input:
            dummies.append(True)
        elif widget_type(spec) is not None:
            dummies += [False] * (1 + _companions(spec.name, spec))
    if schema.upload_button is not None:
        dummies.append(False)
    if len(values) != len(dummies):
        return values
    return [value for value, dummy in zip(values, dummies, strict=True) if not dummy]
