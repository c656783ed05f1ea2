"""What a value is called on the axes of a grid, and which values are the same."""

from __future__ import annotations

import json
from collections.abc import Hashable
from pathlib import PurePath
from typing import Any

from comfy_notebook.media import Media

_LONGEST = 400


def label(value: Any) -> str:
    """Return how a value is written beside the runs that have it."""
    if isinstance(value, bool) or value is None:
        return str(value)
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, Media):
        return value.filename
    if isinstance(value, PurePath):
        return value.name
    text = value if isinstance(value, str) else _written(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def mark(value: Any) -> Hashable:
    """Return what is the same for values that are the same."""
    if isinstance(value, Hashable) and not hasattr(value, "__array__"):
        return isinstance(value, bool), value
    try:
        return json.dumps(value, sort_keys=True)
    except (TypeError, ValueError):
        return id(value)


def _written(value: Any) -> str:
    if isinstance(value, tuple):
        return " + ".join(map(label, value))
    if hasattr(value, "size") and hasattr(value, "mode"):  # a PIL image
        return f"{value.size[0]}\u00d7{value.size[1]} picture"
    if hasattr(value, "shape"):
        return f"array of {' by '.join(map(str, value.shape))}"
    return f"{len(value):,} bytes" if isinstance(value, bytes) else repr(value)
