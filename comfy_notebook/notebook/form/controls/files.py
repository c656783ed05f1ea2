"""The control of a file: the server's, an earlier result's, one that is uploaded, or a path."""

from __future__ import annotations

import functools
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import ipywidgets
from markupsafe import escape

from comfy_notebook.media import Media
from comfy_notebook.notebook.form.controls.base import PLAIN, Control, shared
from comfy_notebook.notebook.form.controls.browser import LARGEST_UPLOAD, Choice, Drop
from comfy_notebook.notebook.html.parts import size

if TYPE_CHECKING:
    from comfy_notebook.notebook.form.fields import Field
    from comfy_notebook.notebook.form.files import FormFiles
    from comfy_notebook.notebook.form.state import FormState

_ACCEPTED = {"image": "image/*", "audio": "audio/*,video/*", "video": "video/*"}
_WORDS = {"image": "Drop a picture", "audio": "Drop a sound", "video": "Drop a video"}
_DROP = {"width": "auto", "flex": "none"}
_SIDE_BY_SIDE = {"width": "auto", "grid_gap": "0 8px", "align_items": "flex-start"}
_ABOVE = {"width": "auto", "flex": "1 1 0", "min_width": "0"}


class FileControl(Control):
    """A file, with a thumbnail of what is chosen."""

    def __init__(self, field: Field, state: FormState, files: FormFiles) -> None:
        self._files = files
        self._results: dict[str, Media] = {}
        super().__init__(field, state)

    def _make(self, field: Field) -> ipywidgets.DOMWidget:
        self._drop = Drop(
            label=field.label,
            accept=_ACCEPTED.get(field.file, ""),
            words=_WORDS.get(field.file, "Drop a file"),
            layout=shared(_DROP),
        )
        self._drop.on_msg(self._received)
        self._choice = Choice(
            free=True, label=field.label, placeholder="a file of the server, a path or a URL", layout=shared(PLAIN)
        )
        self.on_value(self._choice, lambda text: self._results.get(text, text or None))
        self._note = ipywidgets.HTML(layout=shared(PLAIN))
        self._note.add_class("cnbf-about")
        self.offer()
        return ipywidgets.HBox(
            [self._drop, ipywidgets.VBox([self._choice, self._note], layout=shared(_ABOVE))],
            layout=shared(_SIDE_BY_SIDE),
        )

    def offer(self) -> None:
        """List what there is to choose from by now."""
        made = self._files.results(self.field.file)
        self._results = {f"{media.filename} · result {number}": media for number, media in made}
        choices = self.field.spec.choices if self.field.spec else None
        listed = [str(name) for name in choices or ()]
        uploaded = [name for name in self._state.uploaded if name not in listed]
        self._choice.options = [*self._results, *uploaded, *listed]

    def _put(self, value: Any) -> None:
        self._choice.value = self._named(value)
        self._drop.busy = False
        self._files.preview(self.field.name, value, self._previewed)
        if not isinstance(value, str | PurePath | None) or isinstance(value, Media):
            self._files.take_in(value, functools.partial(self._taken_in, value))

    def _named(self, value: Any) -> str:
        if isinstance(value, Media):
            return next((name for name, media in self._results.items() if media == value), value.filename)
        if value is None or isinstance(value, str):
            return value or ""
        return str(value) if isinstance(value, PurePath) else f"a {type(value).__name__}"

    def _previewed(self, thumbnail: str, note: str) -> None:
        self._drop.thumbnail = thumbnail
        self._note.value = str(escape(note))

    def _taken_in(self, value: Any, name: str, problem: str) -> None:
        """Let the server's name stand for what was chosen, as it lasts and can be written down."""
        if not problem and self._state.values[self.field.name] is value:
            self._uploaded(name, "")

    def _received(self, _widget: object, message: dict[str, Any], buffers: list[Any]) -> None:
        if message.get("kind") == "too large":
            limit = f"about {size(LARGEST_UPLOAD)}"
            self._state.refuse(
                self.field.name,
                f"{message.get('name')} has {size(int(message.get('size') or 0))}: a notebook server lets no more than "
                f"{limit} through. Enter its path instead, as the kernel sees it.",
            )
        elif message.get("kind") == "file" and buffers:
            self._files.upload(str(message.get("name") or "file"), bytes(buffers[0]), self._uploaded)

    def _uploaded(self, name: str, problem: str) -> None:
        self._drop.busy = False
        if problem:
            self._state.refuse(self.field.name, problem)
            return
        self.offer()
        self._state.set(self.field.name, name)
