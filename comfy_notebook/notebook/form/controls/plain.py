"""Controls for texts, switches, lists, colors, and what is none of these."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import ipywidgets

from comfy_notebook.notebook.form.controls.base import PLAIN, Control, shared
from comfy_notebook.notebook.form.controls.browser import Choice
from comfy_notebook.notebook.form.fields import Field, Kind

_TALLEST_LIST = 6


class TextControl(Control):
    """Text of several lines."""

    def _make(self, field: Field) -> ipywidgets.DOMWidget:
        rows = 2 if field.name == "negative_prompt" else 3
        widget = ipywidgets.Textarea(
            rows=rows, layout=shared(PLAIN), description=field.label, placeholder=_needed(field)
        )
        self.on_value(widget)
        return widget

    def _put(self, value: Any) -> None:
        self.widget.value = "" if value is None else str(value)

    def take(self, value: Any) -> None:
        """Tell the form what the user has set; an empty text is none where the workflow has none."""
        super().take(None if value == "" and self.field.parameter.default is None else value)


class LineControl(TextControl):
    """Text of one line, and values that their node keeps as text."""

    def _make(self, field: Field) -> ipywidgets.DOMWidget:
        widget = ipywidgets.Text(
            layout=shared(PLAIN), description=field.label, placeholder=_needed(field), continuous_update=False
        )
        self.on_value(widget, self._read)
        return widget

    def _read(self, text: str) -> Any:
        """Take a number for one where the node has one: one that a browser's cannot hold, or none so far."""
        kind = self.field.spec.type if self.field.spec else ""
        if kind in ("INT", "FLOAT") or isinstance(self.field.parameter.default, int | float):
            return _number(text)
        return text


class SwitchControl(Control):
    """True or False."""

    def _make(self, field: Field) -> ipywidgets.DOMWidget:
        widget = ipywidgets.Checkbox(indent=False, layout=shared(PLAIN), tooltip=field.label)
        self.on_value(widget)
        return widget

    def _put(self, value: Any) -> None:
        off, on = self.field.spec.labels if self.field.spec else ("", "")
        self.widget.value = bool(value)
        self.widget.description = (on or "on") if value else (off or "off")


class ChoiceControl(Control):
    """One of a list."""

    def _make(self, field: Field) -> ipywidgets.DOMWidget:
        choices = field.spec.choices if field.spec else None
        self._choices = {str(choice): choice for choice in choices or ()}
        widget = Choice(
            options=list(self._choices), label=field.label, placeholder=_needed(field), layout=shared(PLAIN)
        )
        self.on_value(widget, lambda text: self._choices.get(text, text))
        return widget

    def _put(self, value: Any) -> None:
        self.widget.value = "" if value is None else str(value)


class ChoicesControl(Control):
    """Some of a list."""

    def _make(self, field: Field) -> ipywidgets.DOMWidget:
        choices = list(field.spec.choices or ()) if field.spec else []
        rows = min(_TALLEST_LIST, max(2, len(choices)))
        widget = ipywidgets.SelectMultiple(
            description=field.label,
            options=[(str(choice), choice) for choice in choices],
            rows=rows,
            layout=shared(PLAIN),
        )
        self.on_value(widget, list)
        return widget

    def _put(self, value: Any) -> None:
        chosen = value.get("__value__", []) if isinstance(value, dict) else value
        known = self.field.spec.choices or () if self.field.spec else ()
        items = chosen if isinstance(chosen, list | tuple) else [chosen]
        self.widget.value = tuple(item for item in items if item in known)


class ColorControl(Control):
    """A color that its node keeps as a number, 0xRRGGBB."""

    def _make(self, field: Field) -> ipywidgets.DOMWidget:
        widget = ipywidgets.ColorPicker(concise=False, layout=shared(PLAIN), description=field.label)
        self.on_value(widget, _color)
        return widget

    def _put(self, value: Any) -> None:
        number = value if isinstance(value, int) else 0
        self.widget.value = f"#{max(0, min(number, 0xFFFFFF)):06x}"


class JsonControl(Control):
    """Anything else, as JSON."""

    def _make(self, field: Field) -> ipywidgets.DOMWidget:
        widget = ipywidgets.Text(
            layout=shared(PLAIN), description=field.label, continuous_update=False, placeholder="as JSON"
        )
        widget.observe(lambda change: self._read(change["new"]), "value")
        return widget

    def _put(self, value: Any) -> None:
        self.widget.value = "" if value is None else json.dumps(value, ensure_ascii=False, default=str)

    def _read(self, text: str) -> None:
        if self._showing:
            return
        try:
            self.take(json.loads(text) if text.strip() else self.field.parameter.default)
        except ValueError as error:
            self._state.refuse(self.field.name, f"It is not JSON: {error}.")


PLAIN_CONTROLS: dict[Kind, type[Control]] = {
    Kind.TEXT: TextControl,
    Kind.LINE: LineControl,
    Kind.SWITCH: SwitchControl,
    Kind.CHOICE: ChoiceControl,
    Kind.CHOICES: ChoicesControl,
    Kind.COLOR: ColorControl,
    Kind.JSON: JsonControl,
}


def _needed(field: Field) -> str:
    return "required" if field.parameter.required else ""


def _number(text: str) -> Any:
    """Return a text's number; what is none stays as it is, and is refused."""
    for kind in (int, float):
        with contextlib.suppress(ValueError):
            return kind(text)
    return text


def _color(text: str) -> Any:
    """Return a color's number; a name of one stays as it is, and is refused."""
    try:
        return int(text.removeprefix("#"), 16)
    except ValueError:
        return text
