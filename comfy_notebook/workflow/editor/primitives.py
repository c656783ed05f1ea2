"""PrimitiveNode: the value that it gives to the controls it is linked to, rounded as these round it.

Source: ComfyUI frontend 1.58.1, PrimitiveNode.applyToGraph, useIntWidget and useFloatWidget.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from comfy_notebook.workflow.editor.kinds import PRIMITIVE
from comfy_notebook.workflow.editor.widgets import MISSING, widget_type

if TYPE_CHECKING:
    from collections.abc import Callable

    from comfy_notebook.workflow.editor.document import Canvas, Node
    from comfy_notebook.workflow.editor.widgets import Widgets
    from comfy_notebook.workflow.schema import InputSpec

_FIRST_STEP = 0.5  # of a FLOAT that declares none
_REPLACES = "Run widget replace on values"


def primitive_values(
    canvas: Canvas, widgets: Callable[[Node], Widgets | None], replaced: Callable[[str], str]
) -> dict[str, dict[str, Any]]:
    """Return what the primitives of a canvas set, by node id, then by name; muted and bypassed ones set it as well.

    Parameters
    ----------
    widgets
        Gives the controls of a node, or None where the server lacks it.
    replaced
        Replaces ``%Node.widget%`` in a text, for the primitives that are to.
    """
    found: dict[str, dict[str, Any]] = {}
    chosen: dict[str, Any] = {}
    for link in canvas.links.values():
        primitive, target = canvas.nodes.get(link.origin), canvas.nodes.get(link.target)
        if primitive is None or target is None or primitive.type != PRIMITIVE:
            continue
        slot = next((slot for slot in target.inputs if slot.link == link.id), None)
        controls = widgets(target)
        name = (slot.widget or slot.name) if slot is not None else ""
        if controls is None or name not in controls.specs:
            continue
        if primitive.id not in chosen:
            chosen[primitive.id] = _value(primitive, controls, name, replaced)
        if chosen[primitive.id] is not MISSING:
            found.setdefault(target.id, {})[name] = rounded(chosen[primitive.id], controls.specs[name])
    return found


def _value(primitive: Node, controls: Widgets, name: str, replaced: Callable[[str], str]) -> Any:
    """Return a primitive's own value; with none, or one of another type, it takes over what its first target has."""
    own = primitive.values[0] if primitive.values else MISSING
    if primitive.named is not None:
        own = primitive.named.get("value", own)
    shown = widget_type(controls.specs[name])
    if primitive.outputs and primitive.outputs[0] not in ("*", controls.specs[name].type, shown):
        own = MISSING
    if own is MISSING:
        own = controls.values.get(name, MISSING)
    return replaced(own) if isinstance(own, str) and primitive.properties.get(_REPLACES) else own


def rounded(value: Any, spec: InputSpec) -> Any:
    """Round a number to the steps of the control that takes it over. Whole numbers stay exact, however large."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    try:
        if widget_type(spec) == "INT":
            return _whole(value, spec)
        return _real(value, spec) if widget_type(spec) == "FLOAT" else value
    except (ValueError, OverflowError):  # infinite, not a number, or a step that is none
        return value


def _whole(value: float, spec: InputSpec) -> int:
    step = int(spec.step or 1) or 1
    offset = math.fmod(spec.minimum or 0, step)
    start = int(offset)
    if isinstance(value, int):
        return (2 * (value - start) + step) // (2 * step) * step + start
    return math.floor((value - offset) / step + 0.5) * step + start


def _real(value: float, spec: InputSpec) -> float:
    places = max(0, -math.floor(math.log10(spec.step or _FIRST_STEP)))
    unit = spec.rounding if spec.rounding and spec.rounding is not True else (10.0**-places if places else None)
    if not unit or unit <= 0:
        return value
    result = round(math.floor(value / unit + 0.5) * unit, places)
    low = spec.minimum if spec.minimum is not None else 0
    high = spec.maximum if spec.maximum is not None else 2048
    return max(low, min(high, result))
