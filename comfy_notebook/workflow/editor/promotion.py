"""Widgets that a subgraph shows on its outside: which control inside each is, and the value that an instance holds.

Source: ComfyUI frontend 1.58.1, SubgraphNode and its migration of proxyWidgets.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from comfy_notebook.workflow.editor.document import OUTSIDE_IN, BrokenLinkError
from comfy_notebook.workflow.editor.widgets import MISSING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from comfy_notebook.workflow.editor.document import Canvas, Node, Slot
    from comfy_notebook.workflow.editor.reading import Reader
    from comfy_notebook.workflow.editor.scopes import Scope

_NUMBERED = re.compile(r"\s*\d+\s*:\s*(?=\S)")
_OWN = "-1"  # proxyWidgets name the subgraph's own input so


class Promotion:
    """Answers for one document; what depends on a definition alone is worked out once."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._shown: dict[tuple[int, int], tuple[Node, str] | None] = {}
        self._held: dict[int, dict[int, Any]] = {}

    def shown(self, canvas: Canvas, number: int) -> tuple[Node, str] | None:
        """Return the node and control that an input of a definition shows, or None where it is a socket only.

        The node may be an instance itself; the control is then one of its inputs.
        """
        key = (id(canvas), number)
        if key not in self._shown:
            self._shown[key] = None  # a definition within itself shows nothing
            self._shown[key] = next(self._targets(canvas, number), None)
        return self._shown[key]

    def held(self, scope: Scope) -> Mapping[int, Any]:
        """Return the values that an instance holds for its inputs, by their number."""
        outside = scope.outside
        if outside is None or scope.is_group:
            return {}
        values = dict(self._of_instance(scope.canvas, outside.node))
        for name, value in outside.scope.overrides.get(outside.node.id, {}).items():
            values.update((number, value) for number in _named(scope.canvas, name))
        return values

    def overrides(self, scope: Scope) -> dict[str, dict[str, Any]]:
        """Return the values that an instance holds for controls that none of its inputs shows."""
        found: dict[str, dict[str, Any]] = {}
        for source, name, value in _proxies(scope.outside.node) if scope.outside is not None else ():
            if source != _OWN and self._showing(scope.canvas, source, name) is None:
                found.setdefault(source, {})[name] = value
        return found

    def _of_instance(self, canvas: Canvas, container: Node) -> dict[int, Any]:
        """Work out the values of an instance from its own node: by position or name, then what proxies say."""
        if id(container) in self._held:
            return self._held[id(container)]
        if container.values and container.named is None:
            self._refuse_lost(canvas)
        self._held[id(container)] = values = {}
        quarantined = dict(_quarantined(container))
        saved = iter(container.values or [])
        for number, slot in enumerate(canvas.inputs):
            target = self.shown(canvas, number)
            if target is None:
                continue
            value = next(saved, MISSING)
            if container.named is not None:
                value = container.named.get(slot.name, MISSING)
            value = quarantined.get(slot.name, value)
            values[number] = self._inside(target) if value is MISSING else value
        for source, name, value in _proxies(container):
            numbers = _named(canvas, name) if source == _OWN else [self._showing(canvas, source, name)]
            values.update((number, value) for number in numbers if number in values)
        return values

    def _refuse_lost(self, canvas: Canvas) -> None:
        """Refuse values by position where one was saved for a control that the server's node no longer has."""
        for number in range(len(canvas.inputs)):
            for node, slot in _fed(canvas, number) if self.shown(canvas, number) is None else ():
                if slot.widget and self._reader.widgets(node) is not None:
                    raise BrokenLinkError(
                        f"its subgraph holds a value for {slot.widget} of {node.label()}, which has no such input on "
                        "this server, so that it is not known which of the values belongs where"
                    )

    def _inside(self, target: tuple[Node, str]) -> Any:
        """Return the value that the control has inside, which an instance without one of its own shows."""
        node, name = target
        canvas = self._reader.definition(node)
        if canvas is not None:
            held = self._of_instance(canvas, node)
            return next((held[number] for number in _named(canvas, name) if number in held), MISSING)
        widgets = self._reader.widgets(node)
        return widgets.values.get(name, MISSING) if widgets is not None else MISSING

    def _targets(self, canvas: Canvas, number: int) -> Iterator[tuple[Node, str]]:
        for node, slot in _fed(canvas, number):
            inner = self._reader.definition(node)
            if inner is not None:
                names = _named(inner, slot.name)
                if any(self.shown(inner, number) is not None for number in names):
                    yield node, slot.name
                continue
            widgets = self._reader.widgets(node)
            name = slot.widget or slot.name
            # What the server lacks is told by what was saved.
            if (widgets is None and slot.widget) or (widgets is not None and name in widgets.specs):
                yield node, name

    def _showing(self, canvas: Canvas, source: str, name: str) -> int | None:
        """Find the input that shows a control inside."""
        for number in range(len(canvas.inputs)):
            for node, slot in _fed(canvas, number):
                if node.id == source and name in (slot.widget, slot.name) and self.shown(canvas, number) is not None:
                    return number
        return None


def _named(canvas: Canvas, name: str) -> list[int]:
    return [number for number, slot in enumerate(canvas.inputs) if slot.name == name][:1]


def _fed(canvas: Canvas, number: int) -> Iterator[tuple[Node, Slot]]:
    """Go through the sockets inside that an input of a definition feeds."""
    for link_id in canvas.inputs[number].links:
        link = canvas.links.get(link_id)
        node = canvas.nodes.get(link.target) if link is not None and link.origin == OUTSIDE_IN else None
        slot = next((slot for slot in node.inputs if slot.link == link_id), None) if node is not None else None
        if node is not None and slot is not None:
            yield node, slot


def _proxies(container: Node) -> Iterator[tuple[str, str, Any]]:
    """Go through ``properties.proxyWidgets`` as far as values were saved for it: source, name, value."""
    entries = container.properties.get("proxyWidgets")
    for entry, value in zip(entries if isinstance(entries, list) else [], container.values or [], strict=False):
        if isinstance(entry, list) and len(entry) > 1 and isinstance(entry[1], str):
            yield str(entry[0]), _plain(entry[1]), value


def _plain(name: str) -> str:
    """Take off the ids of the nodes that a nested control was once named with."""
    return _NUMBERED.sub("", name) if _NUMBERED.match(name) else name


def _quarantined(container: Node) -> Iterator[tuple[str, Any]]:
    """Go through the values that the page could not place and kept, of the subgraph's own inputs."""
    entries = container.properties.get("proxyWidgetErrorQuarantine")
    for entry in reversed(entries) if isinstance(entries, list) else ():
        original = entry.get("originalEntry") if isinstance(entry, dict) else None
        if isinstance(original, list) and len(original) > 1 and str(original[0]) == _OWN and "hostValue" in entry:
            yield str(original[1]), entry["hostValue"]
