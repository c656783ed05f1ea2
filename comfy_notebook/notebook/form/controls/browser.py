"""The controls that ipywidgets does not have, with their browser's halves in ``front/``."""

from __future__ import annotations

from importlib import resources
from typing import Any

import anywidget
from traitlets import Bool, Dict, Int, List, Unicode

LARGEST_UPLOAD = 10_000_000  # bytes: Tornado closes a connection that brings more than 10 MiB in one message


def _front(name: str) -> str:
    return resources.files("comfy_notebook.notebook.form").joinpath("front", name).read_text(encoding="utf-8")


class Choice(anywidget.AnyWidget):
    """A drop-down of any length, which finds what one types; with ``free``, what is typed need not be in it."""

    _esm = _front("choice.js")
    value = Unicode().tag(sync=True)
    options = List(Unicode()).tag(sync=True)
    free = Bool(default_value=False).tag(sync=True)
    label = Unicode().tag(sync=True)
    placeholder = Unicode().tag(sync=True)


class Drop(anywidget.AnyWidget):
    """A place for a file: it shows a thumbnail, and sends ``{"kind": "file", "name": ...}`` with the content.

    Of one above ``limit`` bytes it sends ``{"kind": "too large", "name": ..., "size": ...}``.
    """

    _esm = _front("files.js")
    thumbnail = Unicode().tag(sync=True)
    words = Unicode().tag(sync=True)
    label = Unicode().tag(sync=True)
    accept = Unicode().tag(sync=True)
    busy = Bool(default_value=False).tag(sync=True)
    limit = Int(LARGEST_UPLOAD).tag(sync=True)


class Strip(anywidget.AnyWidget):
    """Results in a row; ``items`` have number, title, caption, status, thumbnail (a URL) and sign."""

    _esm = _front("strip.js")
    items: Any = List(Dict()).tag(sync=True)
    chosen = Int(0).tag(sync=True)


class Copy(anywidget.AnyWidget):
    """Buttons that ask for code, ``{"kind": "cell"}`` or "python", and put the answer on the clipboard."""

    _esm = _front("copy.js")


class Watch(anywidget.AnyWidget):
    """Says when the kernel does not answer; brings the form's style sheet along."""

    _esm = _front("watch.js")
    _css = _front("form.css")

    def __init__(self) -> None:
        super().__init__()
        self.on_msg(self._answer)

    def _answer(self, _widget: object, message: dict[str, Any], _buffers: object) -> None:
        self.send({"kind": "answer", "number": message.get("number", 0)})
