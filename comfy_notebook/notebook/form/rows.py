"""The rows of a form: a label, a control, the way back to the workflow's value, and what is wrong; and their groups."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ipywidgets
from markupsafe import Markup, escape

from comfy_notebook.notebook.form.controls.base import PLAIN, Control, shared
from comfy_notebook.notebook.form.controls.files import FileControl
from comfy_notebook.notebook.form.controls.numbers import NumberControl, SeedControl, SizeControl
from comfy_notebook.notebook.form.controls.plain import PLAIN_CONTROLS
from comfy_notebook.notebook.form.fields import Field, Kind, fields_of
from comfy_notebook.notebook.overview import short

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from comfy_notebook.notebook.form.fields import Group
    from comfy_notebook.notebook.form.files import FormFiles
    from comfy_notebook.notebook.form.sizes import Size
    from comfy_notebook.notebook.form.state import FormState

_WIDE = (Kind.TEXT, Kind.FILE)
_OWN_WIDTH = 6  # characters of a workflow's value beside the arrow back to it


class FieldRow:
    """One field, or two that are set together.

    Attributes
    ----------
    widget
        What is shown.
    """

    def __init__(self, row: Field | Size[Field], state: FormState, files: FormFiles) -> None:
        self._fields, self._state = fields_of(row), state
        self._control: Control | SizeControl
        if isinstance(row, Field):
            self._control = _control(row, state, files)
        else:
            self._control = SizeControl(row, state)
        self._label = ipywidgets.HTML(_label(row), layout=shared(PLAIN))
        self._label.add_class("cnbf-label")
        self._control.widget.add_class("cnbf-control")
        self._reset: ipywidgets.Button | None = None
        self._message: ipywidgets.HTML | None = None
        self.widget = ipywidgets.Box([self._label, self._control.widget], layout=shared(PLAIN))
        self.widget.add_class("cnbf-row")
        if isinstance(row, Field) and row.kind in _WIDE:
            self.widget.add_class("cnbf-wide")
        self._settle()

    @property
    def names(self) -> list[str]:
        """The parameters that it sets."""
        return [field.name for field in self._fields]

    def show(self) -> None:
        """Show the form's values."""
        if isinstance(self._control, SizeControl):
            self._control.show()
        else:
            self._control.show(self._state.values[self._fields[0].name])
        self._settle()

    def offer(self) -> None:
        """List what there is to choose from by now."""
        if isinstance(self._control, FileControl):
            self._control.offer()

    def _settle(self) -> None:
        """Show the way back if there is one, and what is wrong if anything is."""
        changed = any(self._state.is_changed(field.name) for field in self._fields)
        problems = [problem for field in self._fields if (problem := self._state.complaint(field.name))]
        if changed and self._reset is None:
            self._reset = self._make_reset()
        if problems and self._message is None:
            self._message = ipywidgets.HTML(layout=shared(PLAIN))
            self._message.add_class("cnbf-problem")
        if self._message is not None:
            self._message.value = str(escape(" ".join(problems)))
        reset = [self._reset] if changed and self._reset else []
        message = [self._message] if problems and self._message else []
        children = (self._label, self._control.widget, *reset, *message)
        if children != self.widget.children:
            self.widget.children = children
        (self.widget.add_class if problems else self.widget.remove_class)("cnbf-bad")

    def _make_reset(self) -> ipywidgets.Button:
        own = " × ".join(_shown(field) for field in self._fields)  # noqa: RUF001 - the sign of multiplication
        button = ipywidgets.Button(
            icon="undo",
            description=own if len(own) <= _OWN_WIDTH and own != "empty" else "",
            tooltip=f"Back to the workflow's value: {short(own, 300)}",
            layout=shared(PLAIN),
        )
        button.add_class("cnbf-reset")
        button.on_click(lambda _button: self._back())
        return button

    def _back(self) -> None:
        for field in self._fields:
            self._state.reset(field.name)


class GroupView:
    """Rows that belong together; those of a node are folded under its title, and made when they are opened.

    Attributes
    ----------
    widget
        What is shown.
    """

    def __init__(
        self, group: Group, state: FormState, files: FormFiles, tell: Callable[[Iterable[FieldRow]], None]
    ) -> None:
        self.group = group
        self._state, self._files, self._tell = state, files, tell
        self._body = ipywidgets.Box([], layout=shared(PLAIN))
        self._body.add_class("cnbf-rows")
        self._is_open = False
        self._title: ipywidgets.ToggleButton | None = None
        if group.title:
            self._title = ipywidgets.ToggleButton(icon="caret-right", layout=shared(PLAIN))
            self._title.add_class("cnbf-title")
            self._title.observe(lambda change: self._fold(opened=change["new"]), "value")
            self.widget = ipywidgets.VBox([self._title], layout=shared(PLAIN))
            self.widget.add_class("cnbf-group")
            self.settle()
        else:
            self.widget = self._body
            self._fill()

    def settle(self) -> None:
        """Say in the title what is changed and what is wrong below it."""
        if self._title is None:
            return
        names = self.group.names
        changed = sum(self._state.is_changed(name) for name in names)
        wrong = sum(bool(self._state.complaint(name)) for name in names)
        notes = [f"{changed} changed" if changed else "", f"{wrong} to mend" if wrong else ""]
        title = " · ".join(filter(None, [self.group.title, *notes]))
        if title != self._title.description:
            self._title.description = title
            self._title.tooltip = ", ".join(field.label for row in self.group.rows for field in fields_of(row))
        (self._title.add_class if wrong else self._title.remove_class)("cnbf-bad")

    def _fold(self, *, opened: bool) -> None:
        if self._title is None:
            return
        self._title.icon = "caret-down" if opened else "caret-right"
        if opened and not self._body.children:
            self._fill()
        self.widget.children = (self._title, self._body) if opened else (self._title,)

    def _fill(self) -> None:
        rows = [FieldRow(row, self._state, self._files) for row in self.group.rows]
        self._body.children = [row.widget for row in rows]
        self._tell(rows)


def _control(field: Field, state: FormState, files: FormFiles) -> Control:
    if field.kind is Kind.FILE:
        return FileControl(field, state, files)
    if field.kind is Kind.NUMBER:
        return NumberControl(field, state)
    if field.kind is Kind.SEED:
        return SeedControl(field, state)
    return PLAIN_CONTROLS[field.kind](field, state)


def _label(row: Field | Size[Field]) -> str:
    fields = fields_of(row)
    words = fields[0].label if len(fields) == 1 else "size"
    about = next((field.about for field in fields if field.parameter.description), "")
    named = "\n".join([", ".join(field.name for field in fields), *(field.about for field in fields if field.about)])
    note = Markup("<small>{}</small>").format(short(about, 120)) if about else ""
    return Markup('<span title="{}">{}</span>{}').format(named, words, note)


def _shown(field: Field) -> str:
    value: Any = field.parameter.default
    return short(value, 400) if value not in ("", None) else "empty"
