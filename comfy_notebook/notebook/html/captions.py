"""What is said below a file: its name, size and duration, and where the original is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from markupsafe import Markup

from comfy_notebook.notebook.html.parts import EMPTY, data_url, size

if TYPE_CHECKING:
    from comfy_notebook.notebook.media.pipeline import Item

_MINUTE = 60


def note(item: Item, about: str = "") -> str:
    """Return what is said in a line below a small picture: ``"1024x768 · seed 42"``."""
    return " · ".join(filter(None, (_pixels(item), about)))


def caption(item: Item, about: str = "") -> str:
    """Return ``"name.png · 1024x768 · seed 42"``."""
    made = item.made
    sound = " · ".join(filter(None, (_channels(made.channels), f"{made.rate / 1000:g} kHz" if made.rate else "")))
    parts = (item.media.filename, _pixels(item), duration(made.seconds), made.codec, sound, about, *made.notes)
    return " · ".join(filter(None, parts))


def output(item: Item) -> str:
    """Return the name of the output that it belongs to; "" if that has none."""
    return item.media.var if item.media.var != item.media.node_id else ""


def duration(seconds: float) -> str:
    """Say how long something plays: ``"4.2 s"``, ``"3:05"``; "" if that is unknown."""
    if not seconds:
        return ""
    return f"{seconds:.1f} s" if seconds < _MINUTE else f"{int(seconds) // _MINUTE}:{int(seconds) % _MINUTE:02}"


def original(item: Item) -> Markup:
    """Link to the original, and say how large it is; the server gives it out as long as it has it."""
    weight = size(item.made.bytes) if item.made.bytes else ""
    if item.player is not None and item.media.kind == "file":  # on a page that has everything inside
        link = Markup('<a href="{}" download="{}">save</a>, {}')
        content = item.player.content
        return link.format(data_url(content, item.media.mime), item.media.filename, size(len(content)))
    if not str(item.media).startswith(("http://", "https://")):
        return Markup("{}").format(weight)
    return Markup('<a href="{}" target="_blank" rel="noopener" download>original</a>{}{}').format(
        str(item.media), ", " if weight else EMPTY, weight
    )


def _pixels(item: Item) -> str:
    return f"{item.made.width}\u00d7{item.made.height}" if item.made.width else ""


def _channels(count: int) -> str:
    return {0: "", 1: "mono", 2: "stereo"}.get(count, f"{count} channels")
