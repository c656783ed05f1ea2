"""What all controls share: they show the form's value, and tell it what the user sets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ipywidgets

if TYPE_CHECKING:
    from collections.abc import Callable

    from comfy_notebook.notebook.form.fields import Field
    from comfy_notebook.notebook.form.state import FormState

PLAIN = {"width": "auto"}
GROWING = {"width": "auto", "flex": "1 1 0", "min_width": "0"}
NUMBER_WIDE = {"width": "88px", "flex": "none"}
SQUARE = {"width": "28px", "flex": "none", "padding": "0"}
ROW = {"width": "auto", "align_items": "center", "grid_gap": "0 8px"}

_layouts: dict[tuple[tuple[str, str], ...], ipywidgets.Layout] = {}


def shared(layout: dict[str, str]) -> ipywidgets.Layout:
    """Return a layout for all widgets that are laid out so: each would be a model of its own in the browser."""
    key = tuple(layout.items())
    if key not in _layouts or _layouts[key].comm is None:  # a user may close all widgets
        _layouts[key] = ipywidgets.Layout(**layout)
    return _layouts[key]


class Control:
    """The control of one field.

    Attributes
    ----------
    widget
        What is shown.
    """

    widget: ipywidgets.DOMWidget

    def __init__(self, field: Field, state: FormState) -> None:
        self.field = field
        self._state = state
        self._showing = False
        self.widget = self._make(field)
        self.show(state.values[field.name])

    def _make(self, field: Field) -> ipywidgets.DOMWidget:
        """Return the widget, which has no value yet; for each kind of control to say."""
        raise NotImplementedError

    def _put(self, value: Any) -> None:
        """Let the widget have the form's value; for each kind of control to say."""
        raise NotImplementedError

    def show(self, value: Any) -> None:
        """Show the form's value, without telling the form that it has changed."""
        self._showing = True
        try:
            self._put(value)
        finally:
            self._showing = False

    def take(self, value: Any) -> None:
        """Tell the form what the user has set."""
        if not self._showing:
            self._state.set(self.field.name, value)

    def on_value(self, widget: ipywidgets.Widget, read: Callable[[Any], Any] = lambda value: value) -> None:
        """Tell the form whatever becomes the widget's value, as ``read`` has it."""
        widget.observe(lambda change: self.take(read(change["new"])), "value")


def icon(name: str, tooltip: str, press: Callable[[], None]) -> ipywidgets.Button:
    """Return a small button."""
    button = ipywidgets.Button(icon=name, tooltip=tooltip, layout=shared(SQUARE))
    button.add_class("cnbf-icon")
    button.on_click(lambda _button: press())
    return button
