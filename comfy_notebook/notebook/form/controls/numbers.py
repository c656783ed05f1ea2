"""Controls for numbers, for seeds, and for a width and a height."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ipywidgets

from comfy_notebook.notebook.form.controls.base import GROWING, NUMBER_WIDE, PLAIN, ROW, SQUARE, Control, icon, shared
from comfy_notebook.notebook.form.ranges import slider_range, step_of
from comfy_notebook.notebook.form.sizes import SHAPES, Size, grid, shape_of, shaped
from comfy_notebook.workflow.seeds import is_open

if TYPE_CHECKING:
    from comfy_notebook.notebook.form.fields import Field
    from comfy_notebook.notebook.form.state import FormState

_SLIDER = {"width": "auto", "flex": "1 1 0", "min_width": "64px"}
_SHAPES_WIDE = {"width": "auto", "flex": "1 1 72px", "min_width": "64px", "max_width": "112px"}
_CUSTOM = "shape"


class NumberControl(Control):
    """A number: a slider where there is a range, and always a box to type it into."""

    def _make(self, field: Field) -> ipywidgets.DOMWidget:
        self._box = number_box(field)
        self.on_value(self._box)
        self._slider = self._make_slider(field)
        if self._slider is None:
            return ipywidgets.HBox([self._box], layout=shared(ROW))
        return ipywidgets.HBox([self._slider, self._box], layout=shared(ROW))

    def _make_slider(self, field: Field) -> Any:
        found = slider_range(field.spec, self._state.values[field.name])
        if found is None:
            return None
        self._range = found
        kind = ipywidgets.IntSlider if _is_whole(field) else ipywidgets.FloatSlider
        slider = kind(
            min=found.low,
            max=found.high,
            step=found.step,
            readout=False,
            layout=shared(_SLIDER),
            description=field.label,
        )
        self.on_value(slider)
        return slider

    def _put(self, value: Any) -> None:
        if not isinstance(value, int | float):
            return
        self._box.value = value
        if self._slider is not None:
            low, high = min(self._range.low, value), max(self._range.high, value)
            if self._slider.min != low or self._slider.max != high:
                self._slider.min, self._slider.max = low, high
            self._slider.value = value


class SeedControl(Control):
    """A seed, whatever its size; it can be drawn, and kept for the next runs or drawn for each."""

    def _make(self, field: Field) -> ipywidgets.DOMWidget:
        self._text = ipywidgets.Text(
            layout=shared(GROWING),
            description=field.label,
            placeholder="a new one for each run",
            continuous_update=False,
        )
        self._text.observe(lambda change: self._typed(change["new"]), "value")
        self._lock = ipywidgets.ToggleButton(layout=shared(SQUARE))
        self._lock.add_class("cnbf-icon")
        self._lock.observe(lambda change: self._locked(keep=change["new"]), "value")
        dice = icon("dice-five", "Draw a seed", self._draw)
        return ipywidgets.HBox([self._text, dice, self._lock], layout=shared(ROW))

    def _put(self, value: Any) -> None:
        loose = self.field.name in self._state.loose
        self._text.value = "" if value is None or (loose and is_open(value)) else str(value)
        self._lock.value = not loose
        self._lock.icon = "unlock" if loose else "lock"
        self._lock.tooltip = (
            "Each run draws a seed: click to keep this one" if loose else "Kept: click to draw one for each run"
        )

    def _typed(self, text: str) -> None:
        if self._showing:
            return
        text = text.strip()
        self._state.loosen(self.field.name, loose=not text)
        if text:
            self.take(int(text) if text.removeprefix("-").isdecimal() else text)

    def _draw(self) -> None:
        self._state.draw([self.field.name])

    def _locked(self, *, keep: bool) -> None:
        if not self._showing:
            self._state.loosen(self.field.name, loose=not keep)


class SizeControl:
    """A width and a height, with their usual shapes, which keep the number of pixels."""

    def __init__(self, size: Size[Field], state: FormState) -> None:
        self._size, self._state, self._showing = size, state, False
        self._pixels = 0
        self._boxes = Size(number_box(size.width), number_box(size.height))
        for field, box in ((size.width, self._boxes.width), (size.height, self._boxes.height)):
            box.observe(lambda change, field=field: self._typed(field, change["new"]), "value")
        options = [_CUSTOM, *(f"{wide}:{high}" for wide, high in SHAPES)]
        self._shape = ipywidgets.Dropdown(
            options=options,
            layout=shared(_SHAPES_WIDE),
            description="shape",
            tooltip="Its usual shapes, with as many pixels",
        )
        self._shape.observe(lambda change: self._chosen(change["new"]), "value")
        self.widget = ipywidgets.HBox(
            [
                self._boxes.width,
                ipywidgets.HTML("×", layout=shared(PLAIN)),  # noqa: RUF001 - the sign of multiplication
                self._boxes.height,
                icon("exchange", "Swap width and height", self._swap),
                self._shape,
            ],
            layout=shared(ROW),
        )
        self.show()

    def show(self) -> None:
        """Show the form's values."""
        width, height = self._values()
        self._showing = True
        try:
            self._boxes.width.value, self._boxes.height.value = width, height
            specs = self._size.width.spec, self._size.height.spec
            shape = shape_of(width, height, *specs) if width > 0 and height > 0 else None
            self._shape.value = f"{shape[0]}:{shape[1]}" if shape else _CUSTOM
        finally:
            self._showing = False

    def _values(self) -> tuple[int, int]:
        values = self._state.values
        return values[self._size.width.name], values[self._size.height.name]

    def _typed(self, field: Field, number: int) -> None:
        if not self._showing:
            self._pixels = 0
            self._state.set(field.name, number)

    def _chosen(self, words: str) -> None:
        if self._showing or words == _CUSTOM:
            return
        width, height = self._values()
        self._pixels = self._pixels or width * height  # of the size that was typed: shape by shape, it would drift
        wide, _, high = words.partition(":")
        self._set(*shaped((int(wide), int(high)), self._pixels, self._size.width.spec, self._size.height.spec))

    def _swap(self) -> None:
        self._set(*reversed(self._values()))

    def _set(self, width: int, height: int) -> None:
        self._state.set(self._size.width.name, width)
        self._state.set(self._size.height.name, height)


def number_box(field: Field) -> Any:
    """Return a box for a number; it takes what is out of range, so that the form can say so."""
    kind = ipywidgets.IntText if _is_whole(field) else ipywidgets.FloatText
    step = grid(field.spec) if field.name.endswith(("width", "height")) else step_of(field.spec)
    return kind(step=step, layout=shared(NUMBER_WIDE), description=field.label)


def _is_whole(field: Field) -> bool:
    return field.parameter.type == "INT"
